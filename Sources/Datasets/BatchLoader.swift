// Batches of normalised images from a shard, made on demand.

import Tensors

/// Reads images of one shard into feature maps, at any resolution.
public final class BatchLoader {
    /// The source of the images.
    public let shard: ImageShard
    /// The normalisation of bytes.
    public let normalization: PixelNormalization
    private var storage = Storage(count: 0)
    private var crops: [Crop] = []

    /// Reads from `shard`.
    public init(_ shard: ImageShard, normalization: PixelNormalization) {
        self.shard = shard
        self.normalization = normalization
    }

    /// The given images, augmented with draws from `streams`, or whole if it is nil; valid until the
    /// next call. The engine's threads share the work.
    public func batch(
        _ images: ArraySlice<Int>, size: Int, augmentation: Augmentation = .none,
        streams: ImageStreams? = nil,
        backend: Backend
    ) -> (images: FeatureMap, labels: [Int32]) {
        let layout = shard.layout
        let request = BatchRequest(images, size: size, augmentation: augmentation, streams: streams)
        request.draw(&crops, from: layout)
        let floats = images.count * size * size * layout.channels
        if storage.count < floats { storage = Storage(count: floats) }
        let map = FeatureMap(
            storage.all, images: images.count, height: size, width: size, channels: layout.channels)
        shard.withImages { bytes in
            backend.gather(
                crops,
                from: StoredImages(
                    bytes, height: layout.height, width: layout.width,
                    scale: normalization.factors, offset: normalization.offsets), output: map)
        }
        return (map, images.map { Int32(shard.labels[$0]) })
    }
}
