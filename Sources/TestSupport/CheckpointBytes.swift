// PyTorch checkpoints made byte by byte, sound ones and others.

/// Makes pickles and the files around them.
public struct CheckpointBytes: Sendable {
    /// The magic number at the start of older files, little endian.
    private static let legacyMagic: [UInt8] = [
        0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
    ]

    /// Makes bytes of protocol 2, as Python writes them.
    public init() {}

    /// The opcode of a text.
    public func text(_ value: String) -> [UInt8] {
        [UInt8(ascii: "X")] + little(value.utf8.count, 4) + Array(value.utf8)
    }

    /// An integer of `count` bytes, little endian.
    public func little(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    /// The opcode of a function or type.
    public func global(_ module: String, _ name: String) -> [UInt8] {
        [UInt8(ascii: "c")] + Array("\(module)\n\(name)\n".utf8)
    }

    /// The opcode of an integer of 32 bits.
    public func int(_ value: Int) -> [UInt8] { [UInt8(ascii: "J")] + little(value, 4) }

    /// The opcodes of a tuple.
    public func tuple(_ items: [[UInt8]]) -> [UInt8] {
        [UInt8(ascii: "(")] + items.flatMap { $0 } + [UInt8(ascii: "t")]
    }

    /// A tensor of a storage of floats named "k".
    public func tensor(
        shape: [Int], strides: [Int], offset: Int = 0, count: Int = 6, type: String = "FloatStorage"
    ) -> [UInt8] {
        let storage =
            tuple([text("storage"), global("torch", type), text("k"), text("cpu"), int(count)])
            + [UInt8(ascii: "Q")]
        let hooks = global("collections", "OrderedDict") + [UInt8(ascii: ")"), UInt8(ascii: "R")]
        return global("torch._utils", "_rebuild_tensor_v2")
            + tuple([
                storage, int(offset), tuple(shape.map(int)), tuple(strides.map(int)), [0x89], hooks,
            ]) + [UInt8(ascii: "R")]
    }

    /// A dictionary of one entry named "w".
    public func pickle(_ value: [UInt8]) -> [UInt8] {
        [0x80, 2, UInt8(ascii: "}")] + text("w") + value + [UInt8(ascii: "s"), UInt8(ascii: ".")]
    }

    /// The numbers 0 to 5, as 32-bit floats.
    public let numbers = [UInt8](
        (0..<6).flatMap { place in
            (0..<4).map { UInt8(truncatingIfNeeded: Float(place).bitPattern >> (8 * $0)) }
        })

    /// A file of the form before PyTorch 1.6, whose array holds `count` numbers.
    public func legacy(_ list: [UInt8], numbers: [UInt8]? = nil, count: Int = 6) -> [UInt8] {
        let magic: [UInt8] =
            [0x80, 2, 0x8A, 10] + Self.legacyMagic + [UInt8(ascii: ".")]
        let version: [UInt8] = [0x80, 2, UInt8(ascii: "M")] + little(1001, 2) + [UInt8(ascii: ".")]
        let system =
            [0x80, 2, UInt8(ascii: "}")] + text("little_endian")
            + [0x88, UInt8(ascii: "s"), UInt8(ascii: ".")]
        let keys =
            [0x80, 2, UInt8(ascii: "]")] + text("k") + [UInt8(ascii: "a"), UInt8(ascii: ".")]
        return magic + version + system + list + keys + little(count, 8) + (numbers ?? self.numbers)
    }

    /// An archive with entries stored plainly.
    public func archive(_ entries: [(String, [UInt8])], method: Int = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        var directory: [UInt8] = []
        for (name, content) in entries {
            let sizes = little(0, 4) + little(content.count, 4) + little(content.count, 4)
            directory +=
                [0x50, 0x4B, 1, 2] + little(0, 4) + little(0, 2) + little(method, 2) + little(0, 4)
                + sizes + little(name.utf8.count, 2) + little(0, 12) + little(bytes.count, 4)
                + Array(name.utf8)
            bytes +=
                [0x50, 0x4B, 3, 4] + little(0, 4) + little(method, 2) + little(0, 4) + sizes
                + little(name.utf8.count, 2) + little(0, 2) + Array(name.utf8) + content
        }
        let end =
            [0x50, 0x4B, 5, 6] + little(0, 4) + little(entries.count, 2) + little(entries.count, 2)
            + little(directory.count, 4) + little(bytes.count, 4) + little(0, 2)
        return bytes + directory + end
    }

    /// A file of today's form: an archive around the pickle `list`.
    public func zip(_ list: [UInt8]) -> [UInt8] {
        archive([
            ("m/data.pkl", list), ("m/byteorder", Array("little".utf8)), ("m/data/k", numbers),
        ])
    }

    /// A dictionary of these entries, every key a text.
    public func table(_ entries: [(String, [UInt8])]) -> [UInt8] {
        var bytes: [UInt8] = [0x80, 2, UInt8(ascii: "}")]
        for (key, value) in entries {
            bytes += text(key)
            bytes += value
            bytes.append(UInt8(ascii: "s"))
        }
        bytes.append(UInt8(ascii: "."))
        return bytes
    }
}
