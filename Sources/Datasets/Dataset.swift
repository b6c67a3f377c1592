// A data set: a training and a test shard with the same layout, and their import from files of the
// MNIST family.
import Foundation

/// A training and a test shard with the same layout.
public struct Dataset: Sendable {
    /// The name that users give to the data set, such as `fashion-mnist`.
    public let name: String
    /// Images for training, calibration and accuracy sampling.
    public let train: ImageShard
    /// Images for the final measurement only.
    public let test: ImageShard

    /// Pairs two shards. Errors: `wrongDimensions` if their image sizes, channels or classes
    /// differ.
    public init(name: String, train: ImageShard, test: ImageShard) throws {
        var expected = train.layout
        expected.count = test.layout.count
        guard expected == test.layout else {
            throw DatasetError(
                .wrongDimensions,
                "the shards of \(name) differ: \(train.fingerprint) and \(test.fingerprint)"
            )
        }
        self.name = name
        self.train = train
        self.test = test
    }

    /// Identifies the data set by its name and the sizes and checksums of its shards.
    public var fingerprint: String { "\(name):\(train.fingerprint):\(test.fingerprint)" }
}

extension ImageShard {
    /// Returns the bytes of a shard with the images and labels of two IDX files, compressed or not.
    ///
    /// Errors: those of `IDX`, and `wrongDimensions` if the counts differ or a label is out of
    /// range.
    public static func encode(
        idxImages: String, idxLabels: String, classes: Int, firstLabel: FirstLabel = .zero
    ) throws -> [UInt8] {
        let images = try IDX(path: idxImages, rank: 3)
        let labels = try IDX(path: idxLabels, rank: 1)
        guard images.dimensions[0] == labels.dimensions[0] else {
            throw DatasetError(
                .wrongDimensions,
                "\(idxImages) has \(images.dimensions[0]) images, \(idxLabels) "
                    + "\(labels.dimensions[0]) labels: they do not belong together")
        }
        let first = firstLabel.rawValue
        try check(labels, source: idxLabels, classes: classes, firstLabel: firstLabel)
        return try encode(
            images: images.values, labels: labels.values.map { $0 - first },
            layout: Layout(
                count: images.dimensions[0], height: images.dimensions[1],
                width: images.dimensions[2], channels: 1, classes: classes))
    }

    /// Checks that the labels in files fit `classes` classes. The first file, which should hold the
    /// training labels, determines whether labels start at 0 or 1.
    ///
    /// Errors: those of `IDX`, and `wrongDimensions` naming the first label out of range.
    public static func checkLabels(of paths: [String], classes: Int) throws {
        var first: FirstLabel?
        for path in paths {
            let labels = try IDX(path: path, rank: 1)
            let counted = first ?? FirstLabel(labels.values, classes: classes)
            try check(labels, source: path, classes: classes, firstLabel: counted)
            first = counted
        }
    }

    private static func check(
        _ labels: IDX, source: String, classes: Int, firstLabel: FirstLabel
    ) throws {
        let first = Int(firstLabel.rawValue), valid = first..<first + classes
        guard let place = labels.values.firstIndex(where: { !valid.contains(Int($0)) }) else {
            return
        }
        throw DatasetError(
            .wrongDimensions,
            "\(source): label \(place) is \(labels.values[place]), but \(classes) classes from \(first) on"
                + " have labels \(first) to \(valid.upperBound - 1)")
    }

    /// Returns whether the labels of an IDX file with `classes` classes start at 0 or 1. Errors:
    /// those of `IDX`.
    public static func firstLabel(idxLabels: String, classes: Int) throws -> FirstLabel {
        FirstLabel(try IDX(path: idxLabels, rank: 1).values, classes: classes)
    }

    /// The usual names of the four files of a data set of the MNIST family.
    public static let idxNames = (
        trainImages: "train-images-idx3-ubyte.gz", trainLabels: "train-labels-idx1-ubyte.gz",
        testImages: "t10k-images-idx3-ubyte.gz", testLabels: "t10k-labels-idx1-ubyte.gz"
    )
}
