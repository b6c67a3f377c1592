// Calibration on real devices: networks timed on four settings of graphics processors, predicted from a phone's table.
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@testable import Devices

/// Published timings of whole networks, and the published table of another device.
private struct PublishedTimings {
    let space: SearchSpace
    let reference: LatencyTable
    let archs: [SubnetConfig]
    /// The keys of the networks' parts, as in the table's entries, and the sums of the reference's entries.
    let keys: [[String]], referenceMs: [Double]
    /// The latencies of the networks by device.
    let devices: [(name: String, milliseconds: [Double])]

    init(_ published: URL) throws {
        let space = try SearchSpace.named("ofa-mbv3-w1.2")
        let reference = try LatencyTable(
            contentsOf: published.appending(path: "note10").path, resolutions: nil)
        let file = published.appending(path: "help/ofa_gpu_latencies.csv")
        let lines = try String(contentsOf: file, encoding: .utf8).split(whereSeparator: \.isNewline)
        let names = try #require(lines.first).split(separator: ",").map(String.init)
        func digits(_ text: Substring) throws -> [Int] {
            try text.map { try #require($0.wholeNumberValue) }
        }
        var archs: [SubnetConfig] = [], rows: [[Double]] = []
        for line in lines.dropFirst() {
            let fields = line.split(separator: ",")
            let size = try #require(Int(fields[0]))
            guard reference.entries[size] != nil else { continue }
            archs.append(
                SubnetConfig(
                    kernelSizes: try digits(fields[1]),
                    expandRatios: try digits(fields[2]).map(Double.init),
                    depths: try digits(fields[3]), resolution: size))
            rows.append(try fields[4...].map { try #require(Double($0)) })
        }
        let shapes = try archs.map { try NetworkShape(space, $0) }
        self.space = space
        self.reference = reference
        self.archs = archs
        keys = shapes.map { $0.latencyKeys.map(\.description) }
        referenceMs = try shapes.map { try reference.latencyMs($0) }
        devices = names[4...].enumerated().map { place, name in (name, rows.map { $0[place] }) }
    }

    /// The mean of |predicted / measured - 1| in percent over the networks at `places`.
    func error(_ places: [Int], _ measured: [Double], _ predicted: (Int) -> Double) -> Double {
        places.reduce(0) { $0 + abs(predicted($1) / measured[$1] - 1) } * 100 / Double(places.count)
    }

    /// The better of one factor, and a factor and a constant, by relative least squares on `fitted`.
    func simple(_ fitted: [Int], _ asked: [Int], _ measured: [Double]) -> (Double, Double) {
        var (xx, xo, oo, x, o) = (0.0, 0.0, 0.0, 0.0, 0.0)
        for place in fitted {
            let (a, b) = (referenceMs[place] / measured[place], 1 / measured[place])
            xx += a * a
            xo += a * b
            oo += b * b
            x += a
            o += b
        }
        let determinant = xx * oo - xo * xo
        let (factor, constant) = ((x * oo - o * xo) / determinant, (o * xx - x * xo) / determinant)
        return (
            error(asked, measured) { x / xx * referenceMs[$0] },
            error(asked, measured) { factor * referenceMs[$0] + constant }
        )
    }
}

@Suite struct PublishedCalibrationTests {
    private static var isThere: Bool {
        SharedFolders.published("note10") != nil && SharedFolders.published("help") != nil
    }

    @Test(
        "ten to fifty networks give a graphics processor's latencies, and the stated error is one",
        .enabled(if: isThere, "\(SharedFolders.publishedHint)"))
    func graphicsProcessors() throws {
        let folder = try #require(SharedFolders.published("help"))
        let timings = try PublishedTimings(folder.deletingLastPathComponent())
        for count in [10, 20, 50] {
            var draws = 0, honest = 0
            var means = (factor: 0.0, constant: 0.0, ours: 0.0)
            for (name, measured) in timings.devices {
                var line = "\(count) networks, \(name):"
                for seed in UInt64(1)...5 {
                    var stream = RandomStream(seed: seed, count)
                    let order = stream.shuffled(Array(measured.indices))
                    let fitted = Array(order.prefix(count))
                    let asked = Array(order.dropFirst(count).prefix(1000))
                    let calibration = try LatencyCalibration(
                        timings.space, reference: timings.reference,
                        measurements: fitted.map {
                            .init(arch: timings.archs[$0], latencyMs: measured[$0])
                        })
                    let entries = try calibration.table().entries
                    #expect(entries.values.allSatisfy { $0.values.allSatisfy { $0.mean > 0 } })
                    let ours = timings.error(asked, measured) { place in
                        timings.keys[place].reduce(0) {
                            $0 + (entries[timings.archs[place].resolution]?[$1]?.mean ?? .nan)
                        }
                    }
                    let (factor, constant) = timings.simple(fitted, asked, measured)
                    let limit = min(factor, constant) + 0.5
                    #expect(ours <= limit, "\(line) seed \(seed)")
                    let stated = 100 * calibration.leaveOneOutError
                    draws += 1
                    if abs(log(stated / ours)) <= log(1.5) { honest += 1 }
                    means.factor += factor / 20
                    means.constant += constant / 20
                    means.ours += ours / 20
                    line += String(
                        format: "  %.1f %.1f → %.1f (%.1f)", factor, constant, ours, stated)
                }
                print(line)
            }
            print("\(count) networks, mean of one factor, factor and constant, ours: \(means)")
            print("the stated error is within a factor of 1.5 in \(honest) of \(draws) draws")
            #expect(means.ours < min(means.factor, means.constant))
            #expect(honest * 10 >= draws * 9)
        }
    }
}
