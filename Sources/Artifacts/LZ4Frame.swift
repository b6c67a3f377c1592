// LZ4 frames through liblz4. The unsafe buffers of this module are all in this file.
//
// Format: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md. Frames have FLG 0x6C:
// version 1, independent blocks, content size, content checksum (liblz4 omits the size in an empty
// frame: FLG 0x64).

import CLZ4

/// Complete LZ4 frames, one for each chunk of a blob.
public enum LZ4Frame {
    /// Compresses bytes to one frame. Bytes that cannot be compressed grow by some 30 bytes per
    /// frame. Errors: `codec`.
    public static func compress(_ bytes: [UInt8]) throws(ArtifactsError) -> [UInt8] {
        var preferences = LZ4F_preferences_t()
        preferences.frameInfo.blockSizeID = LZ4F_max1MB
        preferences.frameInfo.blockMode = LZ4F_blockIndependent
        preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled
        preferences.frameInfo.contentSize = UInt64(bytes.count)
        let bound = LZ4F_compressFrameBound(bytes.count, &preferences)
        var failure: String?
        let frame = [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
            let written = bytes.withUnsafeBytes { source in
                LZ4F_compressFrame(
                    buffer.baseAddress, bound, source.baseAddress, source.count, &preferences)
            }
            failure = errorName(written)
            count = failure == nil ? written : 0
        }
        if let failure {
            throw ArtifactsError(.codec, "LZ4 could not compress \(bytes.count) bytes: \(failure)")
        }
        return frame
    }

    /// Decompresses one frame of exactly `count` bytes. With `isVerified`, the frame was compared
    /// with a digest, and its own checksums, which take half of the time, are not compared. Errors:
    /// `corrupt` if the frame is damaged.
    public static func decompress(
        _ frame: [UInt8], count: Int, isVerified: Bool = false
    ) throws(ArtifactsError) -> [UInt8] {
        if isVerified, let bytes = onlyBlock(of: frame, count: count) { return bytes }
        var context: OpaquePointer?
        let created = LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))
        if let failure = errorName(created) {
            throw ArtifactsError(.codec, "LZ4 could not start to decompress: \(failure)")
        }
        defer { LZ4F_freeDecompressionContext(context) }
        var failure: String?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
            frame.withUnsafeBytes { source in
                failure = decompress(
                    context, source, into: UnsafeMutableRawBufferPointer(buffer), &written)
            }
        }
        if let failure { throw ArtifactsError(.corrupt, failure) }
        return bytes
    }

    /// Returns the content of a frame as `compress` writes it: a header of 15 bytes, one block, an
    /// end mark and a checksum. Returns nil for any other frame, which liblz4 then reads.
    private static func onlyBlock(of frame: [UInt8], count: Int) -> [UInt8]? {
        guard frame.count >= 27, frame[0..<4] == [0x04, 0x22, 0x4D, 0x18], frame[4] == 0x6C,
            [0x40, 0x50, 0x60].contains(frame[5]), word(frame, 6) == UInt32(exactly: count),
            word(frame, 10) == 0
        else { return nil }
        let field = word(frame, 15), isPlain = field >> 31 == 1
        let size = Int(field & 0x7FFF_FFFF)
        guard size == frame.count - 27, word(frame, 19 + size) == 0 else { return nil }
        if isPlain { return size == count ? Array(frame[19..<19 + size]) : nil }
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
            frame.withUnsafeBytes { source in
                let block = UnsafeRawBufferPointer(rebasing: source[19..<19 + size])
                let decoded = LZ4_decompress_safe(
                    block.assumingMemoryBound(to: CChar.self).baseAddress,
                    UnsafeMutableRawBufferPointer(buffer).assumingMemoryBound(to: CChar.self)
                        .baseAddress, Int32(size), Int32(count))
                written = Int(decoded) == count ? count : 0
            }
        }
        return bytes.count == count ? bytes : nil
    }

    /// Returns the little-endian word at `place`.
    private static func word(_ bytes: [UInt8], _ place: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[place + $1]) << (8 * UInt32($1)) }
    }

    /// Runs the decompressor until the frame ends; returns the problem, or nil.
    private static func decompress(
        _ context: OpaquePointer?, _ source: UnsafeRawBufferPointer,
        into target: UnsafeMutableRawBufferPointer, _ written: inout Int
    ) -> String? {
        var read = 0
        written = 0
        while true {
            var room = target.count - written
            var left = source.count - read
            let hint = LZ4F_decompress(
                context, target.baseAddress.map { $0 + written }, &room,
                source.baseAddress.map { $0 + read }, &left, nil)
            if let failure = errorName(hint) { return "the LZ4 frame is damaged (\(failure))" }
            written += room
            read += left
            if hint == 0 { break }
            if room == 0 && left == 0 {
                return read == source.count
                    ? "the LZ4 frame is cut short after \(source.count) bytes"
                    : "the LZ4 frame holds more than the \(target.count) bytes expected"
            }
        }
        if written != target.count {
            return "the LZ4 frame holds \(written) bytes, \(target.count) were expected"
        }
        return read == source.count ? nil : "\(source.count - read) bytes follow the LZ4 frame"
    }

    /// The magic number of a skippable frame. The number, and the payload size that follows it, are
    /// stored in little-endian order.
    private static let skippableMagic: UInt32 = 0x184D_2A50

    /// Wraps `payload` in a frame that decompressors skip.
    public static func skippable(_ payload: [UInt8]) -> [UInt8] {
        littleEndian(skippableMagic) + littleEndian(UInt32(payload.count)) + payload
    }

    /// Returns the payload of a skippable frame; nil if the bytes are not exactly one such frame.
    public static func skippablePayload(_ frame: [UInt8]) -> [UInt8]? {
        guard frame.count >= 8, Array(frame[0..<4]) == littleEndian(skippableMagic),
            Array(frame[4..<8]) == littleEndian(UInt32(frame.count - 8))
        else { return nil }
        return Array(frame[8...])
    }

    private static func littleEndian(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
    }

    private static func errorName(_ code: Int) -> String? {
        LZ4F_isError(code) == 0 ? nil : String(cString: LZ4F_getErrorName(code))
    }
}

extension LZ4Frame {
    /// Returns an array as long as `bytes`, which `body` fills from `bytes`.
    static func mapped(
        _ bytes: [UInt8],
        _ body: (UnsafePointer<UInt8>, Int64, UnsafeMutablePointer<UInt8>) -> Void
    ) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: bytes.count) { buffer, initialized in
            bytes.withUnsafeBufferPointer { source in
                // An empty array may have no address.
                guard let from = source.baseAddress, let to = buffer.baseAddress else { return }
                body(from, Int64(source.count), to)
            }
            initialized = bytes.count
        }
    }

    /// Returns the XOR of two arrays of the same length.
    static func xor(_ bytes: [UInt8], _ others: [UInt8]) -> [UInt8] {
        precondition(bytes.count == others.count, "XOR of arrays of two lengths")
        return [UInt8](unsafeUninitializedCapacity: bytes.count) { buffer, initialized in
            bytes.withUnsafeBufferPointer { first in
                others.withUnsafeBufferPointer { second in
                    for index in first.indices { buffer[index] = first[index] ^ second[index] }
                }
            }
            initialized = bytes.count
        }
    }
}
