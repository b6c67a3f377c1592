// DatasetSurvey: what a look at a data set tells before anything is decoded, and the units into
// which its import is divided. Both are values that can be stored: jobs read units independently.

/// Classes, parts and units of a data set.
public struct DatasetSurvey: Sendable, Equatable, Codable {
    /// The form.
    public let form: DatasetForm
    /// The names of the classes in the order of their indices; empty if the form has no names and
    /// only reading every sample tells how many there are (WebDataset).
    public let classes: [ByteName]
    /// The parts with what is known of their sizes, in the order train, val, test.
    public let parts: [Part]
    /// Whether the parts were drawn by `SourceOptions.split`: the data set has none itself.
    public let isSplitByHash: Bool
    /// What was ignored while listing. Archives tell of ignored members when they are read.
    public let ignored: Tally
    /// What could not be listed, such as a folder without permission.
    public let refused: Tally
    /// The units, in order.
    public let units: [ImportUnit]

    /// One part.
    public struct Part: Sendable, Equatable, Codable {
        /// Which one.
        public let part: DatasetPart
        /// The number of samples before any is refused; nil if only reading tells.
        public let count: Int?
        /// `count` by class; empty if only reading tells.
        public let classCounts: [Int]
    }

    /// Counts by reason, with the first names.
    public struct Tally: Sendable, Equatable, Codable {
        /// The number by reason.
        public private(set) var counts: [String: Int] = [:]
        /// The first names by reason.
        public private(set) var examples: [String: [ByteName]] = [:]

        /// The most names kept for a reason.
        static let mostExamples = 5

        /// Counts nothing yet.
        public init() {}

        /// The number of all.
        public var count: Int { counts.values.reduce(0, +) }

        /// Counts one.
        public mutating func add(_ notice: SourceEvent.Notice) {
            counts[notice.reason, default: 0] += 1
            if examples[notice.reason, default: []].count < Self.mostExamples {
                examples[notice.reason, default: []].append(notice.name)
            }
        }
    }

    /// Throws if a class has no sample to train on, naming each. `counts` has one number a class.
    ///
    /// Nothing can be learnt of such a class, and leaving it out would move the indices of others.
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

/// A piece of an import: bounded, and the same for every job that computes it.
public struct ImportUnit: Sendable, Equatable, Codable {
    /// Its place among the units.
    public let index: Int
    /// The number of samples, including those that will be refused; nil if only reading tells.
    public let count: Int?
    /// What it covers.
    let content: Content

    /// The size of the archive that it covers, for telling progress where `count` is nil.
    public var bytes: Int? {
        if case .shard(let shard) = content { return shard.bytes }
        return nil
    }

    /// The kinds of pieces.
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
        /// The part; nil if there are none and the hash decides.
        let part: DatasetPart?
        /// The index of the first file's class.
        let firstClass: Int
        /// The number of files of this class that come before.
        let skipped: Int
        /// The index of the last file's class.
        let lastClass: Int
        /// A digest of the names, so that a change since the survey is noticed.
        let digest: UInt64
    }

    /// One archive.
    struct Shard: Sendable, Equatable, Codable {
        /// Its path below the root; empty if the root is the archive.
        let file: ByteName
        /// The part; nil if there are none and the hash decides.
        let part: DatasetPart?
        /// The file's size in bytes.
        let bytes: Int
    }

    /// Consecutive records.
    struct Records: Sendable, Equatable, Codable {
        /// The file, or the member of an archive.
        let file: ByteName
        /// The part.
        let part: DatasetPart
        /// The number of the first record.
        let start: Int
        /// The number of all records of the file.
        let total: Int
    }
}
