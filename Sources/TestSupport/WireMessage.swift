// WireMessage: cuts PostgreSQL's stream of bytes into its messages
// (https://www.postgresql.org/docs/15/protocol-message-formats.html). Without TLS.

/// One message of the protocol, complete.
public struct WireMessage: Sendable, Equatable {
    /// Its type as the protocol writes it; `^` for the untyped first message of a client.
    public let type: Character
    /// All its bytes, type and length included.
    let bytes: [UInt8]

    /// Whether it asks for encryption, which one byte without a length answers.
    var wantsEncryption: Bool {
        guard type == "^", bytes.count == 8 else { return false }
        // 80877103 asks for TLS, 80877104 for GSSAPI.
        let code = WireReader.integer(bytes, at: 4)
        return code == 80_877_103 || code == 80_877_104
    }
}

/// Collects bytes of one direction until they are messages.
struct WireReader {
    private var buffer: [UInt8] = []
    private var isUntyped: Bool

    /// Makes a reader of what a client or a server says.
    init(ofClient: Bool) { isUntyped = ofClient }

    /// Takes bytes and returns the messages that are complete; `bareBytes` says how many answers
    /// to wishes for encryption are due, and is lowered.
    mutating func take(_ bytes: ArraySlice<UInt8>, bareBytes: inout Int) -> [WireMessage] {
        buffer += bytes
        var start = 0
        var messages: [WireMessage] = []
        while let end = end(of: start, bareBytes: bareBytes) {
            let bytes = Array(buffer[start..<end])
            if !isUntyped, bareBytes > 0 { bareBytes -= 1 }
            let type = isUntyped ? "^" : Character(Unicode.Scalar(bytes[0]))
            let message = WireMessage(type: type, bytes: bytes)
            // After a wish for encryption the first message still has to come.
            if isUntyped { isUntyped = message.wantsEncryption }
            messages.append(message)
            start = end
        }
        buffer.removeFirst(start)
        return messages
    }

    /// Where the message that begins at `start` ends; nil when it is not complete.
    private func end(of start: Int, bareBytes: Int) -> Int? {
        if !isUntyped, bareBytes > 0 { return start < buffer.count ? start + 1 : nil }
        let lengthAt = start + (isUntyped ? 0 : 1)
        guard buffer.count >= lengthAt + 4 else { return nil }
        let end = lengthAt + max(4, Self.integer(buffer, at: lengthAt))
        return end <= buffer.count ? end : nil
    }

    /// The four bytes at an offset as a number.
    static func integer(_ bytes: [UInt8], at offset: Int) -> Int {
        bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
    }
}
