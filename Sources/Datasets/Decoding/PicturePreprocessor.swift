// Turns a picture, encoded or stored as pixels, into the normalised floats of one image of a batch.
// Each thread of a loader has its own preprocessor, because a preprocessor owns a decoder.
import Intake
import Tensors

/// Prepares pictures for a network. Only one thread at a time may use a preprocessor.
public final class PicturePreprocessor {
    /// How pictures become square.
    public enum Resizing: String, Codable, Sendable, CaseIterable {
        /// The published transforms: a random resized crop for training; a resize and a central
        /// crop for evaluation.
        case published
        /// No resizing. A preprocessor then accepts only pictures of the network's input size;
        /// training only mirrors them and changes their colours.
        case none
    }

    private let decoder: PictureDecoder
    private let resizing: Resizing
    private let scale, offset: [Float]

    /// Bytes per pixel: 1 grey, 3 RGB.
    public var channels: Int { decoder.channels }

    /// Takes the settings. `normalization` has one mean and one deviation for each channel, so it determines
    /// `channels`.
    public init(
        normalization: PixelNormalization, resizing: Resizing = .published,
        limits: PictureDecoder.Limits = PictureDecoder.Limits()
    ) {
        decoder = PictureDecoder(channels: normalization.mean.count, limits: limits)
        self.resizing = resizing
        scale = normalization.factors
        offset = normalization.offsets
    }

    /// Draws a view for training from `stream`, and writes it as floats of shape (size, size, channels).
    ///
    /// For `isChecked` see `PictureDecoder.write`. Errors: `DatasetError` with the reason for refusing the picture,
    /// without the picture's name; `wrongDimensions` if resizing is off and the picture does not have the network's
    /// size.
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

    /// Writes the evaluation view as floats of shape (size, size, channels). Errors: those of
    /// `train`.
    public func evaluate(
        _ source: PictureDecoder.Source, size: Int, isChecked: Bool = false,
        to floats: UnsafeMutableBufferPointer<Float>
    ) throws {
        try decoder.write(
            source, isChecked: isChecked, choose: { try evaluationView($0, $1, size) },
            to: { _ in .floats(floats, scale: scale, offset: offset) })
    }

    /// Writes the evaluation view of a picture file, read to its end to find all damage, as image 0 of
    /// `map`, which is square. Errors: those of `train`.
    public func evaluate(_ file: [UInt8], to map: FeatureMap) throws {
        try file.withUnsafeBytes { bytes in
            try map.withImage(0) { floats in
                try evaluate(.encoded(bytes), size: map.height, isChecked: true, to: floats)
            }
        }
    }

    /// Writes the evaluation view as bytes of shape (size, size, channels), which can be stored and
    /// normalised later. Errors: those of `train`.
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

    /// Throws if resizing is off and the picture does not have the network's size.
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
    /// Makes this view show the whole picture, with the same mirroring and colour changes as before.
    fileprivate mutating func uncut(width: Int, height: Int) {
        var view = PictureView.whole(width: width, height: height)
        view.isMirrored = isMirrored
        view.brightness = brightness
        view.saturation = saturation
        view.isSaturationFirst = isSaturationFirst
        self = view
    }
}
