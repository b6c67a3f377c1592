// What training does to an image: a random part of it, perhaps mirrored. Draws come from a counter-based stream.

import Foundation
import Tensors

/// Random crops and mirroring. Colour jitter is not needed for grey images.
public struct Augmentation: Codable, Sendable, Equatable {
    /// The smallest share of the image's area that a crop keeps, in (0, 1]; 1 crops nothing. The published value
    /// for ImageNet is 0.08, far too strong for 28-pixel images.
    public var minArea: Double
    /// Half of the images are mirrored.
    public var flip: Bool
    /// The image is moved by up to this many source pixels in each direction; what was outside is black.
    public var shift: Double

    /// Names the settings.
    public init(minArea: Double = 1, flip: Bool = true, shift: Double = 0) {
        self.minArea = minArea
        self.flip = flip
        self.shift = shift
    }

    /// Leaves images as they are.
    public static let none = Augmentation(minArea: 1, flip: false, shift: 0)

    /// Draws the part of image `index` (of `height` x `width` pixels) that is shown at `size` pixels a side.
    ///
    /// Random resized crop: area uniform in [minArea, 1], aspect log-uniform in [3/4, 4/3] when cropping.
    public func crop(
        index: Int, height: Int, width: Int, size: Int, using stream: inout RandomStream
    ) -> Crop {
        var cropHeight = Float(height), cropWidth = Float(width)
        if minArea < 1 {
            let area = Float(minArea) + (1 - Float(minArea)) * stream.uniform()
            let aspect = exp((stream.uniform() * 2 - 1) * log(Float(4) / 3))
            cropHeight = min(Float(height), Float(height) * (area / aspect).squareRoot())
            cropWidth = min(Float(width), Float(width) * (area * aspect).squareRoot())
        }
        var top = (Float(height) - cropHeight) * stream.uniform()
        var left = (Float(width) - cropWidth) * stream.uniform()
        if shift > 0 {
            top += ((stream.uniform() * 2 - 1) * Float(shift)).rounded()
            left += ((stream.uniform() * 2 - 1) * Float(shift)).rounded()
        }
        let mirrored = stream.uniform() < 0.5 && flip
        let stepY = cropHeight / Float(size), stepX = cropWidth / Float(size)
        // Output pixel centres fall on source positions (i + 1/2) * step - 1/2; a mirrored row runs backwards.
        let first = left + (stepX - 1) / 2
        return Crop(
            index: index, top: top + (stepY - 1) / 2,
            left: mirrored ? first + stepX * Float(size - 1) : first,
            stepY: stepY, stepX: mirrored ? -stepX : stepX)
    }
}
