// A view describes which part of a picture is resampled, and to which size. Evaluation, training crops and stored
// pictures differ only in their views, so the same code decodes and resamples all of them.

import Foundation

/// A box of a picture is resampled as if it were a whole picture; then the output is cut out of the resampled box.
/// Positions and sizes are in pixels; positions are counted from the top left.
public struct PictureView: Sendable, Equatable {
    /// The box's left column and top row in the picture.
    public var x, y: Int
    /// The box's size, at least 1.
    public var width, height: Int
    /// The size to which the box is resampled; an axis whose size does not change is copied.
    public var resizedWidth, resizedHeight: Int
    /// The left column and top row of the output, in the resampled box.
    public var left, top: Int
    /// The size of the output.
    public var outputWidth, outputHeight: Int
    /// Whether the output is mirrored left to right.
    public var isMirrored = false
    /// The factor by which every byte is multiplied, at least 0; 1 changes nothing.
    public var brightness: Float = 1
    /// The factor by which a colour's distance from grey is multiplied; 1 changes nothing. It has
    /// no effect on grey output.
    public var saturation: Float = 1
    /// Whether the saturation is changed before the brightness.
    public var isSaturationFirst = false

    /// Makes the view of a box that is resampled to a size; the output is the whole resampled box.
    public init(
        x: Int = 0, y: Int = 0, width: Int, height: Int, resizedWidth: Int, resizedHeight: Int
    ) {
        self.x = x
        self.y = y
        self.width = width
        self.height = height
        self.resizedWidth = resizedWidth
        self.resizedHeight = resizedHeight
        left = 0
        top = 0
        outputWidth = resizedWidth
        outputHeight = resizedHeight
    }

    /// The whole picture, not resampled.
    public static func whole(width: Int, height: Int) -> PictureView {
        PictureView(width: width, height: height, resizedWidth: width, resizedHeight: height)
    }

    /// The published evaluation transform: the picture is resampled so that its shorter side has
    /// ⌈size / 0.875⌉ pixels, then the central `size` x `size` pixels are cut out. Their offset is
    /// rounded, halves to even.
    public static func evaluation(width: Int, height: Int, size: Int) -> PictureView {
        var view = scaled(
            width: width, height: height, shorterSide: Int((Double(size) / 0.875).rounded(.up)))
        func middle(_ side: Int) -> Int {
            Int((Double(side - size) / 2).rounded(.toNearestOrEven))
        }
        view.left = middle(view.resizedWidth)
        view.top = middle(view.resizedHeight)
        view.outputWidth = size
        view.outputHeight = size
        return view
    }

    /// The largest central part of the picture that has the shape of `size`, resampled to `size`.
    public static func central(width: Int, height: Int, size: (height: Int, width: Int))
        -> PictureView
    {
        let isWide = width * size.height > height * size.width
        let cutWidth = isWide ? max(1, height * size.width / size.height) : width
        let cutHeight = isWide ? height : max(1, width * size.height / size.width)
        return PictureView(
            x: (width - cutWidth) / 2, y: (height - cutHeight) / 2, width: cutWidth,
            height: cutHeight, resizedWidth: size.width, resizedHeight: size.height)
    }

    /// The whole picture, scaled down so that its shorter side has `shorterSide` pixels. Smaller
    /// pictures are not scaled.
    public static func shrunk(width: Int, height: Int, shorterSide: Int) -> PictureView {
        min(width, height) <= shorterSide
            ? whole(width: width, height: height)
            : scaled(width: width, height: height, shorterSide: shorterSide)
    }

    /// A box resampled to `size` x `size` pixels.
    public static func box(x: Int, y: Int, width: Int, height: Int, size: Int) -> PictureView {
        PictureView(
            x: x, y: y, width: width, height: height, resizedWidth: size, resizedHeight: size)
    }

    /// Scales the picture so that its shorter side has `shorterSide` pixels. The longer side keeps
    /// the ratio, rounded down.
    private static func scaled(width: Int, height: Int, shorterSide: Int) -> PictureView {
        let longer = shorterSide * max(width, height) / min(width, height)
        return PictureView(
            width: width, height: height, resizedWidth: width <= height ? shorterSide : longer,
            resizedHeight: width <= height ? longer : shorterSide)
    }

    /// Whether the view lies inside a picture of this size, and all its sizes are within the
    /// supported limits.
    public func fits(width pictureWidth: Int, height pictureHeight: Int) -> Bool {
        let sides = 1...1 << 20, resized = 1...1 << 40
        return (0..<pictureWidth).contains(x) && (0..<pictureHeight).contains(y)
            && sides.contains(width) && sides.contains(height)
            && x + width <= pictureWidth && y + height <= pictureHeight
            && resized.contains(resizedWidth) && resized.contains(resizedHeight)
            && sides.contains(outputWidth) && sides.contains(outputHeight)
            && left >= 0 && left <= resizedWidth - outputWidth
            && top >= 0 && top <= resizedHeight - outputHeight
    }
}
