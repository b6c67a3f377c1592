// BoundValues: the values of one statement in libpq's layout.

/// Values that are ready to be sent: one buffer with all bytes, and the offset of each value in the
/// buffer.
struct BoundValues {
    private let buffer: [UInt8]
    private let offsets: [Int?]
    private let lengths: [Int32]
    private let formats: [Int32]

    /// The approximate number of bytes that are sent.
    var byteCount: Int { buffer.count }

    /// Lays out `binds`. Throws an error with SQLSTATE 22021 if a text contains NUL, which would
    /// truncate the text without notice, or 54000 if there are too many binds.
    init(_ binds: [SQLValue], statement: String) throws {
        let wires = binds.map(\.wire)
        for (index, wire) in wires.enumerated() where !wire.isBinary {
            guard wire.bytes?.dropLast().contains(0) != true else {
                throw PostgresError(
                    "bind $\(index + 1) holds a zero character, which PostgreSQL text cannot",
                    statement: statement, sqlState: "22021")
            }
        }
        guard wires.count <= 65_535 else {
            throw PostgresError(
                "\(wires.count) binds are more than a statement can have (65535)",
                remedy: "Bind arrays.", statement: statement, sqlState: "54000")
        }
        lengths = wires.map { Int32($0.bytes?.count ?? 0) }
        formats = wires.map { Int32($0.isBinary ? 1 : 0) }
        // An empty value needs an address too, so each value gets an extra byte.
        var buffer: [UInt8] = []
        buffer.reserveCapacity(wires.reduce(0) { $0 + ($1.bytes?.count ?? 0) + 1 })
        var offsets: [Int?] = []
        for wire in wires {
            offsets.append(wire.bytes.map { _ in buffer.count })
            buffer.append(contentsOf: wire.bytes ?? [])
            buffer.append(0)
        }
        self.buffer = buffer
        self.offsets = offsets
    }

    /// Calls `body` with the count, the values, the lengths and the formats, as libpq's functions
    /// take them.
    func withPointers<T>(
        _ body: (Int32, [UnsafePointer<CChar>?], [Int32], [Int32]) -> T
    ) -> T {
        buffer.withUnsafeBytes { raw in
            let base = raw.baseAddress?.assumingMemoryBound(to: CChar.self)
            let pointers: [UnsafePointer<CChar>?] = offsets.map { offset in
                offset.flatMap { base?.advanced(by: $0) }
            }
            return body(Int32(pointers.count), pointers, lengths, formats)
        }
    }
}
