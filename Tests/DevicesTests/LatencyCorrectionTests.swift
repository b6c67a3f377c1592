// The correction of a table by whole networks.
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@testable import Devices

@Suite struct LatencyCorrectionTests {
    /// Twenty networks whose whole latency is a function of the table's sum and the number of blocks, with a little noise.
    private func observations(
        _ whole: (Double, Double) -> Double, noise: Double = 0.001
    ) -> [LatencyCorrection.Observation] {
        var stream = RandomStream(seed: 11)
        return (0..<20).map { _ in
            let table = 5 + 10 * Double(stream.uniform())
            let blocks = 10 + stream.below(11)
            let value = whole(table, Double(blocks)) * (1 + noise * Double(stream.normal()))
            return .init(tableMs: table, blocks: blocks, wholeMs: value)
        }
    }

    @Test(
        "a scale with an amount a block, or a fixed amount, is found and corrects what is held out")
    func recovers() {
        let blocks = observations { 1.1 * $0 + 0.05 * $1 }
        let found = LatencyCorrection.fit(blocks)
        #expect(abs(found.scale - 1.1) < 0.01)
        #expect(abs(found.perBlockMs - 0.05) < 0.01 && found.fixedMs == 0)
        // Noise of a thousandth, three numbers fitted: held-out errors stay near its mean of 0.0008.
        #expect(LatencyCorrection.heldOutError(blocks) < 0.003)
        let fixed = LatencyCorrection.fit(observations { table, _ in 0.9 * table + 2 })
        #expect(abs(fixed.scale - 0.9) < 0.01 && abs(fixed.fixedMs - 2) < 0.1)
        #expect(fixed.perBlockMs == 0)
    }

    @Test("a table that needs no correction gets none, and so does one with few networks")
    func nothingToDo() {
        #expect(LatencyCorrection.fit(observations({ table, _ in table }, noise: 0.02)) == .none)
        let few = Array(observations { 2 * $0 + $1 }.prefix(4))
        #expect(LatencyCorrection.fit(few) == .none)
        #expect(LatencyCorrection.fit([]) == .none)
    }

    @Test("held-out errors are those of networks that the fit never saw")
    func heldOut() {
        // One network that nothing explains: in the fit it hides its error, held out it cannot.
        var rows = observations { table, _ in table }
        rows[3].wholeMs *= 3
        #expect(LatencyCorrection.heldOutError(rows) > 0.6 / 20)
    }

    @Test("sums over a corrected table are corrected sums, and files and JSON keep it apart")
    func table() throws {
        var table = LatencyTable()
        for key in try LatencyKey.all(in: tinySpace, resolution: 24) {
            table[24, key] = LatencyEntry(count: 3, mean: 2, std: 0.1)
        }
        let shape = try NetworkShape(tinySpace, tinySpace.largest)
        let sum = try table.latencyMs(shape)
        #expect(try table.corrected(for: tinySpace, named: "tiny") == table)
        let correction = LatencyCorrection(scale: 1.5, perBlockMs: 0.25, fixedMs: -1)
        table[correctionOf: "tiny", 24] = correction
        #expect(try table.latencyMs(shape) == sum)
        let corrected = try table.corrected(for: tinySpace, named: "tiny").latencyMs(shape)
        // Every number here is a small binary fraction: sums are exact.
        #expect(corrected == correction.applied(sum, blocks: shape.blocks.count))
        #expect(try table.corrected(for: tinySpace, named: "another").latencyMs(shape) == sum)
        let roles = [24: try PartRoles(tinySpace, resolution: 24)]
        #expect(table.isPositive(with: correction, roles))
        let negative = LatencyCorrection(scale: 1, perBlockMs: -3, fixedMs: 0)
        #expect(!table.isPositive(with: negative, roles))
        table[correctionOf: "tiny", 24] = negative
        let error = #expect(throws: DeviceError.self) {
            try table.corrected(for: tinySpace, named: "tiny")
        }
        #expect(error?.message.contains("take -1.0 ms at size 24") == true)
        table[correctionOf: "tiny", 24] = correction
        let read = try JSONDecoder().decode(
            LatencyTable.self, from: try JSONEncoder().encode(table))
        #expect(read == table && read[correctionOf: "tiny", 24] == correction)
        #expect(read[correctionOf: "tiny", 16] == nil)
        // Tables of versions that knew no corrections are read.
        let old = try JSONDecoder().decode(
            LatencyTable.self, from: Data("{\"entries\":{}}".utf8))
        #expect(old == LatencyTable())
    }

    @Test("blocks and first layers are those of the description, whatever their keys are called")
    func named() throws {
        var space = tinySpace
        space.layers = space.layers.map { layer in
            guard case .convolution(var conv) = layer, conv.kernel > 1 else { return layer }
            conv.key = "Stem"
            return .convolution(conv)
        }
        var table = LatencyTable()
        for key in try LatencyKey.all(in: space, resolution: 24) {
            table[24, key] = LatencyEntry(count: 3, mean: 2, std: 0)
        }
        let shape = try NetworkShape(space, space.largest)
        #expect(shape.latencyKeys[0].description.hasPrefix("Stem-"))
        let correction = LatencyCorrection(scale: 1, perBlockMs: 0.25, fixedMs: 4)
        table[correctionOf: "own", 24] = correction
        let sum = try table.latencyMs(shape)
        #expect(
            try table.corrected(for: space, named: "own").latencyMs(shape)
                == correction.applied(sum, blocks: shape.blocks.count))
    }

    @Test(
        "of two tables the later's entry wins, and a size keeps its correction unless they differ")
    func merged() throws {
        let keys = try LatencyKey.all(in: tinySpace, resolution: 24)
        func table(_ sizes: [Int], mean: Double, scale: Double) -> LatencyTable {
            var table = LatencyTable()
            for size in sizes {
                table[size, keys[0]] = LatencyEntry(count: 1, mean: mean, std: 0)
                table[correctionOf: "tiny", size] = .init(scale: scale, perBlockMs: 0, fixedMs: 0)
            }
            return table
        }
        var both = table([16, 24], mean: 2, scale: 1.5)
        both[16, keys[1]] = LatencyEntry(count: 1, mean: 7, std: 0)
        both.merge(table([24, 32], mean: 3, scale: 1.25))
        #expect(both.resolutions == [16, 24, 32])
        #expect([16, 24, 32].map { both[$0, keys[0]]?.mean } == [2, 3, 3])
        #expect(both[16, keys[1]]?.mean == 7)
        #expect([16, 24, 32].map { both[correctionOf: "tiny", $0]?.scale } == [1.5, nil, 1.25])
        // The same entries twice are no two tables: what is known of them stays.
        var twice = both
        twice.merge(both)
        #expect(twice[correctionOf: "tiny", 32]?.scale == 1.25 && twice == both)
        // Nothing comes of an empty table, and none of it is lost in one.
        let one = table([16], mean: 2, scale: 1.5)
        var same = one, empty = LatencyTable()
        same.merge(LatencyTable())
        empty.merge(one)
        #expect(same == one && empty == one)
    }
}
