// PictureStorage: an import stores the decoded pixels or the file of each picture. Every picture is decoded to its end,
// so that damaged pictures are refused before training.
import Intake
import Synchronization

/// How pictures are stored.
public struct PictureStorage: Sendable, Equatable, Codable {
    /// Decoded pixels or encoded files.
    public var store: PictureShard.Store
    /// The most pixels of the shorter side; the import scales larger pictures down. If nil, pictures keep their size.
    public var size: Int?
    /// Bytes per pixel: 1 grey, 3 RGB.
    public var channels: Int

    /// Takes the fields; `channels` is 1 or 3.
    public init(store: PictureShard.Store, size: Int?, channels: Int) {
        self.store = store
        self.size = size
        self.channels = channels
    }

    /// The most bytes of pixels of one stored picture.
    static let mostPictureBytes = 60 << 20
}

/// A picture as it is stored.
struct StoredPicture: Sendable {
    /// Pixels, (height, width, channels), or the bytes of a JPEG or PNG file.
    let bytes: [UInt8]
    /// The size of the stored picture in pixels.
    let height, width: Int
    /// The sums over the stored pixels. If the file is stored, they are sums over the picture
    /// scaled down to a shorter side of `PictureStorer.sampledSide` pixels, because networks see
    /// pictures scaled down.
    let sums: PixelSums
    /// Warnings of the decoder.
    let warnings: PictureWarnings
}

/// Converts pictures to their stored form. Only one thread at a time may use a storer.
final class PictureStorer {
    private let storage: PictureStorage
    private let decoder: PictureDecoder
    private static let turn = Mutex(())

    /// The shorter side of the scaled pictures whose pixels are summed; see `StoredPicture.sums`.
    static let sampledSide = 128
    /// The longest side of the scaled picture whose pixels are summed; a longer side is shrunk to
    /// this length.
    private static let longestSampledSide = 4096
    /// The bytes of memory that the threads of a process share equally for decoding pictures at the same time. Pictures
    /// that need more than a thread's share are decoded one at a time. So the memory suffices for a large picture,
    /// independently of the number of threads.
    private static let freeMemory = 48 << 20
    /// The most bytes that the decoding of one picture may need.
    private static let mostMemory = 128 << 20

    /// Makes one of `threads` storers that work in this process at the same time.
    init(_ storage: PictureStorage, threads: Int = 1) {
        self.storage = storage
        decoder = PictureDecoder(
            channels: storage.channels,
            limits: Self.limits(memory: Self.freeMemory / max(2, threads)))
    }

    /// Returns the bytes of memory that a picture takes before it is in a shard: the bytes of `content`, plus the bytes
    /// of the pixels that are made of it. If the picture cannot be decoded, only the bytes of `content` count.
    func weight(_ content: SourceSample.Content) -> Int {
        switch content {
        case .pixels(_, _, _, let bytes): return 2 * bytes.count
        case .encoded(let bytes):
            do {
                let header = try decoder.header(bytes)
                let view = try view(width: header.width, height: header.height)
                let isKept =
                    storage.store == .files
                    && view == .whole(width: header.width, height: header.height)
                let pixels = view.outputWidth * view.outputHeight * storage.channels
                return bytes.count + (isKept ? 0 : pixels)
            } catch {
                return bytes.count
            }
        }
    }

    private static func limits(memory: Int) -> PictureDecoder.Limits {
        var limits = PictureDecoder.Limits()
        limits.memoryBytes = memory
        return limits
    }

    private func sums(_ pixels: [UInt8]) -> PixelSums {
        var sums = PixelSums(channels: storage.channels)
        sums.add(pixels)
        return sums
    }

    /// Returns the stored form of a picture. Errors: `DatasetError` with the reason for refusing the picture, without
    /// the picture's name.
    func stored(_ content: SourceSample.Content) throws -> StoredPicture {
        switch content {
        case .encoded(let bytes):
            do {
                return try stored(bytes, decoder)
            } catch let error as DatasetError where error.code == .tooLarge {
                return try Self.turn.withLock { _ in
                    try stored(
                        bytes,
                        PictureDecoder(
                            channels: storage.channels,
                            limits: Self.limits(memory: Self.mostMemory)))
                }
            }
        case .pixels(let height, let width, let channels, let pixels):
            return try stored(pixels, height: height, width: width, channels: channels)
        }
    }

    private func stored(_ bytes: [UInt8], _ decoder: PictureDecoder) throws -> StoredPicture {
        let header = try decoder.header(bytes)
        let view = try view(width: header.width, height: header.height)
        if storage.store == .pixels {
            let picture = try decoder.view(encoded: bytes) { _, _ in view }
            return StoredPicture(
                bytes: picture.pixels, height: picture.height, width: picture.width,
                sums: sums(picture.pixels), warnings: picture.warnings)
        }
        guard view.resizedWidth != header.width || view.resizedHeight != header.height else {
            let sample = try decoder.view(encoded: bytes, Self.sampled)
            return StoredPicture(
                bytes: bytes, height: header.height, width: header.width,
                sums: sums(sample.pixels), warnings: sample.warnings)
        }
        let picture = try decoder.view(encoded: bytes) { _, _ in view }
        let sample = try decoder.view(
            pixels: picture.pixels, width: picture.width, height: picture.height,
            channels: picture.channels, Self.sampled)
        return StoredPicture(
            bytes: try PictureEncoder.jpeg(
                picture.pixels, width: picture.width, height: picture.height,
                channels: picture.channels),
            height: picture.height, width: picture.width, sums: sums(sample.pixels),
            warnings: picture.warnings)
    }

    private func stored(
        _ pixels: [UInt8], height: Int, width: Int, channels: Int
    ) throws -> StoredPicture {
        let view = try view(width: width, height: height)
        var bytes = pixels
        if channels != storage.channels || view != .whole(width: width, height: height) {
            bytes =
                try decoder.view(pixels: pixels, width: width, height: height, channels: channels) {
                    _, _ in view
                }.pixels
        }
        return StoredPicture(
            bytes: bytes, height: view.outputHeight, width: view.outputWidth, sums: sums(bytes),
            warnings: PictureWarnings())
    }

    /// Returns the view that is stored. Errors: `tooLarge` if its pixels do not fit into a shard; files that are stored
    /// unchanged never cause this error.
    private func view(width: Int, height: Int) throws -> PictureView {
        let view =
            storage.size.map { PictureView.shrunk(width: width, height: height, shorterSide: $0) }
            ?? .whole(width: width, height: height)
        let isFile = storage.store == .files && view == .whole(width: width, height: height)
        let bytes = view.outputWidth * view.outputHeight * storage.channels
        guard isFile || bytes <= PictureStorage.mostPictureBytes else {
            throw DatasetError(
                .tooLarge,
                "\(width)x\(height) pixels take \(bytes) bytes; at most "
                    + "\(PictureStorage.mostPictureBytes) are stored of a picture",
                remedy: "scale it down, or import with a smaller size")
        }
        return view
    }

    /// Returns the view whose pixels are summed: the picture scaled down.
    private static func sampled(width: Int, height: Int) -> PictureView {
        let view = PictureView.shrunk(width: width, height: height, shorterSide: sampledSide)
        return PictureView(
            width: width, height: height,
            resizedWidth: min(view.resizedWidth, longestSampledSide),
            resizedHeight: min(view.resizedHeight, longestSampledSide))
    }
}
