// IDXSource: a data set in the four files of the MNIST family. All labels are read at once, images
// one by one.

/// A folder of IDX files.
public struct IDXSource: DatasetSource {
    /// The folder.
    public let root: ByteName
    /// How the data set is read.
    public let options: SourceOptions

    /// The form of the data set.
    public var form: DatasetForm { .idx }

    /// Takes the path and the options, and reads nothing yet.
    public init(_ root: ByteName, options: SourceOptions = SourceOptions()) {
        self.root = root
        self.options = options
    }

    /// The most images of an import unit.
    private static let unitImages = 10_000
    /// The most bytes of the images of an import unit that has more than one image.
    private static let unitBytes = 64 << 20

    /// Reads the headers and the labels; see `DatasetSource`. The class names are numbers, from 0
    /// on, or from 1 on if the labels start at 1.
    ///
    /// Errors: those of `IDXFolder` and `IDXStream`; `wrongDimensions` if files do not belong
    /// together or a label is out of range.
    public func survey(_ visit: SourceVisitor) throws -> DatasetSurvey {
        let folder = try folder()
        let train = try Pair(folder.trainImages, folder.trainLabels)
        let test = try Pair(folder.testImages, folder.testLabels)
        guard train.size == test.size else {
            throw DatasetError(
                .wrongDimensions,
                "\(folder.trainImages) has images of \(train.size.height)×\(train.size.width) "
                    + "pixels, \(folder.testImages) of \(test.size.height)×\(test.size.width): "
                    + "they do not belong together")
        }
        let most = Int(train.labels.max() ?? 0), isFromOne = (train.labels.min() ?? 0) >= 1
        let count = options.classes ?? (isFromOne ? most : most + 1)
        let first = ImageShard.FirstLabel(train.labels, classes: count).rawValue
        var units: [ImportUnit] = [], parts: [DatasetSurvey.Part] = []
        for (pair, part) in [(train, DatasetPart.train), (test, .test)] {
            var counts = Array(repeating: 0, count: max(0, count))
            for (place, label) in pair.labels.enumerated() {
                guard label >= first, Int(label - first) < count else {
                    throw pair.outOfRange(place, label, classes: count, first: first)
                }
                counts[Int(label - first)] += 1
            }
            parts.append(
                DatasetSurvey.Part(part: part, count: pair.labels.count, classCounts: counts))
            let size = max(1, min(Self.unitImages, Self.unitBytes / pair.imageBytes))
            for start in stride(from: 0, to: pair.labels.count, by: size) {
                units.append(
                    ImportUnit(
                        index: units.count, count: min(size, pair.labels.count - start),
                        content: .records(
                            ImportUnit.Records(
                                file: ByteName(ByteName(pair.images).lastPart), part: part,
                                start: start, total: pair.labels.count))))
            }
        }
        return DatasetSurvey(
            form: form, classes: (0..<count).map { ByteName("\($0 + Int(first))") }, parts: parts,
            isSplitByHash: false, ignored: DatasetSurvey.Tally(), refused: DatasetSurvey.Tally(),
            units: units)
    }

    /// Reads consecutive images; see `DatasetSource`. The unit with the last images also verifies
    /// that the file ends there, and gzip's checksum.
    ///
    /// Errors: those of `IDXStream`; `unreadable` if the files are not as they were surveyed.
    public func read(_ unit: ImportUnit, classes: [ByteName], _ visit: SourceVisitor) throws {
        guard case .records(let records) = unit.content, let count = unit.count, count > 0,
            records.start >= 0, records.start <= records.total,
            count <= records.total - records.start, let first = classes.first,
            let firstLabel = UInt8(first.description)
        else { throw DatasetError(.wrongFormat, "unit \(unit.index) is not one of \(root)") }
        let folder = try folder()
        let isTrain = records.part == .train
        let pair = try Pair(
            isTrain ? folder.trainImages : folder.testImages,
            isTrain ? folder.trainLabels : folder.testLabels)
        guard pair.labels.count == records.total else {
            throw DatasetError(
                .unreadable, "\(pair.images) is not the file that was listed",
                remedy: "import again when nothing writes to it")
        }
        let images = try IDXStream(pair.images, rank: 3)
        try images.skip(records.start * pair.imageBytes)
        for index in records.start..<records.start + count {
            let label = pair.labels[index]
            guard label >= firstLabel, Int(label - firstLabel) < classes.count else {
                throw pair.outOfRange(index, label, classes: classes.count, first: firstLabel)
            }
            try visit(
                .sample(
                    SourceSample(
                        file: records.file, key: ByteName("\(index)"), part: records.part,
                        classIndex: Int(label - firstLabel),
                        content: .pixels(
                            height: pair.size.height, width: pair.size.width, channels: 1,
                            try images.take(pair.imageBytes)))))
        }
        if records.start + count == records.total { try images.finish() }
    }

    private func folder() throws(DatasetError) -> IDXFolder {
        guard let path = String(validating: root.bytes, as: UTF8.self) else {
            throw DatasetError(
                .unreadable, "the path \(root) is not text in UTF-8", remedy: "rename the folder")
        }
        return try IDXFolder(path)
    }

    /// A file of images and its labels.
    private struct Pair {
        let images: String
        let labelFile: String
        let labels: [UInt8]
        let size: (height: Int, width: Int)
        var imageBytes: Int { size.height * size.width }

        /// The most labels of a file.
        static let mostLabels = 1 << 25

        init(_ images: String, _ labelFile: String) throws(DatasetError) {
            (self.images, self.labelFile) = (images, labelFile)
            let dimensions = try IDXStream(images, rank: 3).dimensions
            guard dimensions[1] <= 1 << 14, dimensions[2] <= 1 << 14,
                dimensions[1] * dimensions[2] <= 64 << 20
            else {
                throw DatasetError(
                    .tooLarge,
                    "\(images) has images of \(dimensions[1])×\(dimensions[2]) pixels; at most "
                        + "16384 a side and 67,108,864 in all are read")
            }
            size = (dimensions[1], dimensions[2])
            let stream = try IDXStream(labelFile, rank: 1)
            guard stream.dimensions[0] == dimensions[0] else {
                throw DatasetError(
                    .wrongDimensions,
                    "\(stream.dimensions[0]) labels for \(dimensions[0]) pictures: \(labelFile) and "
                        + "\(images) do not belong together")
            }
            guard dimensions[0] <= Self.mostLabels else {
                throw DatasetError(
                    .tooLarge,
                    "\(images) has \(dimensions[0]) images; at most \(Self.mostLabels) are read")
            }
            labels = try stream.take(dimensions[0])
            try stream.finish()
        }

        func outOfRange(_ place: Int, _ label: UInt8, classes: Int, first: UInt8) -> DatasetError {
            DatasetError(
                .wrongDimensions,
                "\(labelFile): label \(place) is \(label), but \(classes) classes from \(first) on "
                    + "have labels \(first) to \(Int(first) + classes - 1)")
        }
    }
}
