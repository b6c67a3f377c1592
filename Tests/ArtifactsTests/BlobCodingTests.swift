// The choice of a coding, and what it saves.

import Foundation
import Testing

@testable import Artifacts

@Suite struct BlobCodingTests {
    @Test("float32 weights are bit-shuffled and save at least a tenth")
    func weights() throws {
        var random = WordStream(state: 1)
        let bytes = random.weights(1 << 16)
        let coding = try BlobCoding.best(forFirstChunk: bytes, elementSize: 4)
        #expect(coding == BlobCoding(filter: .bitshuffle, codec: .lz4))
        let stored = try coding.encode(bytes)
        #expect(Double(stored.count) < 0.9 * Double(bytes.count))
        #expect(try coding.decode(stored, count: bytes.count) == bytes)
        #expect(try BlobCoding(filter: .none, codec: .lz4).encode(bytes).count > bytes.count)
    }

    @Test("text is compressed without the filter, noise is left alone")
    func others() throws {
        let text = Array(String(repeating: "{\"kernel\":3}", count: 100).utf8)
        #expect(
            try BlobCoding.best(forFirstChunk: text, elementSize: 1)
                == BlobCoding(filter: .none, codec: .lz4))
        var random = WordStream(state: 2)
        let noise = random.bytes(5000)
        #expect(
            try BlobCoding.best(forFirstChunk: noise, elementSize: 4)
                == BlobCoding(filter: .none, codec: .none))
        #expect(try BlobCoding.best(forFirstChunk: [], elementSize: 4).codec == .none)
    }

    @Test(
        "a size that is no multiple of an element comes back whole",
        arguments: [1, 5, 130, 8195, 9001])
    func tails(count: Int) throws {
        var random = WordStream(state: 3)
        let bytes = random.bytes(count)
        let coding = BlobCoding(filter: .bitshuffle, codec: .lz4)
        #expect(try coding.decode(coding.encode(bytes), count: count) == bytes)
    }

    @Test("the trailer says how to decode the stream without the database")
    func trailer() throws {
        let digest = Digest.of([1])
        let frame = try #require(
            try BlobCoding(filter: .bitshuffle, codec: .lz4).trailer(digest: digest))
        let payload = try #require(LZ4Frame.skippablePayload(frame))
        let trailer = try JSONDecoder().decode(BlobCoding.Trailer.self, from: Data(payload))
        #expect(
            trailer
                == .init(
                    filter: .bitshuffle, typesize: 4, dtype: "uint32", sha256: digest, parent: nil))
        #expect(try BlobCoding(filter: .none, codec: .none).trailer(digest: digest) == nil)
    }
}
