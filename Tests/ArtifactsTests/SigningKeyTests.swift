// Signatures: a published test vector, other tools' verification, and refused keys.

import Foundation
import Testing

@testable import Artifacts

@Suite struct SigningKeyTests {
    @Test("the key of RFC 8032's test 3 is read, and its signature is the published one")
    func vector() throws {
        let key = try SigningKey(pem: Array(Self.pem.utf8))
        let publicKey = key.publicKey
        let hex = publicKey.map { String(format: "%02x", $0) }.joined()
        #expect(hex == "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
        let signature = key.sign([0xAF, 0x82])
        #expect(
            signature.map { String(format: "%02x", $0) }.joined()
                == "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                + "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a")
        #expect(SigningKey.verify(signature, of: [0xAF, 0x82], publicKey: publicKey))
        #expect(!SigningKey.verify(signature, of: [0xAF, 0x83], publicKey: publicKey))
    }

    /// The private key of test 3 of RFC 8032, section 7.1, in PEM.
    private static var pem: String {
        let seed = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
        let header: [UInt8] = [
            0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ]
        let bytes = stride(from: 0, to: 64, by: 2).map { place in
            UInt8(seed.dropFirst(place).prefix(2), radix: 16) ?? 0
        }
        return "-----BEGIN PRIVATE KEY-----\n"
            + Data(header + bytes).base64EncodedString() + "\n-----END PRIVATE KEY-----\n"
    }

    @Test("an envelope is verified by its key only, and by openssl too")
    func envelope() throws {
        let key = try SigningKey(pem: Array(Self.pem.utf8))
        let type = "application/vnd.in-toto+json"
        let envelope = SignedEnvelope(#"{"a":1}"#, type: type, by: key)
        let publicKey = key.publicKey
        #expect(envelope.verified(by: publicKey) == Array(#"{"a":1}"#.utf8))
        #expect(envelope.verified(by: [UInt8](repeating: 7, count: 32)) == nil)
        let text = String(decoding: try JSONEncoder().encode(envelope), as: UTF8.self)
        let changed = text.replacing(
            envelope.payload, with: Data(#"{"a":2}"#.utf8).base64EncodedString())
        let other = try JSONDecoder().decode(SignedEnvelope.self, from: Data(changed.utf8))
        #expect(other.verified(by: publicKey) == nil)

        let folder = FileManager.default.temporaryDirectory.appending(path: "ofa-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: folder) } }
        let signed = SignedEnvelope.signedBytes(Array(#"{"a":1}"#.utf8), type: type)
        #expect(
            String(decoding: signed, as: UTF8.self)
                == #"DSSEv1 28 application/vnd.in-toto+json 7 {"a":1}"#)
        try Data(signed).write(to: folder.appending(path: "signed"))
        try #require(Data(base64Encoded: envelope.signatures[0].sig))
            .write(to: folder.appending(path: "sig"))
        try Data(Self.pem.utf8).write(to: folder.appending(path: "key.pem"))
        let openssl = Process()
        openssl.executableURL = URL(filePath: "/usr/bin/env")
        openssl.arguments = [
            "openssl", "pkeyutl", "-verify", "-rawin", "-inkey", "key.pem", "-in", "signed",
            "-sigfile", "sig",
        ]
        openssl.currentDirectoryURL = folder
        let output = Pipe()
        openssl.standardOutput = output
        openssl.standardError = output
        do { try openssl.run() } catch {
            print("openssl is not here: its verification is skipped")
            return
        }
        let said = String(
            decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        openssl.waitUntilExit()
        if openssl.terminationStatus == 127 {
            print("openssl is not here: its verification is skipped")
            return
        }
        #expect(openssl.terminationStatus == 0, "\(said)")
    }

    @Test("what is no unencrypted Ed25519 key in PEM is refused", arguments: ["", "x", "X25519"])
    func refused(text: String) throws {
        // An X25519 key has the form of an Ed25519 key, with another identifier.
        let other = Self.pem.replacing("MC4CAQAwBQYDK2VwBC", with: "MC4CAQAwBQYDK2VuBC")
        let error = #expect(throws: ArtifactsError.self) {
            _ = try SigningKey(pem: Array((text == "X25519" ? other : text).utf8))
        }
        #expect(error?.code == .badInput && error?.remedy?.contains("genpkey") == true)
    }
}
