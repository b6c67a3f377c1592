// LZ4 frames against byte vectors, and against damage.

import Testing

@testable import Artifacts

@Suite struct LZ4FrameTests {
    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }

    @Test("the empty frame is that of the format")
    func empty() throws {
        let frame = try LZ4Frame.compress([])
        #expect(hex(frame) == "04224d18" + "6440a7" + "00000000" + "055dcc02")
        #expect(try LZ4Frame.decompress(frame, count: 0).isEmpty)
    }

    @Test("eight bytes are stored with size and checksum, FLG 0x6C")
    func stored() throws {
        let frame = try LZ4Frame.compress(Array("abcdefgh".utf8))
        let expected =
            "04224d18" + "6c40" + "0800000000000000" + "38" + "08000080" + "6162636465666768"
            + "00000000"
            + "bbc6b30b"
        #expect(hex(frame) == expected)
        #expect(try LZ4Frame.decompress(frame, count: 8) == Array("abcdefgh".utf8))
    }

    @Test(
        "a chunk of one mebibyte is one frame of one block and comes back",
        arguments: [false, true])
    func chunk(compressible: Bool) throws {
        var random = WordStream(state: 7)
        let bytes = compressible ? [UInt8](repeating: 5, count: 1 << 20) : random.bytes(1 << 20)
        let frame = try LZ4Frame.compress(bytes)
        #expect(frame[4] == 0x6c)
        #expect(frame.count < bytes.count + 40)
        #expect(try LZ4Frame.decompress(frame, count: bytes.count) == bytes)
    }

    @Test("a flipped bit of a frame is an error or harmless: it never gives other bytes")
    func flipped() throws {
        let bytes = Array("abcdabcdabcdabcdabcdabcdabcdabcd-efgh-0123456789".utf8)
        let frame = try LZ4Frame.compress(bytes)
        var harmless = 0
        for index in frame.indices {
            for bit in 0..<8 {
                var damaged = frame
                damaged[index] ^= 1 << UInt8(bit)
                do {
                    #expect(try LZ4Frame.decompress(damaged, count: bytes.count) == bytes)
                    harmless += 1
                } catch {
                    #expect(error.code == .corrupt)
                }
            }
        }
        // The last token's match length is not read: four bits.
        #expect(harmless == 4)
    }

    @Test(
        "a verified frame gives the same bytes without its checksums",
        arguments: [0, 1, 8, 13, 1000, 65_536, 65_537, 300_000, 1 << 20])
    func verified(count: Int) throws {
        var random = WordStream(state: UInt64(count))
        for bytes in [random.bytes(count), [UInt8](repeating: 3, count: count)] {
            let frame = try LZ4Frame.compress(bytes)
            #expect(try LZ4Frame.decompress(frame, count: count, isVerified: true) == bytes)
            #expect(throws: ArtifactsError.self) {
                try LZ4Frame.decompress(frame, count: count + 1, isVerified: true)
            }
        }
    }

    @Test("a damaged frame that counts as verified gives as many bytes as expected, or an error")
    func verifiedFlipped() throws {
        let bytes = Array("abcdabcdabcdabcdabcdabcdabcdabcd-efgh-0123456789".utf8)
        let frame = try LZ4Frame.compress(bytes)
        for index in frame.indices {
            for bit in 0..<8 {
                var damaged = frame
                damaged[index] ^= 1 << UInt8(bit)
                do throws(ArtifactsError) {
                    let back = try LZ4Frame.decompress(
                        damaged, count: bytes.count, isVerified: true)
                    #expect(back.count == bytes.count)
                } catch {
                    #expect(error.code == .corrupt)
                }
            }
        }
    }

    @Test("a frame cut short, with bytes after it, or of another size is an error")
    func sizes() throws {
        let bytes = Array("hello hello hello hello hello".utf8)
        let frame = try LZ4Frame.compress(bytes)
        for count in 0..<frame.count {
            #expect(throws: ArtifactsError.self) {
                try LZ4Frame.decompress(Array(frame.prefix(count)), count: bytes.count)
            }
        }
        #expect(throws: ArtifactsError.self) {
            try LZ4Frame.decompress(frame + [0], count: bytes.count)
        }
        #expect(throws: ArtifactsError.self) {
            try LZ4Frame.decompress(frame, count: bytes.count - 1)
        }
        #expect(throws: ArtifactsError.self) {
            try LZ4Frame.decompress(frame, count: bytes.count + 1)
        }
    }

    @Test("a skippable frame gives its payload back, anything else gives none")
    func skippable() {
        let frame = LZ4Frame.skippable([1, 2, 3])
        #expect(hex(frame) == "502a4d18" + "03000000" + "010203")
        #expect(LZ4Frame.skippablePayload(frame) == [1, 2, 3])
        #expect(LZ4Frame.skippablePayload(frame + [0]) == nil)
        #expect(LZ4Frame.skippablePayload([1, 2]) == nil)
    }
}
