// A request alone determines the bits of its batch, independently of the thread that makes the batch and of the time.

import Tensors

/// The images of one batch, their size and augmentation.
public struct BatchRequest: Sendable {
    /// Indices in the source, in the batch's order.
    public var images: ArraySlice<Int>
    /// Height and width of the batch's images, in pixels.
    public var size: Int
    /// The augmentation of the images; draws come from `streams`.
    public var augmentation: Augmentation
    /// The random streams, one for each image; nil disables augmentation.
    public var streams: ImageStreams?

    /// Takes the fields; without `streams`, images are not augmented.
    public init(
        _ images: ArraySlice<Int>, size: Int, augmentation: Augmentation = .none,
        streams: ImageStreams? = nil
    ) {
        self.images = images
        self.size = size
        self.augmentation = augmentation
        self.streams = streams
    }

    /// The index in the source of the batch's image number `place`.
    func image(_ place: Int) -> Int { images[images.startIndex + place] }

    /// The crop of the batch's image number `place`, which has `height` x `width` pixels. `index` is the number of this
    /// image in the memory from which the crop is read.
    func crop(_ place: Int, index: Int, height: Int, width: Int) -> Crop {
        if let streams {
            var stream = streams[place]
            return augmentation.crop(
                index: index, height: height, width: width, size: size, using: &stream)
        }
        let (y, x) = (Float(height) / Float(size), Float(width) / Float(size))
        return Crop(index: index, top: (y - 1) / 2, left: (x - 1) / 2, stepY: y, stepX: x)
    }
}
