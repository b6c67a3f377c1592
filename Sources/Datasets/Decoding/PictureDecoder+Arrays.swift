// Decoding into arrays: for import, which takes pictures one by one, and for tests.

extension PictureDecoder {
    /// The header of a file's bytes. Errors: refusals, without a name (`DatasetError.about`).
    public func header(_ bytes: [UInt8]) throws -> PictureHeader {
        try bytes.withUnsafeBytes { try header($0) }
    }

    /// Decodes a whole file and checks it to its end. Errors: refusals, without a name.
    public func decode(_ bytes: [UInt8]) throws -> DecodedPicture {
        try view(encoded: bytes) { .whole(width: $0, height: $1) }
    }

    /// A view of a file, checked to its end unless `isChecked` is false. Errors: refusals.
    public func view(
        encoded bytes: [UInt8], isChecked: Bool = true, _ choose: (Int, Int) -> PictureView
    ) throws -> DecodedPicture {
        try bytes.withUnsafeBytes { try view(.encoded($0), isChecked: isChecked, choose) }
    }

    /// A view of pixels, (height, width, channels).
    public func view(
        pixels: [UInt8], width: Int, height: Int, channels: Int,
        _ choose: (Int, Int) -> PictureView
    ) throws -> DecodedPicture {
        try pixels.withUnsafeBytes {
            try view(
                .pixels($0, width: width, height: height, channels: channels), isChecked: false,
                choose)
        }
    }

    /// A view of a source whose memory is lent by the caller.
    func view(
        _ source: Source, isChecked: Bool, _ choose: (Int, Int) -> PictureView
    ) throws -> DecodedPicture {
        var pixels: [UInt8] = [], size = (width: 0, height: 0)
        // Taken when the header is known, so the memory is that of this picture.
        var memory = UnsafeMutableBufferPointer<UInt8>(start: nil, count: 0)
        defer { memory.deallocate() }
        let warnings = try write(
            source, isChecked: isChecked, choose: choose,
            to: { view in
                size = (view.outputWidth, view.outputHeight)
                memory = .allocate(capacity: size.width * size.height * channels)
                return .bytes(memory)
            })
        pixels = [UInt8](memory)
        return DecodedPicture(
            width: size.width, height: size.height, channels: channels, pixels: pixels,
            warnings: warnings)
    }
}
