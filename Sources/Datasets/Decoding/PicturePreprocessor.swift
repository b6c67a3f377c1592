// What a loader's thread does to a picture: encoded bytes or stored pixels in, normalised floats at
// a place of a batch out. A preprocessor owns its decoder, so each thread has one.
import Intake
import Tensors

/// Prepares pictures for a network; to be used by one thread at a time.
public final class PicturePreprocessor {
    /// How pictures become square.
    public enum Resizing: String, Codable, Sendable, CaseIterable {
        /// The published transforms: random resized crops, and resize and central crop.
        case published
        /// None: pictures have the network's size already; training only mirrors and colours.
        case none
    }

    private let decoder: PictureDecoder
    private let resizing: Resizing
    private let scale, offset: [Float]

    /// Bytes a pixel: 1 grey, 3 RGB.
    public var channels: Int { decoder.channels }

    /// One mean and deviation a channel; their number is that of the channels.
    public init(
        normalization: PixelNormalization, resizing: Resizing = .published,
        limits: PictureDecoder.Limits = PictureDecoder.Limits()
    ) {
        decoder = PictureDecoder(channels: normalization.mean.count, limits: limits)
        self.resizing = resizing
        scale = normalization.factors
        offset = normalization.offsets
    }

    /// Writes a training view, drawn from `stream`, as (size, size, channels) floats.
    ///
    /// `isChecked` as in `PictureDecoder.write`. Errors: refusals, without a name, and
    /// `wrongDimensions` if nothing is resized and the size differs.
    public func train(
        _ source: PictureDecoder.Source, size: Int, augmentation: Augmentation,
        stream: inout RandomStream, isChecked: Bool = false,
        to floats: UnsafeMutableBufferPointer<Float>
    ) throws {
        var augmentation = augmentation
        if resizing == .none { augmentation.minArea = 1 }
        try decoder.write(
            source, isChecked: isChecked,
            choose: { width, height in
                try check(width, height, size)
                var view = augmentation.view(
                    width: width, height: height, size: size, using: &stream)
                if resizing == .none { view.uncut(width: size, height: size) }
                return view
            }, to: { _ in .floats(floats, scale: scale, offset: offset) })
    }

    /// Writes the evaluation view as (size, size, channels) floats. Errors: those of `train`.
    public func evaluate(
        _ source: PictureDecoder.Source, size: Int, isChecked: Bool = false,
        to floats: UnsafeMutableBufferPointer<Float>
    ) throws {
        try decoder.write(
            source, isChecked: isChecked, choose: { try evaluationView($0, $1, size) },
            to: { _ in .floats(floats, scale: scale, offset: offset) })
    }

    /// Writes the evaluation view as (size, size, channels) bytes, to be kept and normalised often.
    /// Errors: those of `train`.
    public func evaluate(
        _ source: PictureDecoder.Source, size: Int, isChecked: Bool = false,
        to bytes: UnsafeMutableBufferPointer<UInt8>
    ) throws {
        try decoder.write(
            source, isChecked: isChecked, choose: { try evaluationView($0, $1, size) },
            to: { _ in .bytes(bytes) })
    }

    /// Normalises bytes that `evaluate` wrote.
    public func normalise(
        _ bytes: UnsafeRawBufferPointer, size: Int, to floats: UnsafeMutableBufferPointer<Float>
    ) throws {
        try decoder.write(
            .pixels(bytes, width: size, height: size, channels: channels), isChecked: false,
            choose: { .whole(width: $0, height: $1) },
            to: { _ in .floats(floats, scale: scale, offset: offset) })
    }

    private func evaluationView(_ width: Int, _ height: Int, _ size: Int) throws -> PictureView {
        try check(width, height, size)
        return resizing == .none
            ? .whole(width: size, height: size)
            : .evaluation(width: width, height: height, size: size)
    }

    /// Without resizing a picture must have the network's size.
    private func check(_ width: Int, _ height: Int, _ size: Int) throws {
        guard resizing == .published || (width == size && height == size) else {
            throw DatasetError(
                .wrongDimensions,
                "\(width)x\(height) pixels for a network of \(size)x\(size) and 'resize: none'",
                remedy: "let pictures be resized, or train at their size")
        }
    }
}

extension PictureView {
    /// Makes this the view of a whole picture, with its mirroring and colours.
    fileprivate mutating func uncut(width: Int, height: Int) {
        var view = PictureView.whole(width: width, height: height)
        view.isMirrored = isMirrored
        view.brightness = brightness
        view.saturation = saturation
        view.isSaturationFirst = isSaturationFirst
        self = view
    }
}
