// What a batch is to hold: everything that decides its bits, so that whoever makes it, and when, does not matter.

import Tensors

/// The images of one batch, their size, and what is done to them.
public struct BatchRequest: Sendable {
    /// Their numbers in the shard, in the batch's order.
    public var images: ArraySlice<Int>
    /// Height and width of the batch, in pixels.
    public var size: Int
    /// What is done to them; draws come from `stream`.
    public var augmentation: Augmentation
    /// Where the draws come from; nil shows whole images whatever the augmentation says.
    public var stream: RandomStream?

    /// Asks for `images` at `size` pixels a side, whole without a stream.
    public init(
        _ images: ArraySlice<Int>, size: Int, augmentation: Augmentation = .none,
        stream: RandomStream? = nil
    ) {
        self.images = images
        self.size = size
        self.augmentation = augmentation
        self.stream = stream
    }

    /// Overwrites `crops` with the parts of the images, drawn in their order.
    func draw(_ crops: inout [Crop], from layout: ImageShard.Layout) {
        crops.removeAll(keepingCapacity: true)
        if var stream {
            for image in images {
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
