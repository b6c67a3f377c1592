// Training augmentation: random crops, mirroring and colour jitter, drawn from a counter-based random stream. Shift and
// colour jitter take no numbers from the stream if they are off; mirroring always takes one.

import Foundation
import Tensors

/// Random crops, mirroring and colours.
public struct Augmentation: Sendable, Equatable {
    /// How the crop of an image is drawn.
    public enum CropStyle: String, Codable, Sendable, CaseIterable {
        /// Area and aspect ratio are relative to those of the image; a crop that would not fit is clamped to
        /// the image. With `minArea` 1 the crop is the whole image.
        case stretched
        /// The published random resized crop (torchvision's RandomResizedCrop). The aspect ratio is
        /// that of the crop in pixels; the crop's sides are rounded to whole pixels. Crops are
        /// drawn until one fits, at most ten times. If none fits, the crop is the largest central
        /// one with an allowed aspect ratio.
        case resized
    }

    /// How the crop is drawn.
    public var cropStyle: CropStyle
    /// The smallest share, in (0, 1], of the image's area that a crop may have. The published value for ImageNet is
    /// 0.08, which is far too small for images of 28 pixels.
    public var minArea: Double
    /// The largest aspect ratio (width / height) of a crop, 1 or more; the smallest is its inverse.
    /// The published value is 4/3.
    public var maxAspect: Double
    /// Whether images are mirrored, each with probability 1/2.
    public var flip: Bool
    /// The crop is moved by up to this many source pixels in each direction; outside the image,
    /// pixels are black.
    public var shift: Double
    /// The share, in 0...1, by which brightness may change: a factor is drawn from 1 ± this share.
    /// The published value is 32/255.
    public var brightness: Double
    /// The share, in 0...1, by which saturation may change: a factor is drawn from 1 ± this share.
    /// Grey images do not change. The published value is 0.5.
    public var saturation: Double

    /// Takes the parameters; the defaults of `brightness` and `saturation` leave colours unchanged.
    public init(
        minArea: Double = 1, flip: Bool = true, shift: Double = 0,
        cropStyle: CropStyle = .stretched, maxAspect: Double = 4.0 / 3, brightness: Double = 0,
        saturation: Double = 0
    ) {
        self.minArea = minArea
        self.flip = flip
        self.shift = shift
        self.cropStyle = cropStyle
        self.maxAspect = maxAspect
        self.brightness = brightness
        self.saturation = saturation
    }

    /// No augmentation.
    public static let none = Augmentation(minArea: 1, flip: false, shift: 0)

    /// The published supernet's augmentation on ImageNet (Cai et al., ICLR 2020).
    public static let imageNet = Augmentation(
        minArea: 0.08, cropStyle: .resized, brightness: 32.0 / 255, saturation: 0.5)

    /// Draws the crop of image `index` (of `height` x `width` pixels) that is resized to `size` x
    /// `size`, and the changes of its colours.
    ///
    /// The area is drawn uniformly from [minArea, 1], the aspect ratio log-uniformly from [1 / maxAspect, maxAspect];
    /// `CropStyle` says what happens if the crop does not fit.
    public func crop(
        index: Int, height: Int, width: Int, size: Int, using stream: inout RandomStream
    ) -> Crop {
        var part: Part
        switch cropStyle {
        case .stretched: part = stretched(height: Float(height), width: Float(width), &stream)
        case .resized: part = resized(height: height, width: width, &stream)
        }
        if shift > 0 {
            part.top += ((stream.uniform() * 2 - 1) * Float(shift)).rounded()
            part.left += ((stream.uniform() * 2 - 1) * Float(shift)).rounded()
        }
        let mirrored = stream.uniform() < 0.5 && flip
        let stepY = part.height / Float(size), stepX = part.width / Float(size)
        // Output pixel centres map to source positions (i + 1/2) * step - 1/2; a mirrored row runs
        // backwards.
        let first = part.left + (stepX - 1) / 2
        var crop = Crop(
            index: index, top: part.top + (stepY - 1) / 2,
            left: mirrored ? first + stepX * Float(size - 1) : first,
            stepY: stepY, stepX: mirrored ? -stepX : stepX)
        colour(&crop, &stream)
        return crop
    }

    /// The position and size of a crop, in pixels of the source image.
    private struct Part {
        var top, left, height, width: Float
    }

    private func stretched(height: Float, width: Float, _ stream: inout RandomStream) -> Part {
        var cropHeight = height, cropWidth = width
        if minArea < 1 {
            let (area, aspect) = drawShape(&stream)
            cropHeight = min(height, height * (area / aspect).squareRoot())
            cropWidth = min(width, width * (area * aspect).squareRoot())
        }
        let top = (height - cropHeight) * stream.uniform()
        let left = (width - cropWidth) * stream.uniform()
        return Part(top: top, left: left, height: cropHeight, width: cropWidth)
    }

    private func resized(height: Int, width: Int, _ stream: inout RandomStream) -> Part {
        func pixels(_ value: Float) -> Int { Int(value.rounded(.toNearestOrEven)) }
        for _ in 0..<10 {
            let (share, aspect) = drawShape(&stream)
            let area = share * Float(height * width)
            let rows = pixels((area / aspect).squareRoot())
            let columns = pixels((area * aspect).squareRoot())
            guard (1...height).contains(rows), (1...width).contains(columns) else { continue }
            let top = stream.below(height - rows + 1), left = stream.below(width - columns + 1)
            return Part(
                top: Float(top), left: Float(left), height: Float(rows), width: Float(columns))
        }
        let widest = Float(maxAspect)
        let columns = min(width, max(1, pixels(Float(height) * widest)))
        let rows = min(height, max(1, pixels(Float(width) * widest)))
        return Part(
            top: Float((height - rows) / 2), left: Float((width - columns) / 2),
            height: Float(rows), width: Float(columns))
    }

    private func drawShape(_ stream: inout RandomStream) -> (area: Float, aspect: Float) {
        let area = stream.uniform(in: Float(minArea)...1)
        let aspect = exp((stream.uniform() * 2 - 1) * log(Float(maxAspect)))
        return (area, aspect)
    }

    /// Draws the factors of brightness and saturation, uniform in 1 ± share, and which of the two
    /// is applied first. This is torchvision's ColorJitter without its intermediate rounding to
    /// bytes.
    private func colour(_ crop: inout Crop, _ stream: inout RandomStream) {
        func factor(_ share: Double) -> Float { 1 + (stream.uniform() * 2 - 1) * Float(share) }
        if brightness > 0 { crop.brightness = factor(brightness) }
        if saturation > 0 { crop.saturation = factor(saturation) }
        if brightness > 0 && saturation > 0 { crop.isSaturationFirst = stream.uniform() < 0.5 }
    }
}

/// The JSON form, stored in the arguments of jobs. `cropStyle`, `maxAspect`, `brightness` and `saturation`
/// are encoded only if they differ from the defaults; they may be missing, because old stored jobs lack these
/// keys.
extension Augmentation: Codable {
    private enum CodingKeys: String, CodingKey {
        case minArea, flip, shift, cropStyle, maxAspect, brightness, saturation
    }

    /// Reads a stored augmentation; the four optional fields take their defaults if missing.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            minArea: try values.decode(Double.self, forKey: .minArea),
            flip: try values.decode(Bool.self, forKey: .flip),
            shift: try values.decode(Double.self, forKey: .shift))
        cropStyle = try values.decodeIfPresent(CropStyle.self, forKey: .cropStyle) ?? cropStyle
        maxAspect = try values.decodeIfPresent(Double.self, forKey: .maxAspect) ?? maxAspect
        brightness = try values.decodeIfPresent(Double.self, forKey: .brightness) ?? brightness
        saturation = try values.decodeIfPresent(Double.self, forKey: .saturation) ?? saturation
    }

    /// Writes the required fields, and the optional fields that differ from their defaults.
    public func encode(to encoder: any Encoder) throws {
        let defaults = Augmentation()
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(minArea, forKey: .minArea)
        try values.encode(flip, forKey: .flip)
        try values.encode(shift, forKey: .shift)
        if cropStyle != defaults.cropStyle { try values.encode(cropStyle, forKey: .cropStyle) }
        if maxAspect != defaults.maxAspect { try values.encode(maxAspect, forKey: .maxAspect) }
        if brightness != defaults.brightness { try values.encode(brightness, forKey: .brightness) }
        if saturation != defaults.saturation { try values.encode(saturation, forKey: .saturation) }
    }
}
