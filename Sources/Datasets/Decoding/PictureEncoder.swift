// Encodes pictures: as PNG for contact sheets, as JPEG for pictures that the import scales down and stores as files.
import CPictures
import Intake

/// Encodes pixels of shape (height, width, channels): 1 channel is grey, 3 channels are RGB.
public enum PictureEncoder {
    /// The quality of stored JPEGs. On average, a photograph of 196 x 147 pixels takes 9.5 kB, and
    /// its bytes change by 0.8 of 255. Chroma is not subsampled, because the pictures were scaled
    /// down already.
    public static let storedQuality = 95

    /// Returns a PNG file with 8 bits per sample.
    ///
    /// Errors: `wrongDimensions` if the sizes do not fit the pixels, `tooLarge` if a side is 0 or
    /// more than a million pixels long.
    public static func png(
        _ pixels: [UInt8], width: Int, height: Int, channels: Int = 3
    ) throws -> [UInt8] {
        try check(pixels, width, height, channels, longest: 1_000_000)
        // PNG adds one byte to each row, for the row's filter; incompressible data grow by less than 1/32.
        let raw = (width * channels + 1) * height
        return try encode("PNG", room: raw + raw / 32 + 65_536) { out, room, written, notes in
            ofa_png_write(
                pixels, Int32(width), Int32(height), Int32(channels), out, room, &written, &notes)
        }
    }

    /// Returns a baseline JPEG file without chroma subsampling; `quality` is 1...100.
    ///
    /// Errors: `wrongDimensions` if the sizes do not fit the pixels, `tooLarge` if a side is 0 or
    /// more than 65,500 pixels long.
    public static func jpeg(
        _ pixels: [UInt8], width: Int, height: Int, channels: Int = 3,
        quality: Int = storedQuality
    ) throws -> [UInt8] {
        precondition((1...100).contains(quality), "a quality of \(quality)")
        try check(pixels, width, height, channels, longest: 65_500)
        // A sample takes at most 2 bytes of entropy code, including stuffed bytes; incomplete blocks count as whole
        // ones.
        let blocks = ((width + 7) / 8) * ((height + 7) / 8) * 64
        return try encode("JPEG", room: blocks * channels * 2 + 4096) { out, room, written, notes in
            ofa_jpeg_write(
                pixels, Int32(width), Int32(height), Int32(channels), Int32(quality), out, room,
                &written, &notes)
        }
    }

    private static func encode(
        _ format: String, room: Int,
        _ write: (UnsafeMutablePointer<UInt8>?, Int64, inout Int64, inout ofa_picture_notes) ->
            Int32
    ) throws -> [UInt8] {
        var notes = ofa_picture_notes()
        let bytes = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
            var written: Int64 = 0
            let fault = write(buffer.baseAddress, Int64(room), &written, &notes)
            count = fault == 0 ? Int(written) : 0
        }
        guard notes.fault == 0 else {
            throw DatasetError(
                .corrupt, "cannot encode a \(format): \(String(cString: ofa_notes_text(&notes)))")
        }
        // Returns a copy, so that the unused part of the buffer, which is often large, is freed.
        return bytes.withUnsafeBufferPointer { [UInt8]($0) }
    }

    private static func check(
        _ pixels: [UInt8], _ width: Int, _ height: Int, _ channels: Int, longest: Int
    ) throws {
        guard (1...longest).contains(width), (1...longest).contains(height) else {
            throw DatasetError(
                .tooLarge, "a picture of \(width)x\(height) pixels cannot be written",
                remedy: "the longest side is \(longest)")
        }
        guard channels == 1 || channels == 3, pixels.count == width * height * channels else {
            throw DatasetError(
                .wrongDimensions,
                "\(pixels.count) bytes do not make a picture of \(width)x\(height)x\(channels)")
        }
    }
}
