// PartOverlap: finds pictures that are in two parts of a data set, such as train and test, because
// they make the measured accuracy too high. The digests of all pictures need not fit into memory:
// they are compared in several passes. Pass p compares the digests whose remainder, divided by the
// number of passes, is p.

/// Compares digests across parts.
public struct PartOverlap: Sendable {
    /// Where a picture is.
    public struct Place: Sendable, Equatable {
        /// The part of the data set.
        public let part: DatasetPart
        /// The number of the picture's shard, as given to `add`.
        public let shard: Int
        /// The number of the picture in the shard.
        public let picture: Int
    }

    private struct Entry {
        let high, low: UInt64
        let part: UInt8
        let shard, picture: UInt32

        static func comes(_ one: Entry, before other: Entry) -> Bool {
            (one.high, one.low, one.part, one.shard, one.picture)
                < (other.high, other.low, other.part, other.shard, other.picture)
        }
    }

    /// The approximate largest number of digests in memory during a pass; they take about 70 MB.
    private static let mostDigests = 2 << 20
    /// The most pairs that are stored.
    private static let mostPairs = 20

    /// The number of passes.
    public let passes: Int
    /// The first pairs of equal pictures in different parts.
    public private(set) var pairs: [(Place, Place)] = []
    /// The number of pictures that are in several parts; a picture in three parts counts as two.
    public private(set) var count = 0
    private var entries: [Entry] = []

    /// Prepares to compare `pictures` pictures.
    public init(pictures: Int) {
        passes = max(1, (pictures + Self.mostDigests - 1) / Self.mostDigests)
    }

    /// Adds the pictures of shard number `shard` that pass `pass` compares.
    public mutating func add(_ samples: SampleList, part: DatasetPart, shard: Int, pass: Int) {
        let place = DatasetPart.allCases.firstIndex(of: part) ?? 0
        for picture in 0..<samples.count {
            let (high, low) = samples.digest(picture)
            guard low % UInt64(passes) == UInt64(pass) else { continue }
            entries.append(
                Entry(
                    high: high, low: low, part: UInt8(place), shard: UInt32(shard),
                    picture: UInt32(picture)))
        }
    }

    /// Compares the pictures added after the last call of `endPass`.
    public mutating func endPass() {
        entries.sort(by: Entry.comes)
        var first = 0
        for index in entries.indices {
            let one = entries[first], other = entries[index]
            guard one.high == other.high, one.low == other.low else {
                first = index
                continue
            }
            // Entries with equal digests are sorted by part. So each part with this picture, after
            // the first part, counts once.
            guard index > first, other.part != entries[index - 1].part else { continue }
            count += 1
            if pairs.count < Self.mostPairs { pairs.append((place(one), place(other))) }
        }
        entries.removeAll(keepingCapacity: true)
    }

    private func place(_ entry: Entry) -> Place {
        Place(
            part: DatasetPart.allCases[Int(entry.part)], shard: Int(entry.shard),
            picture: Int(entry.picture))
    }
}
