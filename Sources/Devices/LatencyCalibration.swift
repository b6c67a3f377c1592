// Computes a latency table for a new device from another device's table and the latencies of a few whole networks on
// the new device. `BlendedFactors` is the statistical model.

import Foundation
import Networks
import Tensors

/// A reference table calibrated to whole networks measured on a new device.
public struct LatencyCalibration: Sendable {
    /// A whole network and its latency on the new device.
    public struct Measurement: Codable, Sendable, Equatable {
        /// The network's genes.
        public var arch: SubnetConfig
        /// The network's latency on the new device in milliseconds.
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

        /// The names of the fields in files.
        private enum CodingKeys: String, CodingKey {
            case arch
            case latencyMs = "latency_ms"
        }
    }

    /// Estimated relative standard deviations.
    public struct Deviations: Codable, Sendable, Equatable {
        /// The deviations of three quantities: of the factor of a class of parts (`ReferencePart.classes`) from the
        /// common factor, of a part's factor from the factors of the part's classes, and of a measurement from the
        /// network's latency.
        public let ofClasses, ofParts, ofMeasurements: Double
    }

    /// The expected mean of |predicted / measured - 1| over networks that were not measured. Leave-one-out
    /// cross-validation gives an estimate, which is moved towards the usual error of calibrations (`statedError`),
    /// because all of a few networks may have been measured in quiet phases of the device, or all in slow phases.
    public let leaveOneOutError: Double

    private let space: SearchSpace
    private let reference: LatencyTable
    private let factors: BlendedFactors
    /// The measurements, with canonical genes.
    let measurements: [Measurement]
    /// How much the networks differ, 0…1: the share of a network's time that a class of parts takes differs between
    /// two networks by at most this value.
    let largestDifference: Double

    /// The common factor: time on the new device divided by time on the reference device.
    public var factor: Double { factors.common }
    /// The share of time on the new device, 0…1, that is constant, whatever the size of the operators.
    public var constantShare: Double { factors.constantShare }
    /// The estimated deviations of classes, parts and measurements.
    public var spreads: Deviations {
        let found = factors.deviations
        return Deviations(
            ofClasses: found.ofClasses, ofParts: found.ofParts,
            ofMeasurements: found.ofMeasurements)
    }

    /// Calibrates `reference`, a table for networks of `space`, to at least five measurements.
    ///
    /// Errors: `tooFewSamples` below five measurements or five different networks, `invalidOption` for a latency that
    /// is not positive, `missingLatency` for a network that the reference does not cover, and the errors of
    /// `NetworkShape.init`.
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
        // Canonical genes make equal networks compare equal even if the genes of skipped layers differ.
        let measurements = measurements.map {
            Measurement(arch: space.canonical($0.arch), latencyMs: $0.latencyMs)
        }
        // Cross-validation must leave out all latencies of a network at once, so their mean counts as one latency.
        var places: [SubnetConfig: Int] = [:]
        var different: [(arch: SubnetConfig, latencies: [Double])] = []
        for one in measurements {
            if let place = places[one.arch] {
                different[place].latencies.append(one.latencyMs)
            } else {
                places[one.arch] = different.count
                different.append((one.arch, [one.latencyMs]))
            }
        }
        let networks = try different.map {
            try ReferencePart.parts(try NetworkShape(space, $0.arch), reference)
        }
        self.space = space
        self.reference = reference
        self.measurements = measurements
        guard different.count >= 5 else {
            throw DeviceError(
                .tooFewSamples,
                "\(measurements.count) measurements are of \(different.count)"
                    + " network\(different.count == 1 ? "" : "s"), and a calibration needs at least 5 different ones",
                remedy: "measure 10 to 20")
        }
        factors = BlendedFactors(
            networks, different.map { $0.latencies.reduce(0, +) / Double($0.latencies.count) },
            counts: different.map(\.latencies.count))
        largestDifference = ReferencePart.largestDifference(networks)
        leaveOneOutError = Self.statedError(factors.leftOut)
    }

    /// Returns the expected mean error on networks that were not measured, from the errors on networks left out.
    ///
    /// The mean of ten absolute errors varies by about 30 % with the choice of the ten, and more if a twentieth of all
    /// measurements is disturbed. So the function takes the geometric mean of this mean and of the mean that the model
    /// expects; the latter varies less. It then averages the result with the usual error, as if `usualNetworks` more
    /// networks had this error.
    private static func statedError(_ leftOut: [PartFactors.LeftOut]) -> Double {
        let count = Double(leftOut.count)
        let seen = leftOut.reduce(0) { $0 + abs($1.error) } / count
        let modelled = leftOut.reduce(0) { $0 + $1.variance.squareRoot() } / count
        let own = (seen * Self.meanOfDeviation * modelled).squareRoot()
        let usual = min(Self.usualError, Self.mostOfOwnError * own)
        return (count * own + Self.usualNetworks * usual) / (count + Self.usualNetworks)
    }

    /// The mean of |x| if x is an error with standard deviation 1 and long tails; 0.80 if x is normally distributed.
    private static let meanOfDeviation = 0.75
    /// The usual error of calibrations of graphics processors and phones; the number of networks that it counts as in
    /// the average; and its upper limit as a multiple of the device's own error, for devices whose latencies are far
    /// more regular. Chosen so that the stated error was as often too high as too low on four devices
    /// (`ops/docs/results.md`); the choice matters little.
    private static let usualError = 0.04, usualNetworks = 10.0, mostOfOwnError = 5.0

    /// Returns the predicted latency of a network in milliseconds, and the standard deviation of the prediction's
    /// error.
    public func latencyMs(_ shape: NetworkShape) throws -> (mean: Double, deviation: Double) {
        factors.latencyMs(try ReferencePart.parts(shape, reference))
    }

    /// Returns the calibrated table. It has the parts of the space's networks for which the reference has entries:
    /// `mean` is the predicted latency and `std` the standard error of the prediction. Errors of parts of one class are
    /// correlated, so do not combine them for a network: use the deviation that `latencyMs` returns.
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

    /// Chooses `count` networks to measure on a new device, from 300 random networks at `resolutions` (by default the
    /// reference's image sizes). Each choice is the network whose latency would have the largest relative uncertainty
    /// after the networks chosen earlier were measured. Errors: `missingLatency` if `reference` does not cover a
    /// network.
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
