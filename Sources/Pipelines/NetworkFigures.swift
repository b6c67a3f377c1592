// What is known of a network that was cut: what was predicted, what was measured, and how far each can be trusted.

import Foundation
import Networks
import Search

/// A materialised network's figures: a row of the report.
public struct NetworkFigures: Codable, Sendable, Equatable {
    /// The device it was cut for, or "largest" and "smallest".
    public let device: String
    /// Its genes.
    public let arch: SubnetConfig
    /// What the predictor said, 0…1; nil where no search chose it.
    public let predictedAccuracy: Double?
    /// Top-1 on the test images, 0…1.
    public let testAccuracy: Double
    /// Milliseconds of one batch of the device on this machine, the mean of undisturbed timings; nil for other devices.
    public internal(set) var latencyMs: Double?
    /// What the latency table said.
    public let tableLatencyMs: Double?
    /// What it costs.
    public let macs, params: Int
    /// Stored weights and the largest working set, in bytes of the device.
    public let flashBytes, peakActivationBytes: Int
    /// What those bytes take for granted.
    public let assumption: String
    /// The device with the limits it was cut for; nil where no search chose it. This and all that follows is nil in
    /// what older versions stored.
    public var target: DeviceTarget?
    /// The deviation that the error of the predicted accuracy should have.
    public var accuracyUncertainty: Double?
    /// The mean error of the latency table on whole networks, as a share.
    public var latencyError: Double?
    /// Energy of one batch of the device in millijoules, by table or model.
    public var energyMJ: Double?
    /// How many test images there were.
    public var testImages: Int?
    /// Top-1 on training images held out from training, the kind that the predictor was fitted on; and their number.
    public var heldOutAccuracy: Double?
    /// See `heldOutAccuracy`.
    public var heldOutImages: Int?
    /// How much harder the test images were for other networks, where that was taken for granted.
    public var testOffset: TestOffset?
    /// The 10th and the 90th percentile of the timings, in milliseconds.
    public var latencyMsLow, latencyMsHigh: Double?

    /// What was done to the training images on which its batch-norm statistics were taken.
    public var calibrationAugmentation: CalibrationAugmentation?

    /// The search that followed because the first network's measured latency was over the limit; nil where none did.
    public var again: SecondSearch?

    /// Whether it is the supernet's largest or smallest network, which no device asked for.
    var isLargest: Bool { device == Materialised.largest.rawValue && predictedAccuracy == nil }
    /// See `isLargest`.
    var isSmallest: Bool { device == Materialised.smallest.rawValue && predictedAccuracy == nil }

    /// The standard error of the accuracy on the test images: another set of as many would differ by so much.
    public var testError: Double? { Self.standardError(testAccuracy, testImages) }
    /// The standard error of the accuracy on the held-out images.
    public var heldOutError: Double? {
        heldOutAccuracy.flatMap { Self.standardError($0, heldOutImages) }
    }
    /// Measured on the test images minus predicted.
    public var accuracyDifference: Double? { predictedAccuracy.map { testAccuracy - $0 } }
    /// Measured on held-out images minus predicted: the predictor's own error.
    public var heldOutDifference: Double? {
        predictedAccuracy.flatMap { predicted in heldOutAccuracy.map { $0 - predicted } }
    }
    /// What the accuracy on the test images should be: as predicted, and as much lower as that of other networks was.
    public var expectedTestAccuracy: Double? {
        predictedAccuracy.flatMap { predicted in testOffset.map { predicted + $0.mean } }
    }
    /// The deviation that its error should have; nil where that of the prediction is not known.
    public var expectedTestError: Double? {
        testOffset.flatMap { offset in
            accuracyUncertainty.map { ($0 * $0 + offset.deviation * offset.deviation).squareRoot() }
        }
    }
    /// Measured on the test images minus expected there.
    public var expectedDifference: Double? { expectedTestAccuracy.map { testAccuracy - $0 } }
    /// Measured latency over the table's, minus 1.
    public var latencyDifference: Double? {
        latencyMs.flatMap { measured in
            tableLatencyMs.flatMap { $0 > 0 ? measured / $0 - 1 : nil }
        }
    }

    private static func standardError(_ share: Double, _ count: Int?) -> Double? {
        count.flatMap { $0 > 0 ? (share * (1 - share) / Double($0)).squareRoot() : nil }
    }
}

/// A search with a tighter bound on latency, after the measurement of the first network missed the limit.
public struct SecondSearch: Codable, Sendable, Equatable {
    /// What came of it.
    public enum Outcome: String, Codable, Sendable {
        /// Its network is the one that was kept.
        case kept
        /// The first network was kept: measured again it meets the limit, or is nearer to it.
        case first
        /// No network meets the tighter bound; the first was kept.
        case infeasible
    }

    /// The bound on the table's latency in milliseconds.
    public let boundMs: Double
    /// What the first network was measured at.
    public let firstLatencyMs: Double
    /// What came of it.
    public var outcome: Outcome
}

/// Accuracy on the test images minus that on the held-out images, as networks of the same supernet have shown it.
public struct TestOffset: Codable, Sendable, Equatable {
    /// The mean over the networks; below 0 where the test images are harder.
    public let mean: Double
    /// The deviation of one more network from it.
    public let deviation: Double
    /// How many networks have shown it.
    public let networks: Int

    /// What these networks show; nil for fewer than two that were measured on both.
    public init?(_ figures: [NetworkFigures]) {
        let offsets = figures.compactMap { network in
            network.heldOutAccuracy.map { network.testAccuracy - $0 }
        }
        guard offsets.count >= 2 else { return nil }
        let count = Double(offsets.count)
        let mean = offsets.reduce(0, +) / count
        let squares = offsets.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        self.mean = mean
        deviation = (squares / (count - 1) * (1 + 1 / count)).squareRoot()
        networks = offsets.count
    }
}

/// One limit of a device beside what a network needs.
public struct LimitRow: Sendable, Equatable, Encodable {
    /// What is limited, as the limit is called in a pipeline file.
    public let name: String
    /// The unit.
    public let unit: String
    /// The most allowed.
    public let limit: Double
    /// What the network needs by table, count or model; nil where that is not known.
    public let expected: Double?
    /// What was measured; nil for what cannot be.
    public let measured: Double?

    /// What the limit is compared with: measured where it could be.
    public var value: Double? { measured ?? expected }
    /// Whether the limit is met; nil where the need is not known.
    public var isMet: Bool? { value.map { $0 <= limit } }

    private enum Key: String, CodingKey { case limit, unit, max, expected, measured, met }

    /// Writes the fields of `ofa report --json`.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(name, forKey: .limit)
        try fields.encode(unit, forKey: .unit)
        try fields.encode(limit, forKey: .max)
        try fields.encode(expected, forKey: .expected)
        try fields.encode(measured, forKey: .measured)
        try fields.encode(isMet, forKey: .met)
    }
}

extension NetworkFigures {
    /// Every limit that binds, beside what the network needs.
    public var limitRows: [LimitRow] {
        guard let limits = target?.limits else { return [] }
        let rows: [(String, String, Double?, Double?, Double?)] = [
            ("max_latency_ms", "ms", limits.latencyMsMax, tableLatencyMs, latencyMs),
            ("max_energy_mj", "mJ", limits.energyMJMax, energyMJ, nil),
            (
                "max_peak_memory_kb", "KiB", limits.peakMemoryKBMax,
                Double(peakActivationBytes) / 1024, nil
            ),
            ("max_flash_kb", "KiB", limits.flashKBMax, Double(flashBytes) / 1024, nil),
            ("max_macs", "MACs", limits.macsMax.map(Double.init), Double(macs), nil),
            ("max_params", "parameters", limits.paramsMax.map(Double.init), Double(params), nil),
        ]
        return rows.compactMap { name, unit, limit, expected, measured in
            limit.map {
                LimitRow(
                    name: name, unit: unit, limit: $0, expected: expected, measured: measured)
            }
        }
    }
}
