// The opened form of an imported part of a data set: its manifest and its mapped shards.
import Intake
import Tensors

/// Pictures of several shards, in the order of the manifest; read-only.
public final class PictureSet: ImageSource {
    /// The description of the set.
    public let manifest: PictureSetManifest
    /// The number of pictures.
    public let count: Int
    /// The size of every picture, if nothing is resized; else nil.
    public let fixedSize: (height: Int, width: Int)?
    private let shards: [PictureShard]
    /// The index in this set of each shard's first picture, and at the end the number of all
    /// pictures.
    private let starts: [Int]

    /// Opens the shards that `manifest` names, in its order.
    ///
    /// Errors: `wrongDimensions` if the shards contradict the manifest.
    public init(_ manifest: PictureSetManifest, shards: [PictureShard]) throws {
        func fault(_ reason: String) -> DatasetError {
            DatasetError(
                .wrongDimensions, "data set \(manifest.dataset): \(reason)",
                remedy: "import it again")
        }
        guard shards.count == manifest.shards.count else {
            throw fault("\(shards.count) shards instead of \(manifest.shards.count)")
        }
        var starts = [0]
        for (shard, entry) in zip(shards, manifest.shards) {
            guard shard.count == entry.count, shard.store == manifest.store,
                shard.channels == manifest.channels
            else {
                throw fault(
                    "shard \(entry.digest) has \(shard.count) pictures of \(shard.channels) channels"
                        + " as \(shard.store.rawValue), not \(entry.count) of \(manifest.channels) as"
                        + " \(manifest.store.rawValue)")
            }
            for number in 0..<shard.count where shard.label(number) >= manifest.classes.count {
                throw fault(
                    "shard \(entry.digest): picture \(number) has label \(shard.label(number)), but"
                        + " there are \(manifest.classes.count) classes")
            }
            starts.append(starts.last.map { $0 + shard.count } ?? 0)
        }
        if manifest.resize == .none {
            let (heights, widths) = (manifest.heights, manifest.widths)
            guard heights.count == 1, widths.count == 1 else {
                throw fault(
                    "pictures have heights of \(heights.lowerBound) to \(heights.upperBound) and widths of"
                        + " \(widths.lowerBound) to \(widths.upperBound) pixels, so they must be resized"
                )
            }
            fixedSize = (heights.lowerBound, widths.lowerBound)
        } else {
            fixedSize = nil
        }
        self.manifest = manifest
        self.shards = shards
        self.starts = starts
        count = starts.last ?? 0
    }

    /// Bytes per pixel: 1 grey, 3 RGB.
    public var channels: Int { manifest.channels }
    /// The number of classes.
    public var classCount: Int { manifest.classes.count }
    /// The names of the classes.
    public var classNames: [ByteName] { manifest.classes }
    /// Identifies the content.
    public var fingerprint: String { manifest.fingerprint }
    /// True: pictures are decoded or resampled one by one.
    public var isDecoded: Bool { true }

    /// The label of a picture.
    public func label(_ picture: Int) -> Int {
        let (shard, number) = place(picture)
        return shards[shard].label(number)
    }

    /// The height and width of a picture, in pixels.
    public func size(_ picture: Int) -> (height: Int, width: Int) {
        let (shard, number) = place(picture)
        return shards[shard].size(number)
    }

    /// Returns the normalisation that the import measured over all pictures, and ignores `images`: measuring only these
    /// pictures would require decoding them.
    public func normalization(of images: [Int]) -> PixelNormalization { manifest.normalization }

    /// A reader for one thread.
    public func reader(_ normalization: PixelNormalization) -> any ImageReader {
        PictureReader(self, normalization: normalization)
    }

    /// Calls `body` with a picture in the form that a decoder takes.
    ///
    /// Errors: `DatasetError` naming the picture, if its bytes are damaged or `body` refuses it.
    public func withPicture<Result>(
        _ picture: Int, _ body: (PictureDecoder.Source) throws -> Result
    ) throws -> Result {
        let (shard, number) = place(picture)
        do {
            return try shards[shard].withPicture(number, body)
        } catch let error as DatasetError {
            throw error.about(
                "data set \(manifest.dataset), shard \(manifest.shards[shard].digest), picture \(number)"
            )
        }
    }

    /// Returns the shard of a picture, and the number of the picture in this shard.
    private func place(_ picture: Int) -> (shard: Int, number: Int) {
        precondition((0..<count).contains(picture), "picture \(picture) of \(count)")
        // Finds the last shard whose first picture is not after `picture`; no shard is empty.
        var low = 0, high = shards.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= picture { low = middle } else { high = middle }
        }
        return (low, picture - starts[low])
    }
}
