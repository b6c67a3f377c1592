// Makes batches of normalised images from a shard on demand.

import Tensors

/// Reads images of one shard into feature maps, at any resolution.
public final class BatchLoader {
    /// The source of the images.
    public let shard: ImageShard
    /// The normalisation of bytes.
    public let normalization: PixelNormalization
    private var storage: Storage?
    private var crops: [Crop] = []

    /// Reads from `shard`.
    public init(_ shard: ImageShard, normalization: PixelNormalization) {
        self.shard = shard
        self.normalization = normalization
    }

    /// Returns `images` of the shard and their labels. The images are augmented with draws from
    /// `streams`, or whole if `streams` is nil. The feature map is valid until the next call. The
    /// engine's threads share the work.
    public func batch(
        _ images: ArraySlice<Int>, size: Int, augmentation: Augmentation = .none,
        streams: ImageStreams? = nil,
        engine: any Engine
    ) -> (images: FeatureMap, labels: [Int32]) {
        let layout = shard.layout
        let request = BatchRequest(images, size: size, augmentation: augmentation, streams: streams)
        request.draw(&crops, from: layout)
        let floats = images.count * size * size * layout.channels
        let storage = storage(floats, engine)
        let map = FeatureMap(
            storage.all, images: images.count, height: size, width: size, channels: layout.channels)
        shard.withImages { bytes in
            engine.gather(
                crops,
                from: StoredImages(
                    bytes, height: layout.height, width: layout.width,
                    scale: normalization.factors, offset: normalization.offsets), output: map)
        }
        return (map, images.map { Int32(shard.labels[$0]) })
    }

    /// The memory of batches, at least `floats` floats in that of `engine`.
    private func storage(_ floats: Int, _ engine: any Engine) -> Storage {
        if let storage, storage.count >= floats { return storage }
        let made = engine.storage(floats)
        storage = made
        return made
    }
}
