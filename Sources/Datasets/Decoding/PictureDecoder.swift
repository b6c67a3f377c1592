// Decodes JPEG and PNG pictures, and resamples rows as they are decoded. So only a few rows are in memory, except for
// progressive JPEGs and interlaced PNGs. A decoder reuses its buffers for all its pictures; only very large buffers are
// freed. libjpeg and libpng allocate memory for each picture and free it again.
//
// JPEG is decoded with libjpeg's defaults. PNG is decoded to 8 bits per sample: 16-bit samples are reduced to their
// high byte, palette indices become colours, alpha is dropped. Orientation, colour profiles and gamma are ignored. CMYK
// becomes RGB. Grey is computed from RGB as (19595 R + 38470 G + 7471 B + 32768) >> 16.
import CPictures
import Intake

/// Decodes pictures. Only one thread at a time may use a decoder.
public final class PictureDecoder {
    /// Limits of a picture. Pixels and memory are checked before memory is allocated.
    public struct Limits: Sendable, Equatable {
        /// The most pixels; a small file may declare billions.
        public var pixels = 178_956_970
        /// The most bytes of memory for a picture that cannot be decoded row by row: for the
        /// coefficients of a progressive JPEG, or the pixels of an interlaced PNG.
        public var memoryBytes = 192 << 20
        /// The most scans of a JPEG; each scan is a pass over the picture. Programs usually write
        /// about ten scans.
        public var scans = 500

        /// The default limits.
        public init() {}

        var native: ofa_picture_limits {
            ofa_picture_limits(
                pixels: Int64(pixels), memory: Int64(memoryBytes), scans: Int64(scans))
        }
    }

    /// A picture to be decoded or resampled. The memory belongs to the caller.
    public enum Source {
        /// The bytes of a JPEG or PNG file.
        case encoded(UnsafeRawBufferPointer)
        /// Pixels of shape (height, width, channels), with 1 or 3 channels.
        case pixels(UnsafeRawBufferPointer, width: Int, height: Int, channels: Int)
    }

    /// Where the output of a view is written. The memory belongs to the caller.
    public enum Target {
        /// Bytes of shape (outputHeight, outputWidth, channels).
        case bytes(UnsafeMutableBufferPointer<UInt8>)
        /// Floats of shape (outputHeight, outputWidth, channels): byte * scale + offset, with one
        /// scale and one offset per channel.
        case floats(UnsafeMutableBufferPointer<Float>, scale: [Float], offset: [Float])
    }

    /// The number of output channels: 1 grey, 3 RGB.
    public let channels: Int
    /// The limits of each picture.
    public let limits: Limits

    private let across = ResamplingPlan(), down = ResamplingPlan()
    private let row = PictureMemory<UInt8>(zero: 0), part = PictureMemory<UInt8>(zero: 0)
    private let four = PictureMemory<UInt8>(zero: 0), quad = PictureMemory<UInt8>(zero: 0)
    private let ring = PictureMemory<UInt8>(zero: 0), line = PictureMemory<UInt8>(zero: 0)
    private let whole = PictureMemory<UInt8>(zero: 0)
    /// Larger buffers than this are freed after each picture, because pictures that need them are rare.
    private static let keptBytes = 4 << 20

    /// Makes a decoder whose output has `channels` channels, 1 or 3.
    public init(channels: Int = 3, limits: Limits = Limits()) {
        precondition(channels == 1 || channels == 3, "\(channels) channels: grey is 1, RGB 3")
        self.channels = channels
        self.limits = limits
    }

    /// Reads the header of a picture file. Errors: `DatasetError` with the reason for refusing the picture, without the
    /// picture's name (`DatasetError.about` adds the name).
    public func header(_ bytes: UnsafeRawBufferPointer) throws -> PictureHeader {
        let kind = PictureKind(bytes)
        if let refusal = kind.refusal { throw refusal }
        var limits = limits.native, header = ofa_picture_header(), notes = ofa_picture_notes()
        let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        let read = kind == .jpeg ? ofa_jpeg_header : ofa_png_header
        guard read(start, Int64(bytes.count), &limits, &header, &notes) == 0 else {
            throw DatasetError.refusal(&notes, of: kind, limits: self.limits)
        }
        return PictureHeader(kind, header)
    }

    /// Makes the view that `choose` returns for the picture's width and height, and writes the output to the memory
    /// that `target` returns for this view.
    ///
    /// If `isChecked` is true, the file is read to its end, to find all damage. Otherwise the decoder skips most data
    /// outside the view; this is faster, and suits files that were checked before. The output is the same. Errors:
    /// `DatasetError` with the reason for refusing the picture, without the picture's name (`DatasetError.about` adds
    /// the name), and errors of the closures.
    @discardableResult
    public func write(
        _ source: Source, isChecked: Bool,
        choose: (_ width: Int, _ height: Int) throws -> PictureView,
        to target: (PictureView) throws -> Target
    ) throws -> PictureWarnings {
        switch source {
        case .encoded(let bytes):
            let header = try header(bytes)
            let view = try choose(header.width, header.height)
            return try prepare(view, header, isChecked, try target(view)) { native in
                try decode(bytes, header, &native)
            }
        case .pixels(let bytes, let width, let height, let components):
            precondition(
                (components == 1 || components == 3)
                    && bytes.count == width * height * components,
                "\(bytes.count) bytes are not \(height)x\(width)x\(components)")
            let header = PictureHeader(
                .unknown,
                ofa_picture_header(
                    width: Int32(width), height: Int32(height), components: Int32(components),
                    is_whole: 0))
            let view = try choose(width, height)
            return try prepare(view, header, isChecked, try target(view)) { native in
                var raw = header.native
                ofa_pixels_view(
                    bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), &raw, &native)
                return PictureWarnings()
            }
        }
    }

    /// Decodes the bytes of a file with libjpeg or libpng.
    private func decode(
        _ bytes: UnsafeRawBufferPointer, _ header: PictureHeader, _ view: inout ofa_picture_view
    ) throws -> PictureWarnings {
        if header.isInterlaced {
            view.whole =
                whole.room(for: header.width * header.height * header.components).baseAddress
        }
        defer { whole.shrink(above: Self.keptBytes) }
        var limits = limits.native, notes = ofa_picture_notes(), raw = header.native
        let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        let read = header.kind == .jpeg ? ofa_jpeg_view : ofa_png_view
        guard read(start, Int64(bytes.count), &limits, &raw, &view, &notes) == 0 else {
            throw DatasetError.refusal(&notes, of: header.kind, limits: self.limits)
        }
        return PictureWarnings(&notes)
    }

    /// Calls `body` with the view as a C struct that has resampling weights and buffers.
    private func prepare(
        _ view: PictureView, _ header: PictureHeader, _ isChecked: Bool, _ target: Target,
        _ body: (inout ofa_picture_view) throws -> PictureWarnings
    ) throws -> PictureWarnings {
        precondition(
            view.fits(width: header.width, height: header.height),
            "a view of \(header.width)x\(header.height) pixels reaches outside: \(view)")
        across.set(
            start: view.x, length: view.width, resized: view.resizedWidth, from: view.left,
            count: view.outputWidth, isMirrored: view.isMirrored)
        down.set(
            start: view.y, length: view.height, resized: view.resizedHeight, from: view.top,
            count: view.outputHeight)
        let lineBytes = view.outputWidth * channels
        var native = ofa_picture_view()
        native.x = Int32(across.part.lowerBound)
        native.y = Int32(down.part.lowerBound)
        native.width = Int32(across.part.count)
        native.height = Int32(down.part.count)
        native.channels = Int32(channels)
        native.is_mirrored = view.isMirrored ? 1 : 0
        native.is_checked = isChecked ? 1 : 0
        native.across = across.axis
        native.down = down.axis
        native.brightness = view.brightness
        native.saturation = view.saturation
        native.saturation_first = view.isSaturationFirst ? 1 : 0
        // The additional 64 bytes allow reads and writes that go a little beyond the end of a row.
        native.row = row.room(for: header.width * 4 + 64).baseAddress
        native.part = part.room(for: across.part.count * 3 + 64).baseAddress
        native.four = four.room(for: 4 * (across.part.count * 3 + 64)).baseAddress
        native.quad = quad.room(for: across.part.count * 16 + 64).baseAddress
        native.ring = ring.room(for: (Int(down.axis.taps) + 3) * lineBytes + 64).baseAddress
        native.line = line.room(for: lineBytes + 64).baseAddress
        defer { shrink() }
        let values = lineBytes * view.outputHeight
        switch target {
        case .bytes(let bytes):
            precondition(bytes.count == values, "a view of \(values) bytes for \(bytes.count)")
            native.bytes = bytes.baseAddress
            return try body(&native)
        case .floats(let floats, let scale, let offset):
            precondition(
                floats.count == values && scale.count == channels && offset.count == channels,
                "a view of \(values) values for \(floats.count)")
            native.floats = floats.baseAddress
            return try scale.withUnsafeBufferPointer { scale in
                try offset.withUnsafeBufferPointer { offset in
                    native.scale = scale.baseAddress
                    native.offset = offset.baseAddress
                    return try body(&native)
                }
            }
        }
    }

    /// Frees buffers of more than `keptBytes` bytes.
    private func shrink() {
        row.shrink(above: Self.keptBytes)
        part.shrink(above: Self.keptBytes)
        four.shrink(above: Self.keptBytes)
        quad.shrink(above: Self.keptBytes)
        ring.shrink(above: Self.keptBytes)
        line.shrink(above: Self.keptBytes)
    }
}
