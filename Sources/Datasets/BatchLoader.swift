// Batches of normalised images from a shard.

import Tensors

/// Reads images of one shard into feature maps, at any resolution.
public final class BatchLoader {
    /// Where the images are.
    public let shard: ImageShard
    /// How bytes become numbers.
    public let normalization: PixelNormalization
    private var storage = Storage(count: 0)

    /// Reads from `shard`.
    public init(_ shard: ImageShard, normalization: PixelNormalization) {
        self.shard = shard
        self.normalization = normalization
    }

    /// The given images, cropped by `augmentation` with draws of `stream`, or whole; valid until the next call.
    public func batch(
        _ images: ArraySlice<Int>, size: Int, augmentation: Augmentation = .none,
        stream: RandomStream? = nil,
        backend: Backend
    ) -> (images: FeatureMap, labels: [Int32]) {
        let layout = shard.layout
        var crops: [Crop] = []
        crops.reserveCapacity(images.count)
        if var stream {
            for image in images {
                crops.append(
                    augmentation.crop(
                        index: image, height: layout.height, width: layout.width, size: size,
                        using: &stream))
            }
        } else {
            for image in images {
                let (y, x) = (Float(layout.height) / Float(size), Float(layout.width) / Float(size))
                crops.append(
                    Crop(index: image, top: (y - 1) / 2, left: (x - 1) / 2, stepY: y, stepX: x))
            }
        }
        let floats = images.count * size * size * layout.channels
        if storage.count < floats { storage = Storage(count: floats) }
        let map = FeatureMap(
            storage.all, images: images.count, height: size, width: size, channels: layout.channels)
        shard.withImages { bytes in
            backend.gather(
                crops, from: bytes, height: layout.height, width: layout.width,
                scale: normalization.factors,
                offset: normalization.offsets, output: map)
        }
        return (map, images.map { Int32(shard.labels[$0]) })
    }
}
