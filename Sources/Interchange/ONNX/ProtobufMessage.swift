// The wire format of Protocol Buffers, as far as ONNX needs it: integers, floats, bytes, texts and nested messages.
// Format: https://protobuf.dev/programming-guides/encoding

/// A message of Protocol Buffers. Nested messages know their sizes, so all bytes are written once.
struct ProtobufMessage {
    private enum Value {
        case integer(UInt64)
        case float(Float)
        case bytes([UInt8])
        case floats([Float])
        case message(ProtobufMessage)
    }

    private var fields: [(number: Int, value: Value)] = []
    /// The number of bytes of the encoded message.
    private(set) var byteCount = 0

    /// Adds an integer.
    mutating func add(_ number: Int, _ value: Int) {
        add(number, .integer(UInt64(bitPattern: Int64(value))))
    }

    /// Adds a list of integers, one field each.
    mutating func add(_ number: Int, _ values: [Int]) {
        for value in values { add(number, value) }
    }

    /// Adds a float of 32 bits.
    mutating func add(_ number: Int, _ value: Float) { add(number, .float(value)) }

    /// Adds a text.
    mutating func add(_ number: Int, _ text: String) { add(number, .bytes(Array(text.utf8))) }

    /// Adds the little-endian bytes of `values` as one field of bytes.
    mutating func addBytes(_ number: Int, of values: [Float]) { add(number, .floats(values)) }

    /// Adds `bytes` as one field of bytes.
    mutating func addBytes(_ number: Int, _ bytes: [UInt8]) { add(number, .bytes(bytes)) }

    /// Adds a message.
    mutating func add(_ number: Int, _ message: ProtobufMessage) { add(number, .message(message)) }

    /// Adds the message that `body` fills.
    mutating func add(_ number: Int, _ body: (inout ProtobufMessage) -> Void) {
        var message = ProtobufMessage()
        body(&message)
        add(number, message)
    }

    /// The encoded message.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        append(to: &bytes)
        return bytes
    }

    private mutating func add(_ number: Int, _ value: Value) {
        fields.append((number, value))
        byteCount += Self.varintSize(UInt64(number) << 3)
        switch value {
        case .integer(let integer): byteCount += Self.varintSize(integer)
        case .float: byteCount += 4
        case .bytes, .floats, .message:
            let length = Self.length(of: value)
            byteCount += Self.varintSize(UInt64(length)) + length
        }
    }

    /// Returns the number of bytes of a value that is encoded with its length before it; 0 for other values.
    private static func length(of value: Value) -> Int {
        switch value {
        case .integer, .float: 0
        case .bytes(let bytes): bytes.count
        case .floats(let floats): 4 * floats.count
        case .message(let message): message.byteCount
        }
    }

    private func append(to bytes: inout [UInt8]) {
        for (number, value) in fields {
            // The wire types: 0 is a varint, 2 a length and its bytes, 5 four bytes.
            let (wireType, length): (UInt64, Int?) =
                switch value {
                case .integer: (0, nil)
                case .float: (5, nil)
                case .bytes, .floats, .message: (2, Self.length(of: value))
                }
            Self.append(UInt64(number) << 3 | wireType, to: &bytes)
            if let length { Self.append(UInt64(length), to: &bytes) }
            switch value {
            case .integer(let integer): Self.append(integer, to: &bytes)
            case .float(let float): Self.append(float, to: &bytes)
            case .bytes(let text): bytes += text
            case .floats(let floats): for float in floats { Self.append(float, to: &bytes) }
            case .message(let message): message.append(to: &bytes)
            }
        }
    }

    private static func varintSize(_ value: UInt64) -> Int {
        max(1, (70 - value.leadingZeroBitCount) / 7)
    }

    private static func append(_ varint: UInt64, to bytes: inout [UInt8]) {
        var rest = varint
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private static func append(_ float: Float, to bytes: inout [UInt8]) {
        let bits = float.bitPattern
        bytes.append(UInt8(truncatingIfNeeded: bits))
        bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
        bytes.append(UInt8(truncatingIfNeeded: bits >> 16))
        bytes.append(UInt8(truncatingIfNeeded: bits >> 24))
    }
}
