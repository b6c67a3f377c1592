// What the figures of a network in eight bits add to those of one in floats: the accuracies of the same weights in
// floats, and how the ranges of the codes were chosen.

import Foundation

/// How a network was quantised to eight bits, and its accuracies in 32-bit floats.
public struct EightBits: Codable, Sendable, Equatable {
    /// Top-1 accuracy of the same weights in floats on the test images, 0…1.
    public var floatTestAccuracy: Double
    /// The same on the held-out images; nil if the network was not measured on these.
    public var floatHeldOutAccuracy: Double?
    /// The rule of the codes' ranges, which was the more accurate of two on `rangeImages`.
    public let rule: String
    /// The number of training images that the ranges were calibrated on.
    public let calibrationImages: Int
    /// The number of images, not test images, that decided between the rules.
    public let rangeImages: Int

    /// Takes what `quantised` records, with the accuracies in floats.
    init(
        _ quantised: NetworkQuantisation, floatTestAccuracy: Double, floatHeldOutAccuracy: Double?
    ) {
        self.init(
            floatTestAccuracy: floatTestAccuracy, floatHeldOutAccuracy: floatHeldOutAccuracy,
            rule: "\(quantised.result.rule)", calibrationImages: quantised.calibrationImages,
            rangeImages: quantised.heldOutImages)
    }

    /// Takes all fields.
    init(
        floatTestAccuracy: Double, floatHeldOutAccuracy: Double?, rule: String,
        calibrationImages: Int, rangeImages: Int
    ) {
        self.floatTestAccuracy = floatTestAccuracy
        self.floatHeldOutAccuracy = floatHeldOutAccuracy
        self.rule = rule
        self.calibrationImages = calibrationImages
        self.rangeImages = rangeImages
    }

    /// How the network was quantised, with the field names of `ofa report --json`.
    struct Document: Encodable {
        let rule: String
        let calibration_images, range_images: Int
    }

    /// See `Document`.
    var document: Document {
        Document(rule: rule, calibration_images: calibrationImages, range_images: rangeImages)
    }
}

extension NetworkFigures {
    /// The bits that accuracies, flash and latency are for: 8, or 32 for floats. The figures of older versions are those
    /// of floats, except memory and flash.
    public var bits: Int { eightBits == nil ? 32 : 8 }

    /// The accuracy in floats on the test images.
    public var floatTestAccuracy: Double { eightBits?.floatTestAccuracy ?? testAccuracy }

    /// The accuracy in floats on the held-out images; nil if the network was not measured on these.
    public var floatHeldOutAccuracy: Double? {
        eightBits == nil ? heldOutAccuracy : eightBits?.floatHeldOutAccuracy
    }

    /// The accuracy in floats minus that in eight bits, on the test images; negative if eight bits are more accurate.
    /// Nil for a network in floats.
    public var quantisationLoss: Double? { eightBits.map { $0.floatTestAccuracy - testAccuracy } }

    /// The quantisation loss above which reports warn: half a point.
    static let smallLoss = 0.005

    /// What an accuracy is for, to follow its name in a report: ` in 8 bits`, or nothing for floats.
    public var bitsSuffix: String { eightBits == nil ? "" : " in 8 bits" }

    /// How the network was measured in eight bits and what that costs in accuracy, as a sentence without its full stop;
    /// nil for a network in floats.
    public var eightBitsNote: String? {
        guard let eightBits, let loss = quantisationLoss else { return nil }
        let points = ReportText.decimal(100 * abs(loss), 2)
        let images = testImages.map { "\(ReportText.grouped($0)) test images" } ?? "the test images"
        // A difference of whole images is compared exactly: 0.005 is not a sum of powers of two.
        let isLarge = loss > Self.smallLoss + 1e-9
        var words =
            "accuracy\(latencyMs == nil ? "" : ", latency") and flash are measured in 8 bits (ranges by"
            + " \(eightBits.rule), from \(ReportText.grouped(eightBits.calibrationImages)) training images); "
        words +=
            loss == 0
            ? "on \(images), floats are as accurate"
            : isLarge
                ? "QUANTISATION LOSES \(points) POINTS to floats on \(images)"
                : "on \(images), floats are \(points) points \(loss > 0 ? "better" : "worse")"
        if predictedAccuracy != nil, predictedBits != 8 {
            words += "; the prediction is for floats"
        }
        if tableLatencyMs != nil, target?.kind == .computer {
            words += "; the table's latency is that of floats"
        }
        return words
    }
}
