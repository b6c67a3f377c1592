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

    /// Decompresses one frame of exactly `count` bytes. Errors: `corrupt` if the frame is damaged.
    public static func decompress(_ frame: [UInt8], count: Int) throws(ArtifactsError) -> [UInt8] {
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
    /// Returns the little-endian 32-bit words of `bytes`. The last one to three bytes are left out
    /// if they do not fill a word.
    static func words(_ bytes: [UInt8]) -> [UInt32] {
        let count = bytes.count / 4
        return [UInt32](unsafeUninitializedCapacity: count) { buffer, initialized in
            bytes.withUnsafeBytes { source in
                UnsafeMutableRawBufferPointer(buffer).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: source[0..<(count * 4)]))
            }
            initialized = count
        }
    }

    /// Returns the bytes of little-endian 32-bit words, followed by `tail`.
    static func bytes(_ words: [UInt32], tail: ArraySlice<UInt8>) -> [UInt8] {
        var bytes = [UInt8]()
        bytes.reserveCapacity(words.count * 4 + tail.count)
        words.withUnsafeBytes { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: tail)
        return bytes
    }
}
