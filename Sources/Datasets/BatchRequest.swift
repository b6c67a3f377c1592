// The request for a batch determines the batch's bits completely, whichever thread makes the batch,
// and whenever it does.

import Tensors

/// The images of one batch, their size and augmentation.
public struct BatchRequest: Sendable {
    /// Indices in the shard, in the batch's order.
    public var images: ArraySlice<Int>
    /// Height and width of the batch's images, in pixels.
    public var size: Int
    /// The augmentation of the images; draws come from `streams`.
    public var augmentation: Augmentation
    /// The random streams, one for each image; nil disables augmentation.
    public var streams: ImageStreams?

    /// Takes the fields; without `streams`, images are neither cropped nor augmented.
    public init(
        _ images: ArraySlice<Int>, size: Int, augmentation: Augmentation = .none,
        streams: ImageStreams? = nil
    ) {
        self.images = images
        self.size = size
        self.augmentation = augmentation
        self.streams = streams
    }

    /// Overwrites `crops` with the crops of the images.
    func draw(_ crops: inout [Crop], from layout: ImageShard.Layout) {
        crops.removeAll(keepingCapacity: true)
        if let streams {
            for (place, image) in images.enumerated() {
                var stream = streams[place]
                crops.append(
                    augmentation.crop(
                        index: image, height: layout.height, width: layout.width, size: size,
                        using: &stream))
            }
        } else {
            let (y, x) = (Float(layout.height) / Float(size), Float(layout.width) / Float(size))
            for image in images {
                crops.append(
                    Crop(index: image, top: (y - 1) / 2, left: (x - 1) / 2, stepY: y, stepX: x))
            }
        }
    }
}
