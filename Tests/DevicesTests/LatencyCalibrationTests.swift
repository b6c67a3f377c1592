// A table for a new device from another's and ten whole networks.
//
// The new device of a test is the reference scaled, each class of parts perturbed by a factor of its own, each part a
// little more, and measured with noise, all drawn from a log-normal distribution by a printed seed.
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@testable import Devices

/// A device made up from a reference table.
private struct Simulated {
    let table: LatencyTable

    /// Relative deviations of the factors of kernel sizes, ratios, stages and kinds, and of single parts.
    init(
        _ space: SearchSpace, _ reference: LatencyTable, seed: UInt64, scale: Double,
        ofClasses: Double, ofParts: Double = 0.05
    ) throws {
        var classes: [String: Double] = [:]
        var stream = RandomStream(seed: seed)
        func factor(_ name: String) -> Double {
            if let known = classes[name] { return known }
            let drawn = exp(ofClasses * Double(stream.normal()))
            classes[name] = drawn
            return drawn
        }
        var table = LatencyTable()
        for resolution in reference.resolutions {
            for key in try LatencyKey.all(in: space, resolution: resolution) {
                var value = scale * (try reference.latencyMs(key, resolution: resolution))
                if case .invertedResidual(let block)? = key.layers.first {
                    value *= factor("k\(block.kernel)") * factor("e\(block.expandRatio)")
                    value *= factor("s\(block.stage ?? -1)")
                } else {
                    value *= factor(String(key.description.prefix { $0 != "-" }))
                }
                value *= exp(ofParts * Double(stream.normal()))
                table[resolution, key] = LatencyEntry(count: 1, mean: value, std: 0)
            }
        }
        self.table = table
    }
}

@Suite struct LatencyCalibrationTests {
    private static let space = "ofa-mbv3-w1.2"

    private func reference(_ sizes: [Int]) throws -> (SearchSpace, LatencyTable) {
        let folder = try #require(SharedFolders.published("note10"))
        return (
            try SearchSpace.named(Self.space),
            try LatencyTable(contentsOf: folder.path, resolutions: sizes)
        )
    }

    /// Errors on 100 networks that were not measured, and how many of them lie within two deviations.
    private func errors(
        _ seed: UInt64, count: Int, sizes: [Int], isPlanned: Bool, ofClasses: Double = 0.25
    ) throws -> (mean: Double, covered: Double, calibration: LatencyCalibration) {
        let (space, reference) = try reference(sizes)
        let device = try Simulated(
            space, reference, seed: seed, scale: 2.7, ofClasses: ofClasses
        ).table
        var stream = RandomStream(seed: seed, 1)
        func drawn() -> SubnetConfig {
            var config = space.sample(using: &stream)
            config.resolution = sizes[stream.below(sizes.count)]
            return config
        }
        let measured =
            isPlanned
            ? try LatencyCalibration.plan(space, reference: reference, count: count, seed: seed)
            : (0..<count).map { _ in drawn() }
        let calibration = try LatencyCalibration(
            space, reference: reference,
            measurements: try measured.map { config in
                let value = try device.latencyMs(NetworkShape(space, config))
                return .init(
                    arch: config, latencyMs: value * exp(0.02 * Double(stream.normal())))
            })
        let table = try calibration.table()
        var (sum, covered) = (0.0, 0.0)
        for _ in 0..<100 {
            let shape = try NetworkShape(space, drawn())
            let truth = try device.latencyMs(shape)
            let guess = try calibration.latencyMs(shape)
            // What a search sees, sums over the table, is what the calibration says of the network: the same terms.
            #expect(abs(try table.latencyMs(shape) / guess.mean - 1) < 1e-12)
            sum += abs(guess.mean / truth - 1) / 100
            if abs(guess.mean - truth) <= 2 * guess.deviation { covered += 1.0 / 100 }
        }
        return (sum, covered, calibration)
    }

    // Kernel, ratio and stage multiply: with 0.15 each, the factors of blocks are 2.7 give or take 30 %; with 0.25 half as
    // much again, which is more than ten networks drawn at random can always tell.
    @Test(
        "ten networks give a new device's latencies within 5 % on networks that were not measured",
        .enabled(if: SharedFolders.published("note10") != nil, "\(SharedFolders.publishedHint)"),
        arguments: [[224], [160, 192, 224]], [0.15, 0.25])
    func tenNetworks(sizes: [Int], ofClasses: Double) throws {
        var (means, covers) = ([Double](), [Double]())
        for seed in UInt64(1)...12 {
            let found = try errors(
                seed, count: 10, sizes: sizes, isPlanned: false, ofClasses: ofClasses)
            if ofClasses < 0.2 { #expect(found.mean <= 0.05, "seed \(seed), sizes \(sizes)") }
            means.append(found.mean)
            covers.append(found.covered)
        }
        let mean = means.reduce(0, +) / 12, cover = covers.reduce(0, +) / 12
        print("10 networks, \(sizes), \(ofClasses): MAPE \(mean), two deviations cover \(cover)")
        #expect(mean <= 0.05)
        // Two deviations cover 95 % where the model holds; its spreads are guessed from ten networks.
        #expect(cover > 0.85)
    }

    @Test(
        "planned networks do as well, and twenty better than ten",
        .enabled(if: SharedFolders.published("note10") != nil, "\(SharedFolders.publishedHint)"))
    func planned() throws {
        var (ten, twenty) = (0.0, 0.0)
        for seed in UInt64(1)...6 {
            ten += try errors(seed, count: 10, sizes: [224], isPlanned: true).mean / 6
            twenty += try errors(seed, count: 20, sizes: [224], isPlanned: true).mean / 6
        }
        print("planned: MAPE \(ten) with 10, \(twenty) with 20")
        #expect(ten <= 0.05 && twenty <= ten)
    }

    @Test("a device that is only slower gives its factor, and small error bars")
    func scaled() throws {
        var reference = LatencyTable()
        for (place, key) in try LatencyKey.all(in: tinySpace, resolution: 24).enumerated() {
            reference[24, key] = LatencyEntry(count: 1, mean: 1 + 0.1 * Double(place), std: 0)
        }
        var stream = RandomStream(seed: 5)
        let measured = try (0..<8).map { _ in
            var config = tinySpace.sample(using: &stream)
            config.resolution = 24
            return LatencyCalibration.Measurement(
                arch: config,
                latencyMs: 3 * (try reference.latencyMs(NetworkShape(tinySpace, config))))
        }
        let found = try LatencyCalibration(
            tinySpace, reference: reference, measurements: measured)
        #expect(abs(found.factor - 3) < 1e-6 && found.leaveOneOutError < 1e-6)
        let table = try found.table()
        for key in try LatencyKey.all(in: tinySpace, resolution: 24) {
            let entry = try #require(table[24, key])
            #expect(abs(entry.mean / (3 * (reference[24, key]?.mean ?? 0)) - 1) < 1e-6)
            #expect(entry.std > 0 && entry.std < 0.05 * entry.mean && entry.count == 8)
        }
    }

    @Test("too few networks, latencies that are none and parts the reference lacks are errors")
    func refused() throws {
        var reference = LatencyTable()
        for key in try LatencyKey.all(in: tinySpace, resolution: 24) {
            reference[24, key] = LatencyEntry(count: 1, mean: 1, std: 0)
        }
        func code(_ rows: [(SubnetConfig, Double)]) -> DeviceError.Code? {
            #expect(throws: DeviceError.self) {
                try LatencyCalibration(
                    tinySpace, reference: reference,
                    measurements: rows.map { .init(arch: $0.0, latencyMs: $0.1) })
            }?.code
        }
        let large = tinySpace.largest
        #expect(code(Array(repeating: (large, 1), count: 4)) == .tooFewSamples)
        #expect(code(Array(repeating: (large, 0), count: 5)) == .invalidOption)
        var other = large
        other.resolution = 16
        #expect(code(Array(repeating: (other, 1), count: 5)) == .missingLatency)
    }

    @Test("a plan has different networks, the same for the same seed, at the sizes asked for")
    func plan() throws {
        var reference = LatencyTable()
        for size in [16, 24] {
            for key in try LatencyKey.all(in: tinySpace, resolution: size) {
                reference[size, key] = LatencyEntry(count: 1, mean: 1, std: 0)
            }
        }
        func plan(_ seed: UInt64, _ sizes: [Int]? = nil) throws -> [SubnetConfig] {
            try LatencyCalibration.plan(
                tinySpace, reference: reference, resolutions: sizes, count: 12, seed: seed)
        }
        let first = try plan(1)
        #expect(first.count == 12 && Set(first).count == 12)
        #expect(try plan(1) == first)
        #expect(Set(first.map(\.resolution)) == [16, 24])
        #expect(try plan(1, [24]).allSatisfy { $0.resolution == 24 })
    }
}
