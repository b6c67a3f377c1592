// Describes an imported part of a data set; stored as an artifact. The pictures are in shards,
// which are artifacts of their own.

/// Describes one part, such as the pictures to train on.
public struct PictureSetManifest: Codable, Sendable, Equatable {
    /// Refers to a shard by its digest.
    public struct Shard: Codable, Sendable, Equatable {
        /// The digest of the shard's bytes, in hexadecimal.
        public let digest: String
        /// The number of pictures in the shard.
        public let count: Int
        /// The size of the shard in bytes.
        public let byteCount: Int

        /// Takes the properties in their order.
        public init(digest: String, count: Int, byteCount: Int) {
            self.digest = digest
            self.count = count
            self.byteCount = byteCount
        }
    }

    /// The name that users give to the data set.
    public let dataset: String
    /// The form from which the data set was imported.
    public let form: DatasetForm
    /// The stored form of each picture: pixels or file.
    public let store: PictureShard.Store
    /// The most pixels of the shorter side of a stored picture; nil if pictures keep their size.
    public let size: Int?
    /// Bytes per pixel of decoded pictures: 1 grey, 3 RGB.
    public let channels: Int
    /// How pictures become square for a network.
    public let resize: PicturePreprocessor.Resizing
    /// The names of the classes, in the order of their labels.
    public let classes: [ByteName]
    /// The shards, in the order of their pictures.
    public let shards: [Shard]
    /// The number of pictures of each class.
    public let classCounts: [Int]
    /// The smallest and the largest height and width of stored pictures.
    public let heights, widths: ClosedRange<Int>
    /// Mean and deviation of the pixels, one per channel.
    public let normalization: PixelNormalization
    /// The number of pictures that could not be read and were left out, for each reason.
    public let refused: [String: Int]
    /// The number of files that were ignored because their name or kind shows that they are no pictures, for each
    /// reason.
    public let ignored: [String: Int]
    /// Identifies the content: sizes, classes and the shards' digests.
    public let fingerprint: String

    /// The number of pictures.
    public var count: Int { shards.reduce(0) { $0 + $1.count } }

    /// Takes the properties; computes `normalization` and `fingerprint` from them.
    public init(
        dataset: String, form: DatasetForm, store: PictureShard.Store, size: Int?, channels: Int,
        resize: PicturePreprocessor.Resizing, classes: [ByteName], shards: [Shard],
        classCounts: [Int], heights: ClosedRange<Int>, widths: ClosedRange<Int>, sums: PixelSums,
        refused: [String: Int] = [:], ignored: [String: Int] = [:]
    ) {
        self.dataset = dataset
        self.form = form
        self.store = store
        self.size = size
        self.channels = channels
        self.resize = resize
        self.classes = classes
        self.shards = shards
        self.classCounts = classCounts
        self.heights = heights
        self.widths = widths
        normalization = sums.normalization
        self.refused = refused
        self.ignored = ignored
        var digest = NameDigest()
        for name in classes {
            digest.add(UInt64(name.bytes.count))
            digest.add(name.bytes)
        }
        for shard in shards { digest.add(shard.digest.utf8) }
        let count = shards.reduce(0) { $0 + $1.count }, shape = size.map(String.init) ?? "any"
        let word = String(digest.value, radix: 16)
        fingerprint =
            "\(count)x\(shape)x\(channels)-\(classes.count)-\(store.rawValue)-\(resize.rawValue)-"
            + String(repeating: "0", count: 16 - word.count) + word
    }
}
