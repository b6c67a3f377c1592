// Decodes pictures into arrays, for the import, which handles pictures one by one, and for tests.

extension PictureDecoder {
    /// Reads the header of a picture file. Errors: `DatasetError` with the reason for refusing the picture, without the
    /// picture's name (`DatasetError.about` adds the name).
    public func header(_ bytes: [UInt8]) throws -> PictureHeader {
        try bytes.withUnsafeBytes { try header($0) }
    }

    /// Decodes a picture file and reads the file to its end, to find all damage. Errors: `DatasetError` with the reason
    /// for refusing the picture, without the picture's name.
    public func decode(_ bytes: [UInt8]) throws -> DecodedPicture {
        try view(encoded: bytes) { .whole(width: $0, height: $1) }
    }

    /// Decodes the view that `choose` returns for the picture's width and height. The file is read to its end, to find
    /// all damage, unless `isChecked` is false. Errors: `DatasetError` with the reason for refusing the picture,
    /// without the picture's name.
    public func view(
        encoded bytes: [UInt8], isChecked: Bool = true, _ choose: (Int, Int) -> PictureView
    ) throws -> DecodedPicture {
        try bytes.withUnsafeBytes { try view(.encoded($0), isChecked: isChecked, choose) }
    }

    /// Makes the view that `choose` returns, from pixels of shape (height, width, channels).
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

    /// Makes the view that `choose` returns, from a source in the caller's memory.
    func view(
        _ source: Source, isChecked: Bool, _ choose: (Int, Int) -> PictureView
    ) throws -> DecodedPicture {
        var pixels: [UInt8] = [], size = (width: 0, height: 0)
        // The memory is allocated after the header was read, because the size of the view is not known before.
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
