// Digests against published vectors.

import Artifacts
import Foundation
import Testing

@Suite struct DigestTests {
    @Test("SHA-256 of nothing and of abc are those of FIPS 180-4")
    func vectors() {
        #expect(
            Digest.of([]).hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(
            Digest.of(Array("abc".utf8)).hex
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test("bytes in pieces have the digest of the whole")
    func pieces() {
        var stream = DigestStream()
        stream.update(Array("a".utf8))
        stream.update([])
        stream.update(Array("bc".utf8))
        #expect(stream.digest() == Digest.of(Array("abc".utf8)))
    }

    @Test("a digest survives hexadecimal and JSON, capital digits too")
    func roundTrip() throws {
        let digest = Digest.of([1, 2, 3])
        #expect(try Digest(hex: digest.hex.uppercased()) == digest)
        #expect(try Digest(bytes: digest.bytes) == digest)
        let json = try JSONEncoder().encode([digest])
        #expect(try JSONDecoder().decode([Digest].self, from: json) == [digest])
    }

    @Test(
        "what is no digest is an error",
        arguments: [
            "", "abc", String(repeating: "g", count: 64), String(repeating: "0", count: 65),
        ])
    func bad(text: String) {
        #expect(throws: ArtifactsError.self) { try Digest(hex: text) }
    }
}
