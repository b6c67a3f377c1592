// DatasetSurvey: what is known of a data set before pictures are decoded, and the units into which
// its import is divided. Both can be stored as JSON, so that jobs can read units independently.

/// Classes, parts and units of a data set.
public struct DatasetSurvey: Sendable, Equatable, Codable {
    /// The form of the data set.
    public let form: DatasetForm
    /// The class names in the order of the class indices. Empty for WebDataset, which has no class
    /// names; there, even the number of classes is known only after all samples were read.
    public let classes: [ByteName]
    /// The parts, in the order train, val, test, with their sizes as far as known.
    public let parts: [Part]
    /// Whether `SourceOptions.split` assigns samples to parts, because the data set itself has no
    /// parts.
    public let isSplitByHash: Bool
    /// The files and folders that the survey ignored. Ignored members of archives are not included, because they are
    /// found only when the archives are read.
    public let ignored: Tally
    /// The files and folders that could not be listed, such as a folder without read permission.
    public let refused: Tally
    /// The units, in order.
    public let units: [ImportUnit]

    /// One part.
    public struct Part: Sendable, Equatable, Codable {
        /// Which part.
        public let part: DatasetPart
        /// The number of samples, including those that will be refused; nil if unknown before
        /// reading.
        public let count: Int?
        /// The number of samples of each class; empty if unknown before reading.
        public let classCounts: [Int]
    }

    /// Refused or ignored files and folders: counts by reason, and the first names.
    public struct Tally: Sendable, Equatable, Codable {
        /// The number of files or folders for each reason.
        public private(set) var counts: [String: Int] = [:]
        /// The first names for each reason.
        public private(set) var examples: [String: [ByteName]] = [:]

        /// The most names stored for each reason.
        static let mostExamples = 5

        /// An empty tally.
        public init() {}

        /// The sum of all counts.
        public var count: Int { counts.values.reduce(0, +) }

        /// Counts one notice.
        public mutating func add(_ notice: SourceEvent.Notice) {
            counts[notice.reason, default: 0] += 1
            if examples[notice.reason, default: []].count < Self.mostExamples {
                examples[notice.reason, default: []].append(notice.name)
            }
        }
    }

    /// Throws if there are classes without a sample to train on; the error names these classes. `counts` is the number
    /// of training samples of each class.
    ///
    /// Nothing can be learnt about such a class, and leaving the class out would change the indices of other classes.
    public static func refuseEmpty(
        _ classes: [ByteName], counts: [Int]
    ) throws(DatasetError) {
        let empty = zip(classes, counts).filter { $1 == 0 }.map(\.0)
        guard !empty.isEmpty else { return }
        let names = empty.prefix(20).map(\.description).joined(separator: ", ")
        throw DatasetError(
            .wrongDimensions,
            "\(empty.count) of \(classes.count) classes have no picture: \(names)"
                + (empty.count > 20 ? ", …" : ""),
            remedy: "add pictures to them, or remove them")
    }
}

/// A unit of an import: an independent part of its work. Every survey of an unchanged data set gives the same units.
public struct ImportUnit: Sendable, Equatable, Codable {
    /// The number of this unit, from 0 on.
    public let index: Int
    /// The number of samples, including those that will be refused; nil if unknown before reading.
    public let count: Int?
    /// What the unit consists of.
    let content: Content

    /// The size in bytes if the unit is an archive, to show progress although `count` is nil;
    /// otherwise nil.
    public var bytes: Int? {
        if case .shard(let shard) = content { return shard.bytes }
        return nil
    }

    /// The kinds of units.
    enum Content: Sendable, Equatable, Codable {
        /// Files of an image folder.
        case files(FileRun)
        /// A tar archive of WebDataset.
        case shard(Shard)
        /// Records of one file of CIFAR or IDX.
        case records(Records)
    }

    /// Consecutive files of consecutive classes.
    struct FileRun: Sendable, Equatable, Codable {
        /// The part; nil if the data set has no parts and `HashSplit` decides.
        let part: DatasetPart?
        /// The index of the first file's class.
        let firstClass: Int
        /// The number of files of the first class that belong to earlier units.
        let skipped: Int
        /// The index of the last file's class.
        let lastClass: Int
        /// A digest of the files' paths, to notice changes after the survey.
        let digest: UInt64
    }

    /// One archive.
    struct Shard: Sendable, Equatable, Codable {
        /// The archive's path below the root; empty if the root is the archive.
        let file: ByteName
        /// The part; nil if the data set has no parts and `HashSplit` decides.
        let part: DatasetPart?
        /// The file's size in bytes.
        let bytes: Int
    }

    /// Consecutive records of one data file.
    struct Records: Sendable, Equatable, Codable {
        /// The name of the data file, which may be a member of an archive.
        let file: ByteName
        /// The part.
        let part: DatasetPart
        /// The number of the first record.
        let start: Int
        /// The number of all records in the file.
        let total: Int
    }
}
