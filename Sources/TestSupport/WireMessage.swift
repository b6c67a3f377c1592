// WireMessage: splits PostgreSQL's byte stream into messages
// (https://www.postgresql.org/docs/15/protocol-message-formats.html). It does not support TLS.

/// One complete message of the protocol.
public struct WireMessage: Sendable, Equatable {
    /// The type byte; `^` for the untyped first message of a client.
    public let type: Character
    /// All bytes, including type and length.
    let bytes: [UInt8]

    /// Whether the message requests encryption, which the server answers by one byte without a
    /// length.
    var wantsEncryption: Bool {
        guard type == "^", bytes.count == 8 else { return false }
        // 80877103 asks for TLS, 80877104 for GSSAPI.
        let code = WireReader.integer(bytes, at: 4)
        return code == 80_877_103 || code == 80_877_104
    }
}

/// Assembles messages from the bytes of one direction.
struct WireReader {
    private var buffer: [UInt8] = []
    private var isUntyped: Bool

    /// Starts a reader; only a client's first message is untyped.
    init(ofClient: Bool) { isUntyped = ofClient }

    /// Adds bytes and returns the complete messages. `bareBytes` is the number of expected answers to encryption
    /// requests. Each answer is a single byte; its arrival decrements `bareBytes`.
    mutating func take(_ bytes: ArraySlice<UInt8>, bareBytes: inout Int) -> [WireMessage] {
        buffer += bytes
        var start = 0
        var messages: [WireMessage] = []
        while let end = end(of: start, bareBytes: bareBytes) {
            let bytes = Array(buffer[start..<end])
            if !isUntyped, bareBytes > 0 { bareBytes -= 1 }
            let type = isUntyped ? "^" : Character(Unicode.Scalar(bytes[0]))
            let message = WireMessage(type: type, bytes: bytes)
            // After an encryption request, the client's untyped startup message is still to come.
            if isUntyped { isUntyped = message.wantsEncryption }
            messages.append(message)
            start = end
        }
        buffer.removeFirst(start)
        return messages
    }

    /// Returns the index after the message that begins at `start`; nil if the message is incomplete.
    private func end(of start: Int, bareBytes: Int) -> Int? {
        if !isUntyped, bareBytes > 0 { return start < buffer.count ? start + 1 : nil }
        let lengthAt = start + (isUntyped ? 0 : 1)
        guard buffer.count >= lengthAt + 4 else { return nil }
        let end = lengthAt + max(4, Self.integer(buffer, at: lengthAt))
        return end <= buffer.count ? end : nil
    }

    /// Returns the four bytes at an offset as a number.
    static func integer(_ bytes: [UInt8], at offset: Int) -> Int {
        bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
    }
}
