// The SHA-256 digest of the decoded bytes of a blob. The digest does not depend on how the blob is
// stored.

import CCrypto

/// A SHA-256 digest.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
    /// The 32 bytes.
    public let bytes: [UInt8]

    /// Makes a digest from its 32 bytes. Errors: `badInput` for any other number of bytes.
    public init(bytes: [UInt8]) throws(ArtifactsError) {
        guard bytes.count == 32 else {
            throw ArtifactsError(.badInput, "a digest has 32 bytes, these are \(bytes.count)")
        }
        self.bytes = bytes
    }

    /// Makes a digest from its 64 hexadecimal digits, upper or lower case. Errors: `badInput`.
    public init(hex: String) throws(ArtifactsError) {
        let digits = Array(hex.utf8).compactMap { Self.value(ofDigit: $0) }
        guard digits.count == 64, hex.utf8.count == 64 else {
            throw ArtifactsError(
                .badInput, "'\(hex.prefix(80))' is no digest", remedy: "give 64 hexadecimal digits")
        }
        bytes = stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// Returns the digest of `bytes`.
    public static func of(_ bytes: [UInt8]) -> Digest {
        var stream = DigestStream()
        stream.update(bytes)
        return stream.digest()
    }

    fileprivate init(trusted bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The digest as 64 lower-case hexadecimal digits.
    public var hex: String {
        var text = [UInt8]()
        text.reserveCapacity(64)
        for byte in bytes {
            text.append(Self.digits[Int(byte >> 4)])
            text.append(Self.digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The first twelve digits, for people.
    public var short: String { String(hex.prefix(12)) }

    /// The digest as 64 lower-case hexadecimal digits.
    public var description: String { hex }

    private static let digits = Array("0123456789abcdef".utf8)

    private static func value(ofDigit digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension Digest: Codable {
    /// Reads the digest from its hexadecimal digits.
    public init(from decoder: any Decoder) throws {
        self = try Digest(hex: decoder.singleValueContainer().decode(String.self))
    }

    /// Writes the digest as its hexadecimal digits.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }
}

/// Incremental SHA-256 by libcrypto, which uses the processor's SHA instructions if there are any.
public struct DigestStream: ~Copyable {
    private let context: OpaquePointer

    /// Starts with no bytes.
    public init() {
        let context = EVP_MD_CTX_new()
        guard let context, EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            preconditionFailure("libcrypto offers no SHA-256")
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Adds `bytes` to the stream.
    public mutating func update(_ bytes: [UInt8]) {
        let isAdded = EVP_DigestUpdate(context, bytes, bytes.count) == 1
        precondition(isAdded, "libcrypto could not add to a digest")
    }

    /// Finishes the stream and returns the digest of all added bytes.
    public consuming func digest() -> Digest {
        var bytes = [UInt8](repeating: 0, count: 32)
        let isMade = EVP_DigestFinal_ex(context, &bytes, nil) == 1
        precondition(isMade, "libcrypto could not end a digest")
        return Digest(trusted: bytes)
    }
}
