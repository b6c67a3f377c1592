// PyTorch checkpoints in both forms, and that nothing in one is ever run.
import Foundation
import TestSupport
import Testing

@testable import Interchange

@Suite struct TorchCheckpointTests {
    /// Opcodes of protocol 2, as Python writes them.
    private func text(_ value: String) -> [UInt8] {
        [UInt8(ascii: "X")] + little(value.utf8.count, 4) + Array(value.utf8)
    }

    private func little(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    private func global(_ module: String, _ name: String) -> [UInt8] {
        [UInt8(ascii: "c")] + Array("\(module)\n\(name)\n".utf8)
    }

    private func int(_ value: Int) -> [UInt8] { [UInt8(ascii: "J")] + little(value, 4) }

    private func tuple(_ items: [[UInt8]]) -> [UInt8] {
        [UInt8(ascii: "(")] + items.flatMap { $0 } + [UInt8(ascii: "t")]
    }

    /// A tensor of a storage of floats named "k".
    private func tensor(
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
    private func pickle(_ value: [UInt8]) -> [UInt8] {
        [0x80, 2, UInt8(ascii: "}")] + text("w") + value + [UInt8(ascii: "s"), UInt8(ascii: ".")]
    }

    private let numbers = [UInt8](
        (0..<6).flatMap { place in
            (0..<4).map { UInt8(truncatingIfNeeded: Float(place).bitPattern >> (8 * $0)) }
        })

    private func legacy(_ list: [UInt8], numbers: [UInt8]? = nil) -> [UInt8] {
        let magic: [UInt8] =
            [0x80, 2, 0x8A, 10] + TorchCheckpoint.legacyMagic + [UInt8(ascii: ".")]
        let version: [UInt8] = [0x80, 2, UInt8(ascii: "M")] + little(1001, 2) + [UInt8(ascii: ".")]
        let system =
            [0x80, 2, UInt8(ascii: "}")] + text("little_endian")
            + [0x88, UInt8(ascii: "s"), UInt8(ascii: ".")]
        let keys =
            [0x80, 2, UInt8(ascii: "]")] + text("k") + [UInt8(ascii: "a"), UInt8(ascii: ".")]
        return magic + version + system + list + keys + little(6, 8) + (numbers ?? self.numbers)
    }

    /// An archive with entries stored plainly.
    private func archive(_ entries: [(String, [UInt8])], method: Int = 0) -> [UInt8] {
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

    private func zip(_ list: [UInt8]) -> [UInt8] {
        archive([
            ("m/data.pkl", list), ("m/byteorder", Array("little".utf8)), ("m/data/k", numbers),
        ])
    }

    @Test("both forms give the same tensors, strides followed")
    func forms() throws {
        let list = pickle(tensor(shape: [3, 2], strides: [1, 3]))
        for bytes in [legacy(list), zip(list)] {
            #expect(TorchCheckpoint.isCheckpoint(bytes))
            let file = try TorchCheckpoint.decode(bytes: bytes)
            #expect(
                file.tensors == ["w": .init(shape: [3, 2], values: [0, 3, 1, 4, 2, 5])])
        }
        let part = pickle(tensor(shape: [2], strides: [2], offset: 1))
        #expect(try TorchCheckpoint.decode(bytes: zip(part)).tensors["w"]?.values == [1, 3])
    }

    @Test("dictionaries within dictionaries give names with dots; integers are kept apart")
    func nested() throws {
        let inner =
            [UInt8(ascii: "}")] + text("b")
            + tensor(shape: [3], strides: [1], count: 3, type: "LongStorage") + [UInt8(ascii: "s")]
        let file = try TorchCheckpoint.decode(bytes: zip(pickle(inner)))
        #expect(file.tensors.isEmpty)
        #expect(file.integers["w.b"]?.shape == [3])
    }

    @Test("halves are exact")
    func halves() {
        for (bits, value) in [
            (0x3C00, 1), (0xC000, -2), (0x3555, 0.333_251_953_125), (0x0001, 0x1p-24), (0, 0),
            (0x7BFF, 65504), (0x7C00, Float.infinity),
        ] as [(UInt16, Float)] {
            #expect(HalfPrecision.float16(bits) == value)
        }
        #expect(HalfPrecision.float16(0x7E00).isNaN)
    }

    @Test(
        "a checkpoint of nothing but calls is refused by the first one's name, and nothing runs",
        arguments: [
            ("posix", "system"), ("builtins", "eval"), ("torch", "load"), ("os", "remove"),
            ("collections", "OrderedDict.clear"), ("torch.nn.modules.linear", "Linear"),
        ])
    func refused(module: String, name: String) {
        let call = global(module, name) + tuple([text("touch /tmp/pwned")]) + [UInt8(ascii: "R")]
        for bytes in [zip(pickle(call)), legacy(pickle(call))] {
            let error = #expect(throws: InterchangeError.self) {
                try TorchCheckpoint.decode(bytes: bytes)
            }
            #expect(error?.code == .unsupported)
            #expect(error?.message.contains("\(module).\(name)") == true)
        }
    }

    @Test(
        "opcodes that make or find objects are refused",
        arguments: ["i", "o", "P", "R", "\u{81}", "\u{92}", "\u{82}", "I", "S", "V", "2", "b"])
    func opcodes(opcode: String) throws {
        let byte = UInt8(truncatingIfNeeded: try #require(opcode.unicodeScalars.first).value)
        #expect(throws: InterchangeError.self) {
            try TorchCheckpoint.decode(bytes: zip(pickle(text("a") + [byte])))
        }
    }

    @Test("a tensor outside of its array, or larger than it, is refused")
    func bounds() {
        for tensor in [
            tensor(shape: [7], strides: [1]), tensor(shape: [3], strides: [1], offset: 4),
            tensor(shape: [1 << 30], strides: [0]), tensor(shape: [2, 3], strides: [1]),
            tensor(shape: [-1], strides: [1]), tensor(shape: [2], strides: [-1], offset: 1),
            tensor(shape: [3], strides: [1], count: 60),
            tensor(shape: [1], strides: [1], offset: -1),
        ] {
            #expect(throws: InterchangeError.self) {
                try TorchCheckpoint.decode(bytes: zip(pickle(tensor)))
            }
        }
    }

    @Test("files cut short anywhere are errors, never crashes")
    func truncated() {
        let list = pickle(tensor(shape: [6], strides: [1]))
        for bytes in [legacy(list), zip(list)] {
            for count in 0..<bytes.count {
                #expect(throws: InterchangeError.self) {
                    try TorchCheckpoint.decode(bytes: Array(bytes[..<count]))
                }
            }
        }
    }

    @Test("changed bytes never crash, and nesting has no end to reach")
    func damaged() {
        let list = pickle(tensor(shape: [6], strides: [1]))
        for bytes in [legacy(list), zip(list)] {
            for place in bytes.indices {
                for value in [0, 0x28, 0x52, 0x7F, 0xFF] as [UInt8] {
                    var changed = bytes
                    changed[place] = value
                    do {
                        _ = try TorchCheckpoint.decode(bytes: changed)
                    } catch {
                        #expect(error is InterchangeError)
                    }
                }
            }
        }
        let deep = [UInt8](repeating: 0x85, count: 1_000_000)
        #expect(throws: Never.self) {
            try TorchCheckpoint.decode(bytes: zip(pickle(int(1) + deep)))
        }
    }

    @Test("compressed entries and an entry twice are refused")
    func archives() {
        let list = pickle(tensor(shape: [6], strides: [1]))
        let compressed = archive([("m/data.pkl", list), ("m/data/k", numbers)], method: 8)
        let twice = archive([("m/data.pkl", list), ("m/data.pkl", list), ("m/data/k", numbers)])
        for bytes in [compressed, twice, archive([("m/other", list)])] {
            #expect(throws: InterchangeError.self) { try TorchCheckpoint.decode(bytes: bytes) }
        }
    }

    @Test(
        "the published predictor's tensors are read",
        .enabled(
            if: SharedFolders.published("acc_predictor.pth") != nil,
            "\(SharedFolders.publishedHint)"))
    func published() throws {
        let file = try #require(SharedFolders.published("acc_predictor.pth"))
        let tensors = try TorchCheckpoint.decode(bytes: [UInt8](try Data(contentsOf: file))).tensors
        #expect(
            tensors.mapValues(\.shape) == [
                "0.weight": [400, 128], "0.bias": [400], "2.weight": [400, 400], "2.bias": [400],
                "4.weight": [400, 400], "4.bias": [400], "6.weight": [1, 400], "6.bias": [1],
            ])
    }

    /// A dictionary of these entries, every key a text.
    private func table(_ entries: [(String, [UInt8])]) -> [UInt8] {
        [0x80, 2, UInt8(ascii: "}")]
            + entries.flatMap { text($0.0) + $0.1 + [UInt8(ascii: "s")] } + [UInt8(ascii: ".")]
    }

    @Test("objects beside tensors are passed over: the tensors are read, and nothing runs")
    func objects() throws {
        let one = tensor(shape: [6], strides: [1])
        let namespace =
            global("argparse", "Namespace") + [UInt8(ascii: ")"), 0x81, UInt8(ascii: "}")]
            + text("lr") + int(1) + [UInt8(ascii: "s"), UInt8(ascii: "b")]
        let scalar =
            global("numpy.core.multiarray", "scalar")
            + tuple([
                global("numpy", "dtype") + tuple([text("f8"), int(0), int(1)]) + [
                    UInt8(ascii: "R")
                ],
                [UInt8(ascii: "C"), 2, 0xFF, 0xFE],
            ]) + [UInt8(ascii: "R")]
        let size = global("torch", "Size") + tuple([tuple([int(1)])]) + [UInt8(ascii: "R")]
        let set = [0x8F, UInt8(ascii: "(")] + int(1) + [0x90] as [UInt8]
        let call =
            global("posix", "system") + tuple([text("touch /tmp/pwned")]) + [UInt8(ascii: "R")]
        // A subclass of OrderedDict, and one as Python 2 wrote it, hold tensors.
        let subclass =
            global("mine", "Table") + [UInt8(ascii: ")"), UInt8(ascii: "R"), UInt8(ascii: "(")]
            + text("in") + one + [UInt8(ascii: "u")]
        let pairs =
            global("collections", "OrderedDict")
            + tuple([
                [UInt8(ascii: "]")] + [UInt8(ascii: "]")] + text("old") + [UInt8(ascii: "a")] + one
                    + [UInt8(ascii: "a"), UInt8(ascii: "a")]
            ]) + [UInt8(ascii: "R")]
        let list = table([
            ("args", namespace), ("best", scalar), ("size", size), ("set", set), ("call", call),
            ("dtype", global("torch", "float32")), ("sub", subclass), ("py2", pairs), ("w", one),
        ])
        for bytes in [zip(list), legacy(list)] {
            let file = try TorchCheckpoint.decode(bytes: bytes)
            #expect(file.tensors.keys.sorted() == ["py2.old", "sub.in", "w"])
            #expect(file.tensors["sub.in"]?.values == [0, 1, 2, 3, 4, 5])
        }
        #expect(!FileManager.default.fileExists(atPath: "/tmp/pwned"))
    }

    @Test("tensors of a kind that is not read, and a name twice, are errors, not left out")
    func unread() {
        func message(_ list: [UInt8]) -> String {
            #expect(throws: InterchangeError.self) {
                try TorchCheckpoint.decode(bytes: zip(list))
            }?.message ?? ""
        }
        let one = tensor(shape: [6], strides: [1])
        let sparse =
            global("torch._utils", "_rebuild_sparse_tensor") + tuple([int(1)]) + [UInt8(ascii: "R")]
        #expect(message(table([("w", one), ("s", sparse)])).contains("_rebuild_sparse_tensor"))
        #expect(message(table([("w", one), ("w", one)])).contains("tensor w twice"))
        let complex = tensor(shape: [6], strides: [1], type: "ComplexFloatStorage")
        #expect(message(table([("c", complex)])).contains("tensor c holds ComplexFloatStorage"))
    }

    @Test("sizes that overflow, arrays that overlap and tensors repeated without end are refused")
    func hostile() {
        // 2^62 floats are 0 bytes where the product wraps around.
        let huge: [UInt8] = [0x8A, 8, 0, 0, 0, 0, 0, 0, 0, 0x40]
        let far: [UInt8] = [0x8A, 6, 0, 0, 0, 0, 0, 1]
        let storage =
            tuple([text("storage"), global("torch", "FloatStorage"), text("k"), text("cpu"), huge])
            + [UInt8(ascii: "Q")]
        let wrapped =
            global("torch._utils", "_rebuild_tensor_v2")
            + tuple([storage, far, tuple([int(1)]), tuple([int(1)]), [0x89]]) + [UInt8(ascii: "R")]
        let many = (0..<200).map { ("w\($0)", tensor(shape: [6], strides: [1])) }
        // The same tensor by memo: a few bytes a name.
        let memo =
            text("a") + tensor(shape: [6], strides: [1]) + [
                UInt8(ascii: "q"), 0, UInt8(ascii: "s"),
            ]
            + (0..<2000).flatMap {
                text("b\($0)") + [UInt8(ascii: "h"), 0, UInt8(ascii: "s")]
            }
        let repeated = [0x80, 2, UInt8(ascii: "}")] + memo + [UInt8(ascii: ".")]
        #expect(throws: InterchangeError.self) {
            try TorchCheckpoint.decode(bytes: zip(pickle(wrapped)))
        }
        #expect(throws: Never.self) { try TorchCheckpoint.decode(bytes: zip(table(many))) }
        #expect(throws: Never.self) { try TorchCheckpoint.decode(bytes: zip(repeated)) }
        var overlapping = zip(pickle(tensor(shape: [6], strides: [1])))
        // The directory's entry of data/k points at the pickle's place.
        let entry = overlapping.indices.last {
            overlapping[$0...].starts(with: [0x50, 0x4B, 1, 2])
        }
        let place = (entry ?? 0) + 42
        overlapping.replaceSubrange(place..<place + 4, with: [0, 0, 0, 0])
        #expect(throws: InterchangeError.self) { try TorchCheckpoint.decode(bytes: overlapping) }
    }

    @Test("a list of a hundred thousand appends takes time in proportion")
    func appends() throws {
        let items = Array(repeating: [UInt8(ascii: "N"), UInt8(ascii: "a")], count: 100_000)
        let list = table([
            ("w", tensor(shape: [6], strides: [1])), ("l", [UInt8(ascii: "]")] + items.joined()),
        ])
        #expect(try TorchCheckpoint.decode(bytes: zip(list)).tensors.count == 1)
    }
}
