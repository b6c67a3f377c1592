// ImportRecord: the results of importing some units. The records of all jobs are added up to the record of the data
// set. The order of addition affects only the order of the shards and the choice of the names and reasons that are
// listed.
import Intake

/// The counts, pixel sums and refusals of some pictures, and the shards that store the pictures.
public struct ImportRecord: Sendable, Equatable, Codable {
    /// A shard and the digest of the list of its samples; digests are in hexadecimal.
    public struct Shard: Sendable, Equatable, Codable {
        /// The shard, with its digest.
        public var shard: PictureSetManifest.Shard
        /// The digest of the shard's `SampleList`.
        public var names: String

        /// Takes the shard and the digest of its `SampleList`.
        public init(shard: PictureSetManifest.Shard, names: String) {
            self.shard = shard
            self.names = names
        }
    }

    /// The imported pictures of one part of the data set.
    public struct Part: Sendable, Equatable, Codable {
        /// The shards, in order.
        public var shards: [Shard] = []
        /// The number of pictures by class index; classes without pictures are left out.
        public var classCounts: [Int: Int] = [:]
        /// The sums over the pixels of these pictures.
        public var sums: PixelSums
        /// The smallest and the largest height and width of stored pictures; nil without pictures.
        public var heights, widths: ClosedRange<Int>?

        init(channels: Int) { sums = PixelSums(channels: channels) }

        /// The number of pictures.
        public var count: Int { classCounts.values.reduce(0, +) }

        mutating func add(_ other: Part) {
            shards += other.shards
            classCounts.merge(other.classCounts) { $0 + $1 }
            sums.add(other.sums)
            heights = Self.joined(heights, other.heights)
            widths = Self.joined(widths, other.widths)
        }

        static func joined(
            _ one: ClosedRange<Int>?, _ other: ClosedRange<Int>?
        ) -> ClosedRange<Int>? {
            guard let one, let other else { return one ?? other }
            return min(one.lowerBound, other.lowerBound)...max(one.upperBound, other.upperBound)
        }
    }

    /// The parts that have pictures.
    public internal(set) var parts: [DatasetPart: Part] = [:]
    /// Files and samples that could not be read.
    public private(set) var refused = ImportTally()
    /// Files whose name or kind shows that they are no pictures.
    public private(set) var ignored = ImportTally()
    /// Pictures that were decoded with a warning.
    public private(set) var warned = ImportTally()

    /// An empty record.
    public init() {}

    /// Makes a record of the files and folders that a survey refused or ignored.
    public init(_ survey: DatasetSurvey) {
        refused = ImportTally(survey.refused)
        ignored = ImportTally(survey.ignored)
    }

    /// The number of pictures.
    public var count: Int { parts.values.reduce(0) { $0 + $1.count } }

    /// Adds the record of other units; their shards are appended.
    public mutating func add(_ other: ImportRecord) {
        for (part, found) in other.parts {
            if parts[part] == nil { parts[part] = Part(channels: found.sums.sums.count) }
            parts[part]?.add(found)
        }
        refused.add(other.refused)
        ignored.add(other.ignored)
        warned.add(other.warned)
    }

    mutating func refuse(_ name: ByteName, _ reason: String) { refused.add(name, reason) }
    mutating func ignore(_ name: ByteName, _ reason: String) { ignored.add(name, reason) }
    mutating func warn(_ name: ByteName, _ reason: String) { warned.add(name, reason) }
}

/// Files and samples that were refused, ignored or decoded with a warning: counts by reason, and
/// the first names.
public struct ImportTally: Sendable, Equatable, Codable {
    /// A name and the reason why it is listed.
    public struct Entry: Sendable, Equatable, Codable {
        /// The file, or the file and the sample's key.
        public let name: ByteName
        /// The reason with all details.
        public let reason: String
    }

    /// The number of files or samples for each reason. Details that differ between pictures are
    /// removed from the reasons.
    public private(set) var counts: [String: Int] = [:]
    /// The first names with their reasons.
    public private(set) var entries: [Entry] = []

    /// The most entries that are stored.
    public static let mostEntries = 1000
    /// The most reasons with counts of their own; further reasons share one count.
    private static let mostReasons = 64
    private static let otherReasons = "other reasons"

    init() {}

    init(_ tally: DatasetSurvey.Tally) {
        for (reason, count) in tally.counts.sorted(by: { $0.key < $1.key }) {
            note(reason, count)
            for name in tally.examples[reason] ?? [] {
                entries.append(Entry(name: name, reason: reason))
            }
        }
    }

    /// The sum of all counts.
    public var count: Int { counts.values.reduce(0, +) }

    mutating func add(_ name: ByteName, _ reason: String) {
        note(reason, 1)
        if entries.count < Self.mostEntries { entries.append(Entry(name: name, reason: reason)) }
    }

    mutating func add(_ other: ImportTally) {
        for (reason, count) in other.counts.sorted(by: { $0.key < $1.key }) {
            note(reason, count)
        }
        entries += other.entries.prefix(max(0, Self.mostEntries - entries.count))
    }

    private mutating func note(_ reason: String, _ count: Int) {
        let short = Self.short(reason)
        let isKnown = counts[short] != nil || counts.count < Self.mostReasons
        counts[isKnown ? short : Self.otherReasons, default: 0] += count
    }

    /// Returns a reason without details: text in parentheses is removed, and numbers of five or
    /// more digits become `n`.
    static func short(_ reason: String) -> String {
        reason.replacing(/\s*\([^)]*\)?/, with: "").replacing(/[0-9]{5,}/, with: "n")
    }
}

extension DatasetPart: CodingKeyRepresentable {}
