// The figures of a materialised network: predicted and measured values with their uncertainties.

import Artifacts
import Devices
import Foundation
import Networks

/// A materialised network's figures: a row of the report.
public struct NetworkFigures: Codable, Sendable, Equatable {
    /// The device that the network was extracted for, or `largest` or `smallest`.
    public let device: String
    /// The network's genes.
    public let arch: SubnetConfig
    /// The predicted accuracy, 0…1; nil if no search chose the network.
    public internal(set) var predictedAccuracy: Double?
    /// Top-1 accuracy on the test images, 0…1, in `bits` bits, as all measured figures.
    public internal(set) var testAccuracy: Double
    /// Measured milliseconds of one batch on this machine: the mean of the timings that other work on the machine did
    /// not disturb. Nil if the device is not a computer.
    public internal(set) var latencyMs: Double?
    /// Milliseconds of one batch as predicted by the device's latency table; nil without a table or if no search chose
    /// the network.
    public let tableLatencyMs: Double?
    /// Multiply-accumulates of one image, and number of parameters.
    public let macs, params: Int
    /// `flashBytes`: the bytes of the stored weights. `peakActivationBytes`: the largest number of bytes of activations
    /// that are live at the same time. Both are for the device's number formats.
    public internal(set) var flashBytes: Int
    public let peakActivationBytes: Int
    /// The assumptions behind `flashBytes` and `peakActivationBytes`, in words.
    public internal(set) var assumption: String
    /// The device with its limits; nil if no search chose the network. This and all later stored fields are nil in data
    /// of older versions.
    public var target: DeviceTarget?
    /// The standard error of the predicted accuracy.
    public var accuracyUncertainty: Double?
    /// The mean relative error of the latency table on whole networks.
    public var latencyError: Double?
    /// Energy of one batch on the device in millijoules, by the device's energy table or modelled.
    public var energyMJ: Double?
    /// The number of test images.
    public var testImages: Int?
    /// Top-1 accuracy, 0…1, on held-out training images. The predictor was fitted on accuracies of the same kind.
    public var heldOutAccuracy: Double?
    /// The number of held-out images.
    public var heldOutImages: Int?
    /// The test offset (test minus held-out accuracy) of other networks, used if this network was not measured on
    /// held-out images.
    public var testOffset: TestOffset?
    /// The 10th and the 90th percentile of the latency timings, in milliseconds.
    public var latencyMsLow, latencyMsHigh: Double?

    /// The search space of the supernet that the network was extracted from.
    public var definition: SearchSpace?
    /// The augmentation of the images on which the network's batch norms were calibrated.
    public var calibrationAugmentation: CalibrationAugmentation?

    /// The names of the classes, in the order of the network's outputs. Nil if the data set has no names, or if the
    /// names have more than `mostNameBytes` bytes. The exported weights have all names.
    public var classNames: [String]?

    /// How images become the network's input.
    public var input: NetworkInput?

    /// The second search, made because the first network's measured latency exceeded the limit; nil if there was no
    /// second search.
    public var again: SecondSearch?

    /// The training of this network alone, after its extraction; nil if there was none.
    public var fineTuning: FineTuning?

    /// How the network was quantised, and its accuracies in floats; nil if it was measured in floats.
    public var eightBits: EightBits?

    /// 8 if the predicted accuracy is that of eight bits; nil for floats, and without a prediction.
    public var predictedBits: Int?

    /// How many test images of class i were taken for class j, at index i · classes + j; nil for more than `mostClasses`
    /// classes, if an output was not finite, and in data of older versions.
    public var confusion: [Int]?

    /// The device's name, with `, fine-tuned` if the network was trained further.
    public var label: String { device + (fineTuning == nil ? "" : ", fine-tuned") }

    /// Whether this is the supernet's largest network, which is extracted for no device.
    var isLargest: Bool { isEnd(.largest) }
    /// Whether this is the supernet's smallest network, which is extracted for no device.
    var isSmallest: Bool { isEnd(.smallest) }

    private func isEnd(_ end: Materialised) -> Bool {
        device == end.rawValue && predictedAccuracy == nil && fineTuning == nil
    }

    /// The standard error of the test accuracy due to the number of test images.
    public var testError: Double? { Self.standardError(testAccuracy, testImages) }
    /// The standard error of the held-out accuracy due to the number of images.
    public var heldOutError: Double? {
        heldOutAccuracy.flatMap { Self.standardError($0, heldOutImages) }
    }
    /// Test accuracy minus predicted accuracy.
    public var accuracyDifference: Double? { predictedAccuracy.map { testAccuracy - $0 } }
    /// Held-out accuracy minus predicted accuracy: the error of the predictor, without the test offset.
    public var heldOutDifference: Double? {
        predictedAccuracy.flatMap { predicted in heldOutAccuracy.map { $0 - predicted } }
    }
    /// The expected test accuracy: the predicted accuracy plus the test offset.
    public var expectedTestAccuracy: Double? {
        predictedAccuracy.flatMap { predicted in testOffset.map { predicted + $0.mean } }
    }
    /// The standard error of the expected test accuracy; nil without a test offset or without the predicted accuracy's
    /// standard error.
    public var expectedTestError: Double? {
        testOffset.flatMap { offset in
            accuracyUncertainty.map { ($0 * $0 + offset.deviation * offset.deviation).squareRoot() }
        }
    }
    /// Test accuracy minus expected test accuracy.
    public var expectedDifference: Double? { expectedTestAccuracy.map { testAccuracy - $0 } }
    /// Measured latency divided by the table's latency, minus 1.
    public var latencyDifference: Double? {
        latencyMs.flatMap { measured in
            tableLatencyMs.flatMap { $0 > 0 ? measured / $0 - 1 : nil }
        }
    }

    /// The most classes of which the predictions are counted: as many as a chart of them has names.
    static let mostClasses = 40

    /// The size limit, in bytes, of the class names in an artifact's metadata.
    static let mostNameBytes = 64 << 10

    /// Returns the sampling error of an accuracy measured on `count` images; nil if their number is unknown or 0.
    public static func standardError(_ share: Double, _ count: Int?) -> Double? {
        count.flatMap { $0 > 0 ? (share * (1 - share) / Double($0)).squareRoot() : nil }
    }
}

/// A second search with a tighter latency bound, after the first network's measured latency exceeded the limit.
public struct SecondSearch: Codable, Sendable, Equatable {
    /// The outcome of a second search.
    public enum Outcome: String, Codable, Sendable {
        /// The network of the second search was kept.
        case kept
        /// The first network was kept. In a second timing it met the limit, or both networks exceeded the limit and the
        /// first was not slower.
        case first
        /// No network meets the tighter bound, or the inputs of the first search are unknown; the first network was
        /// kept.
        case infeasible
    }

    /// The bound on the table's latency in milliseconds.
    public let boundMs: Double
    /// The first network's measured latency in milliseconds.
    public let firstLatencyMs: Double
    /// The outcome of the second search.
    public var outcome: Outcome
}

/// Test accuracy minus held-out accuracy, estimated from several networks of one supernet.
public struct TestOffset: Codable, Sendable, Equatable {
    /// The mean over the networks; negative if the test images are harder.
    public let mean: Double
    /// The standard error of `mean` as a prediction of the offset of another network.
    public let deviation: Double
    /// The number of networks.
    public let networks: Int

    /// Estimates the offset from `figures`; nil unless at least two networks were measured on both kinds of images.
    public init?(_ figures: [NetworkFigures]) {
        // A fine-tuned network was chosen on the held-out images, which may favour them.
        let offsets = figures.filter { $0.fineTuning == nil }.compactMap { network in
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

/// One limit of a device, and a network's value of the limited quantity.
public struct LimitRow: Sendable, Equatable, Encodable {
    /// The limit's name in a pipeline file.
    public let name: String
    /// The unit.
    public let unit: String
    /// The largest allowed value.
    public let limit: Double
    /// The network's value as predicted by a table, counted or modelled; nil if unknown.
    public let expected: Double?
    /// The measured value; nil if it cannot be measured.
    public let measured: Double?

    /// The value compared with the limit: the measured value if there is one, otherwise the expected value.
    public var value: Double? { measured ?? expected }
    /// Whether the limit is met; nil if the value is unknown.
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
    /// The limits that the device sets, each with the network's value.
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

extension NetworkFigures {
    /// Reads the figures of a network's artifact. Errors: `invalidArtifact`.
    public init(of network: Artifact) throws {
        self = try DeviceSearch.metadata(Self.self, network)
    }
}
