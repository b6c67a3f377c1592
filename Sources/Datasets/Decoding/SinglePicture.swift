// Turns single pictures, which belong to no data set, into the input of a network, as a data set's evaluation does.
import Intake
import Tensors

/// Prepares single pictures for a network; to be used by one thread at a time.
public final class SinglePicture {
    private let fixedSize: (height: Int, width: Int)?
    private let preprocessor: PicturePreprocessor
    private let decoder: PictureDecoder
    private let fixed: FixedPictures?

    /// Prepares pictures as a data set's source with this normalisation and `fixedSize` does. If `fixedSize` is set
    /// (all training images have this size), the largest central part of the picture with the same shape is first
    /// resized to `fixedSize`.
    public init(
        normalization: PixelNormalization, fixedSize: (height: Int, width: Int)? = nil
    ) {
        self.fixedSize = fixedSize
        preprocessor = PicturePreprocessor(normalization: normalization)
        decoder = PictureDecoder(channels: normalization.mean.count)
        fixed = fixedSize.map {
            FixedPictures(height: $0.height, width: $0.width, normalization)
        }
    }

    /// Returns a picture, whose JPEG or PNG file has the content `bytes`, as the input of a network of `size` x `size`
    /// pixels.
    ///
    /// Errors: why the picture is refused, without its name (`DatasetError.about` adds the name).
    public func input(_ bytes: [UInt8], size: Int) throws -> FeatureMap {
        let channels = decoder.channels
        let map = FeatureMap(
            HostMemory.shared.storage(size * size * channels).all, images: 1, height: size,
            width: size, channels: channels)
        guard let fixed, let fixedSize else {
            try preprocessor.evaluate(bytes, to: map)
            return map
        }
        let picture = try decoder.view(encoded: bytes) {
            .central(width: $0, height: $1, size: fixedSize)
        }
        try fixed.write(picture.pixels, to: map)
        return map
    }
}
