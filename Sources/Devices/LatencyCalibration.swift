// A latency table for a new device, from another device's table and a few whole networks measured
// on the new one. The model is in `PartFactors`.

import Foundation
import Networks
import Tensors

/// A reference table calibrated to whole networks measured on a new device.
public struct LatencyCalibration: Sendable {
    /// A whole network and its latency on the new device.
    public struct Measurement: Codable, Sendable, Equatable {
        /// Its genes.
        public var arch: SubnetConfig
        /// Milliseconds on the new device.
        public var latencyMs: Double

        public init(arch: SubnetConfig, latencyMs: Double) {
            self.arch = arch
            self.latencyMs = latencyMs
        }

        /// Throws `invalidOption` unless the latency is positive and finite.
        public func validate() throws {
            guard latencyMs > 0, latencyMs.isFinite else {
                throw DeviceError(
                    .invalidOption, "a measured latency is \(latencyMs) ms; it must be positive")
            }
        }

        /// The names in files.
        private enum CodingKeys: String, CodingKey {
            case arch
            case latencyMs = "latency_ms"
        }
    }

    /// Estimated standard deviations from the common factor, relative.
    public struct Spreads: Codable, Sendable, Equatable {
        /// Of a class of parts, of one part on its own, and of one measurement.
        public let ofClasses, ofParts, ofMeasurements: Double
    }

    /// Mean |predicted / measured - 1| in leave-one-out cross-validation over networks.
    public let leaveOneOutError: Double

    private let space: SearchSpace
    private let reference: LatencyTable
    private let factors: PartFactors
    /// What was measured.
    let measurements: [Measurement]
    /// The largest difference between two networks in the share of their time that a class of parts takes, 0…1.
    let largestDifference: Double

    /// The common factor: new device over reference.
    public var factor: Double { factors.common }
    /// How much deviates from it.
    public var spreads: Spreads {
        let found = factors.spreads
        return Spreads(
            ofClasses: found.ofClasses, ofParts: found.ofParts,
            ofMeasurements: found.ofMeasurements)
    }

    /// Calibrates `reference`, a table for networks of `space`, to at least five measurements.
    ///
    /// Errors: `tooFewSamples`, `invalidOption` for a latency that is not positive,
    /// `missingLatency` for a network that the reference does not cover, and what resolving its
    /// genes throws; `tooFewSamples` also below five different networks.
    public init(
        _ space: SearchSpace, reference: LatencyTable, measurements: [Measurement]
    ) throws {
        guard measurements.count >= 5 else {
            throw DeviceError(
                .tooFewSamples,
                "\(measurements.count) networks were measured, and a calibration needs at least 5",
                remedy: "measure 10 to 20"
            )
        }
        for one in measurements { try one.validate() }
        // Equal networks have equal genes, whatever the skipped layers were given.
        let measurements = measurements.map {
            Measurement(arch: space.canonical($0.arch), latencyMs: $0.latencyMs)
        }
        let networks = try measurements.map {
            try ReferencePart.parts(try NetworkShape(space, $0.arch), reference)
        }
        let values = measurements.map(\.latencyMs)
        self.space = space
        self.reference = reference
        self.measurements = measurements
        // A network measured several times is left out with all of its latencies.
        let different = Set(measurements.map(\.arch)).count
        guard different >= 5 else {
            throw DeviceError(
                .tooFewSamples,
                "\(measurements.count) measurements are of \(different) network\(different == 1 ? "" : "s"), and a"
                    + " calibration needs at least 5 different ones", remedy: "measure 10 to 20")
        }
        factors = PartFactors(networks, values)
        largestDifference = ReferencePart.largestDifference(networks)
        leaveOneOutError =
            values.indices.reduce(0) { sum, place in
                let rest = values.indices.filter {
                    measurements[$0].arch != measurements[place].arch
                }
                let guess = PartFactors(rest.map { networks[$0] }, rest.map { values[$0] })
                    .latencyMs(networks[place]).mean
                return sum + abs(guess / values[place] - 1)
            } / Double(values.count)
    }

    /// The predicted latency of a network in milliseconds, and the standard deviation of its error.
    public func latencyMs(_ shape: NetworkShape) throws -> (mean: Double, deviation: Double) {
        factors.latencyMs(try ReferencePart.parts(shape, reference))
    }

    /// The calibrated table: for every part of the space that the reference has, the predicted mean
    /// and, as `std`, its standard error. Errors of parts of one class are correlated: for a sum,
    /// use the deviation of `latencyMs`.
    public func table() throws -> LatencyTable {
        var table = LatencyTable()
        for resolution in reference.resolutions where space.resolutions.contains(resolution) {
            for key in try LatencyKey.all(in: space, resolution: resolution) {
                guard let entry = reference[resolution, key] else { continue }
                let found = factors.latencyMs([ReferencePart(key, resolution, entry.mean)])
                table[resolution, key] = LatencyEntry(
                    count: measurements.count, mean: found.mean, std: found.deviation)
            }
        }
        return table
    }

    /// Networks to measure on a new device: from many random ones at the image sizes of the
    /// reference, one after the other the one whose latency has the largest relative uncertainty
    /// given those chosen before.
    public static func plan(
        _ space: SearchSpace, reference: LatencyTable, resolutions: [Int]? = nil, count: Int,
        seed: UInt64
    ) throws -> [SubnetConfig] {
        try space.checkResolutions(resolutions ?? [])
        let sizes = resolutions ?? reference.resolutions.filter(space.resolutions.contains)
        guard !sizes.isEmpty else {
            throw DeviceError(
                .missingLatency,
                "the reference has no image size of space \(space.name): it is of another space")
        }
        guard count > 0 else { return [] }
        var stream = RandomStream(seed: seed, 0, 0, 0xCA1)
        var candidates: [(config: SubnetConfig, parts: [ReferencePart])] = []
        var seen: Set<SubnetConfig> = []
        for number in 0..<300 {
            var config = space.sample(using: &stream)
            config.resolution = sizes[number % sizes.count]
            guard seen.insert(config).inserted else { continue }
            let parts = try ReferencePart.parts(try NetworkShape(space, config), reference)
            candidates.append((config, parts))
        }
        var chosen: [(config: SubnetConfig, parts: [ReferencePart])] = []
        while chosen.count < count, !candidates.isEmpty {
            let known = chosen.map(\.parts)
            let uncertainties = candidates.map {
                PartFactors.uncertainty($0.parts, knowing: known)
            }
            guard
                let place = uncertainties.indices.max(by: { uncertainties[$0] < uncertainties[$1] })
            else { break }
            chosen.append(candidates.remove(at: place))
        }
        return chosen.map(\.config)
    }
}
