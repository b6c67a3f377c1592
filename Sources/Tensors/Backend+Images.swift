// From stored bytes to a normalised batch.

import CKernels

/// One image's place in a batch: which part of the stored image it shows.
public struct Crop: Sendable {
    /// The image's number in its store.
    public let index: Int
    /// Source coordinates, in pixels, of the output's first row and column.
    public let top, left: Float
    /// Source pixels per output pixel; a negative `stepX` mirrors.
    public let stepY, stepX: Float

    /// Names the part of the image.
    public init(index: Int, top: Float, left: Float, stepY: Float, stepX: Float) {
        self.index = index
        self.top = top
        self.left = left
        self.stepY = stepY
        self.stepX = stepX
    }
}

extension Backend {
    /// Writes crops of uint8 images (count, height, width, channels) as value * scale + offset into `output`.
    ///
    /// Outside a stored image a byte reads as 0. Every crop's index is an image of the store.
    public func gather(
        _ crops: [Crop], from images: UnsafeBufferPointer<UInt8>, height: Int, width: Int,
        scale: [Float],
        offset: [Float], output: FeatureMap
    ) {
        let channels = output.channels, bytes = height * width * channels
        precondition(
            crops.count == output.images
                && crops.allSatisfy { $0.index >= 0 && ($0.index + 1) * bytes <= images.count },
            "gather: a crop names an image that the store does not have")
        guard let base = images.baseAddress else { return }
        forEachShare(crops.count) { _, mine in
            withUnsafeTemporaryAllocation(of: ofa_crop.self, capacity: mine.count) { list in
                for (slot, index) in mine.enumerated() {
                    let crop = crops[index]
                    list[slot] = ofa_crop(
                        index: Int32(crop.index), top: crop.top, left: crop.left,
                        step_y: crop.stepY, step_x: crop.stepX)
                }
                ofa_crops(
                    base, Int32(height), Int32(width), Int32(channels), list.baseAddress,
                    Int32(mine.count),
                    Int32(output.height), scale, offset, output.pointer(image: mine.lowerBound))
            }
        }
    }
}
