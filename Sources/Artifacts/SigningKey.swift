// Ed25519 signatures (RFC 8032) by libcrypto, in DSSE envelopes
// (https://github.com/secure-systems-lab/dsse/blob/master/protocol.md).

import CCrypto
import Foundation

/// A private Ed25519 key.
public struct SigningKey: ~Copyable {
    private let key: OpaquePointer
    /// The 32 bytes of the public key.
    public let publicKey: [UInt8]

    /// Reads an unencrypted private key in PEM, as `openssl genpkey -algorithm ed25519` writes it.
    /// Errors: `badInput`.
    public init(pem: [UInt8]) throws(ArtifactsError) {
        guard let memory = BIO_new(BIO_s_mem()) else {
            preconditionFailure("libcrypto has no memory")
        }
        defer { BIO_free(memory) }
        let isCopied = Int(BIO_write(memory, pem, Int32(clamping: pem.count))) == pem.count
        // Given a passphrase, libcrypto does not ask for one at the terminal.
        var passphrase: [UInt8] = [0]
        guard isCopied, let key = PEM_read_bio_PrivateKey(memory, nil, nil, &passphrase) else {
            throw Self.failure("is no unencrypted private key in PEM")
        }
        var bytes = [UInt8](repeating: 0, count: 32), count = 32
        guard EVP_PKEY_get_id(key) == EVP_PKEY_ED25519,
            EVP_PKEY_get_raw_public_key(key, &bytes, &count) == 1
        else {
            EVP_PKEY_free(key)
            throw Self.failure("is no Ed25519 key")
        }
        self.key = key
        publicKey = bytes
    }

    deinit { EVP_PKEY_free(key) }

    private static func failure(_ problem: String) -> ArtifactsError {
        ArtifactsError(
            .badInput, "the signing key \(problem)",
            remedy: "openssl genpkey -algorithm ed25519 -out key.pem makes one")
    }

    /// The identifier of the key: the SHA-256 of the public key as a SubjectPublicKeyInfo in DER
    /// (RFC 8410), in hexadecimal.
    public var id: String {
        let header: [UInt8] = [
            0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00,
        ]
        return Digest.of(header + publicKey).hex
    }

    /// Returns the 64 bytes of the signature of `bytes`.
    public func sign(_ bytes: [UInt8]) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else {
            preconditionFailure("libcrypto has no memory")
        }
        defer { EVP_MD_CTX_free(context) }
        var signature = [UInt8](repeating: 0, count: 64), count = 64
        let isSigned =
            EVP_DigestSignInit(context, nil, nil, nil, key) == 1
            && EVP_DigestSign(context, &signature, &count, bytes, bytes.count) == 1
        precondition(isSigned && count == 64, "libcrypto could not sign")
        return signature
    }

    /// Returns whether `signature` is that of `bytes` by the owner of `publicKey`.
    public static func verify(_ signature: [UInt8], of bytes: [UInt8], publicKey: [UInt8]) -> Bool {
        guard publicKey.count == 32, signature.count == 64,
            let key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, publicKey, 32)
        else { return false }
        defer { EVP_PKEY_free(key) }
        guard let context = EVP_MD_CTX_new() else {
            preconditionFailure("libcrypto has no memory")
        }
        defer { EVP_MD_CTX_free(context) }
        return EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, bytes, bytes.count) == 1
    }
}

/// A signed payload.
public struct SignedEnvelope: Codable, Sendable, Equatable {
    /// One signature.
    public struct Signature: Codable, Sendable, Equatable {
        /// The identifier of the key (`SigningKey.id`).
        public let keyid: String
        /// The signature in base64.
        public let sig: String
    }

    /// The media type of the payload.
    public let payloadType: String
    /// The payload in base64.
    public let payload: String
    /// The signatures.
    public let signatures: [Signature]

    /// Signs a payload.
    public init(_ payload: String, type: String, by key: borrowing SigningKey) {
        payloadType = type
        self.payload = Data(payload.utf8).base64EncodedString()
        let signature = key.sign(Self.signedBytes(Array(payload.utf8), type: type))
        signatures = [
            Signature(keyid: key.id, sig: Data(signature).base64EncodedString())
        ]
    }

    /// Returns the payload if one of the signatures is by the owner of `publicKey`; else nil.
    public func verified(by publicKey: [UInt8]) -> [UInt8]? {
        guard let bytes = Data(base64Encoded: payload).map(Array.init) else { return nil }
        let signed = Self.signedBytes(bytes, type: payloadType)
        return signatures.contains { one in
            Data(base64Encoded: one.sig).map {
                SigningKey.verify(Array($0), of: signed, publicKey: publicKey)
            } ?? false
        } ? bytes : nil
    }

    /// Returns the bytes that are signed: type and payload with their lengths
    /// (pre-authentication encoding).
    public static func signedBytes(_ payload: [UInt8], type: String) -> [UInt8] {
        Array("DSSEv1 \(type.utf8.count) \(type) \(payload.count) ".utf8) + payload
    }
}
