// Makes batches from an `ImageShard`: crops its images, which all have one size, and resizes the
// crops bilinearly.
import Tensors

extension ImageShard: ImageSource {
    /// The number of images.
    public var count: Int { layout.count }
    /// Bytes per pixel: 1 grey, 3 RGB.
    public var channels: Int { layout.channels }
    /// The number of classes.
    public var classCount: Int { layout.classes }
    /// Empty: an `ImageShard` does not store class names.
    public var classNames: [ByteName] { [] }
    /// The size of every image, in pixels.
    public var fixedSize: (height: Int, width: Int)? { (layout.height, layout.width) }
    /// False, because one thread is enough: it makes thousands of such images in the time of a
    /// training step.
    public var isDecoded: Bool { false }
    /// The label of an image.
    public func label(_ image: Int) -> Int { Int(labels[image]) }
    /// Mean and deviation of the pixels of `images`.
    public func normalization(of images: [Int]) -> PixelNormalization {
        PixelNormalization(self, images: images)
    }
    /// A reader for one thread.
    public func reader(_ normalization: PixelNormalization) -> any ImageReader {
        ImageShardReader(self, normalization)
    }
}

/// Crops images of a shard. Only one thread at a time may use a reader.
private final class ImageShardReader: ImageReader {
    private let shard: ImageShard
    private let factors, offsets: [Float]
    private var crops: [Crop] = []
    private var scratch = Storage(count: 0)

    init(_ shard: ImageShard, _ normalization: PixelNormalization) {
        self.shard = shard
        factors = normalization.factors
        offsets = normalization.offsets
    }

    func write(_ places: Range<Int>, of request: BatchRequest, to map: FeatureMap) {
        let layout = shard.layout
        crops.removeAll(keepingCapacity: true)
        for place in places {
            crops.append(
                request.crop(
                    place, index: request.image(place), height: layout.height,
                    width: layout.width))
        }
        shard.withImages { bytes in
            let images = StoredImages(
                bytes, height: layout.height, width: layout.width, scale: factors, offset: offsets)
            let needed = images.scratchFloats(size: request.size)
            if scratch.count < needed { scratch = Storage(count: needed) }
            images.write(crops[...], to: map, first: places.lowerBound, scratch: scratch.all)
        }
    }
}
