// Makes images of batches from a `PictureSet`. Pictures of any size are decoded and resampled by
// the published transforms. If the pictures have a fixed size, the result has the same bits as that
// of an `ImageShard` with the same pixels.
import Tensors

/// Makes images of a set of pictures. Only one thread at a time may use a reader. Buffers are reused from picture to
/// picture; only very large buffers are freed.
final class PictureReader: ImageReader {
    private let set: PictureSet
    private let preprocessor: PicturePreprocessor
    private let fixed: FixedPictures?

    /// Makes a reader of `set`; `normalization` has one mean and one deviation for each channel.
    init(_ set: PictureSet, normalization: PixelNormalization) {
        self.set = set
        preprocessor = PicturePreprocessor(normalization: normalization)
        fixed = set.fixedSize.map {
            FixedPictures(height: $0.height, width: $0.width, normalization)
        }
    }

    /// See `ImageReader.write`.
    func write(_ places: Range<Int>, of request: BatchRequest, to map: FeatureMap) throws {
        for place in places {
            let picture = request.image(place)
            try set.withPicture(picture) { source in
                if let fixed { return try fixed.write(source, place, of: request, to: map) }
                try map.withImage(place) { floats in
                    guard let streams = request.streams else {
                        return try preprocessor.evaluate(source, size: request.size, to: floats)
                    }
                    var stream = streams[place]
                    try preprocessor.train(
                        source, size: request.size, augmentation: request.augmentation,
                        stream: &stream, to: floats)
                }
            }
        }
    }
}

/// Crops pictures of one size as `ImageShard` crops its images.
final class FixedPictures {
    private let height, width: Int
    private let factors, offsets: [Float]
    private let decoder: PictureDecoder
    private let pixels = PictureMemory<UInt8>(zero: 0)
    private var crops: [Crop] = []
    private var scratch = Storage(count: 0)

    /// Takes the size of every picture.
    init(height: Int, width: Int, _ normalization: PixelNormalization) {
        self.height = height
        self.width = width
        factors = normalization.factors
        offsets = normalization.offsets
        decoder = PictureDecoder(channels: normalization.mean.count)
    }

    /// Writes pixels of every picture's size as image 0 of `map`, which is square.
    func write(_ pixels: [UInt8], to map: FeatureMap) throws {
        try pixels.withUnsafeBytes { bytes in
            try write(
                .pixels(bytes, width: width, height: height, channels: decoder.channels), 0,
                of: BatchRequest([0], size: map.height), to: map)
        }
    }

    /// Writes the picture as image `place` of a request to `map`. Errors: why the picture is refused; `wrongDimensions`
    /// for a picture of another size.
    func write(
        _ source: PictureDecoder.Source, _ place: Int, of request: BatchRequest, to map: FeatureMap
    ) throws {
        let count = height * width * decoder.channels
        let all = UnsafeMutableBufferPointer(rebasing: pixels.room(for: count)[..<count])
        try decoder.write(
            source, isChecked: false,
            choose: { width, height in
                guard width == self.width, height == self.height else {
                    throw DatasetError(
                        .wrongDimensions,
                        "\(width)x\(height) pixels in a set of \(self.width)x\(self.height)",
                        remedy: "import the data set again")
                }
                return .whole(width: width, height: height)
            }, to: { _ in .bytes(all) })
        let images = StoredImages(
            UnsafeBufferPointer(all), height: height, width: width, scale: factors, offset: offsets)
        let needed = images.scratchFloats(size: request.size)
        if scratch.count < needed { scratch = Storage(count: needed) }
        crops.removeAll(keepingCapacity: true)
        crops.append(request.crop(place, index: 0, height: height, width: width))
        images.write(crops[...], to: map, first: place, scratch: scratch.all)
    }
}
