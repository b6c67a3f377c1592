// Writes pictures: PNG for contact sheets, JPEG for stores of pictures that were scaled once.
import CPictures
import Intake

/// Encodes pixels, (height, width, channels); a channel count of 1 is grey, of 3 RGB.
public enum PictureEncoder {
    /// The quality of stored JPEGs. Photographs of 196 x 147 pixels take 9.5 kB each and change by
    /// 0.8 levels a byte on average. Chroma is not subsampled: it was made small already.
    public static let storedQuality = 95

    /// The bytes of a PNG file, 8 bits a sample.
    ///
    /// Errors: `wrongDimensions` if the sizes do not fit the pixels, `tooLarge` beyond a million
    /// pixels a side.
    public static func png(
        _ pixels: [UInt8], width: Int, height: Int, channels: Int = 3
    ) throws -> [UInt8] {
        try check(pixels, width, height, channels, longest: 1_000_000)
        // Filter bytes, and what incompressible data grow by: below a thirty-second.
        let raw = (width * channels + 1) * height
        return try encode("PNG", room: raw + raw / 32 + 65_536) { out, room, written, notes in
            ofa_png_write(
                pixels, Int32(width), Int32(height), Int32(channels), out, room, &written, &notes)
        }
    }

    /// The bytes of a baseline JPEG file without chroma subsampling; `quality` is 1...100.
    ///
    /// Errors: `wrongDimensions` if the sizes do not fit the pixels, `tooLarge` beyond 65,500
    /// pixels a side.
    public static func jpeg(
        _ pixels: [UInt8], width: Int, height: Int, channels: Int = 3,
        quality: Int = storedQuality
    ) throws -> [UInt8] {
        precondition((1...100).contains(quality), "a quality of \(quality)")
        try check(pixels, width, height, channels, longest: 65_500)
        // At most 2 bytes of entropy code a sample, stuffing included, in whole blocks.
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
        // Copied, because the room was many times what was written.
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
