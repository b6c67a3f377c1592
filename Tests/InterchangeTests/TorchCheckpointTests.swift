// PyTorch checkpoints in both forms, and that nothing in one is ever run.
import Foundation
import TestSupport
import Testing

@testable import Interchange

@Suite struct TorchCheckpointTests {
    private let made = CheckpointBytes()

    @Test("both forms give the same tensors, strides followed")
    func forms() throws {
        let list = made.pickle(made.tensor(shape: [3, 2], strides: [1, 3]))
        for bytes in [made.legacy(list), made.zip(list)] {
            #expect(TorchCheckpoint.isCheckpoint(bytes))
            let file = try TorchCheckpoint.decode(bytes: bytes)
            #expect(
                file.tensors == ["w": .init(shape: [3, 2], values: [0, 3, 1, 4, 2, 5])])
        }
        let part = made.pickle(made.tensor(shape: [2], strides: [2], offset: 1))
        #expect(try TorchCheckpoint.decode(bytes: made.zip(part)).tensors["w"]?.values == [1, 3])
    }

    @Test("dictionaries within dictionaries give names with dots; integers are kept apart")
    func nested() throws {
        let inner =
            [UInt8(ascii: "}")] + made.text("b")
            + made.tensor(shape: [3], strides: [1], count: 3, type: "LongStorage") + [
                UInt8(ascii: "s")
            ]
        let file = try TorchCheckpoint.decode(bytes: made.zip(made.pickle(inner)))
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
        let call =
            made.global(module, name) + made.tuple([made.text("touch /tmp/pwned")]) + [
                UInt8(ascii: "R")
            ]
        for bytes in [made.zip(made.pickle(call)), made.legacy(made.pickle(call))] {
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
            try TorchCheckpoint.decode(bytes: made.zip(made.pickle(made.text("a") + [byte])))
        }
    }

    @Test("a tensor outside of its array, or larger than it, is refused")
    func bounds() {
        for one in [
            made.tensor(shape: [7], strides: [1]), made.tensor(shape: [3], strides: [1], offset: 4),
            made.tensor(shape: [1 << 30], strides: [0]), made.tensor(shape: [2, 3], strides: [1]),
            made.tensor(shape: [-1], strides: [1]),
            made.tensor(shape: [2], strides: [-1], offset: 1),
            made.tensor(shape: [3], strides: [1], count: 60),
            made.tensor(shape: [1], strides: [1], offset: -1),
        ] {
            #expect(throws: InterchangeError.self) {
                try TorchCheckpoint.decode(bytes: made.zip(made.pickle(one)))
            }
        }
    }

    @Test("files cut short anywhere are errors, never crashes")
    func truncated() {
        let list = made.pickle(made.tensor(shape: [6], strides: [1]))
        for bytes in [made.legacy(list), made.zip(list)] {
            for count in 0..<bytes.count {
                #expect(throws: InterchangeError.self) {
                    try TorchCheckpoint.decode(bytes: Array(bytes[..<count]))
                }
            }
        }
    }

    @Test("changed bytes never crash, and nesting has no end to reach")
    func damaged() {
        let list = made.pickle(made.tensor(shape: [6], strides: [1]))
        for bytes in [made.legacy(list), made.zip(list)] {
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
            try TorchCheckpoint.decode(bytes: made.zip(made.pickle(made.int(1) + deep)))
        }
    }

    @Test("compressed entries and an entry twice are refused")
    func archives() {
        let list = made.pickle(made.tensor(shape: [6], strides: [1]))
        let compressed = made.archive(
            [("m/data.pkl", list), ("m/data/k", made.numbers)], method: 8)
        let twice = made.archive([
            ("m/data.pkl", list), ("m/data.pkl", list), ("m/data/k", made.numbers),
        ])
        for bytes in [compressed, twice, made.archive([("m/other", list)])] {
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

    @Test("plain numbers beside tensors are read; what else lies there is named")
    func numbers() throws {
        let list = made.table([
            ("w", made.tensor(shape: [6], strides: [1])), ("epoch", made.int(3)),
            ("base_acc", [UInt8(ascii: "G")] + (0.25).bitPattern.bytes),
            ("none", [UInt8(ascii: "N")]),
        ])
        let file = try TorchCheckpoint.decode(bytes: made.zip(list))
        #expect(file.numbers == ["epoch": 3, "base_acc": 0.25])
        #expect(file.passedOver == ["none"])
    }

    @Test("objects beside tensors are passed over: the tensors are read, and nothing runs")
    func objects() throws {
        let one = made.tensor(shape: [6], strides: [1])
        let namespace =
            made.global("argparse", "Namespace") + [UInt8(ascii: ")"), 0x81, UInt8(ascii: "}")]
            + made.text("lr") + made.int(1) + [UInt8(ascii: "s"), UInt8(ascii: "b")]
        let scalar =
            made.global("numpy.core.multiarray", "scalar")
            + made.tuple([
                made.global("numpy", "dtype")
                    + made.tuple([made.text("f8"), made.int(0), made.int(1)]) + [
                        UInt8(ascii: "R")
                    ],
                [UInt8(ascii: "C"), 2, 0xFF, 0xFE],
            ]) + [UInt8(ascii: "R")]
        let size =
            made.global("torch", "Size") + made.tuple([made.tuple([made.int(1)])]) + [
                UInt8(ascii: "R")
            ]
        let set = [0x8F, UInt8(ascii: "(")] + made.int(1) + [0x90] as [UInt8]
        let call =
            made.global("posix", "system") + made.tuple([made.text("touch /tmp/pwned")]) + [
                UInt8(ascii: "R")
            ]
        // A subclass of OrderedDict, and one as Python 2 wrote it, hold tensors.
        let subclass =
            made.global("mine", "Table") + [
                UInt8(ascii: ")"), UInt8(ascii: "R"), UInt8(ascii: "("),
            ]
            + made.text("in") + one + [UInt8(ascii: "u")]
        let pairs =
            made.global("collections", "OrderedDict")
            + made.tuple([
                [UInt8(ascii: "]")] + [UInt8(ascii: "]")] + made.text("old") + [UInt8(ascii: "a")]
                    + one
                    + [UInt8(ascii: "a"), UInt8(ascii: "a")]
            ]) + [UInt8(ascii: "R")]
        let list = made.table([
            ("args", namespace), ("best", scalar), ("size", size), ("set", set), ("call", call),
            ("dtype", made.global("torch", "float32")), ("sub", subclass), ("py2", pairs),
            ("w", one),
        ])
        for bytes in [made.zip(list), made.legacy(list)] {
            let file = try TorchCheckpoint.decode(bytes: bytes)
            #expect(file.tensors.keys.sorted() == ["py2.old", "sub.in", "w"])
            #expect(file.tensors["sub.in"]?.values == [0, 1, 2, 3, 4, 5])
            #expect(file.passedOver.isSuperset(of: ["best", "size", "set", "call", "dtype"]))
        }
        #expect(!FileManager.default.fileExists(atPath: "/tmp/pwned"))
    }

    private func message(_ list: [UInt8]) -> String {
        #expect(throws: InterchangeError.self) {
            try TorchCheckpoint.decode(bytes: made.zip(list))
        }?.message ?? ""
    }

    @Test("a tensor of a kind that is not read is named beside the others; alone it is an error")
    func unread() throws {
        let one = made.tensor(shape: [6], strides: [1])
        let sparse =
            made.global("torch._utils", "_rebuild_sparse_tensor") + made.tuple([made.int(1)]) + [
                UInt8(ascii: "R")
            ]
        let parameter =
            made.global("torch._utils", "_rebuild_parameter") + made.tuple([sparse]) + [
                UInt8(ascii: "R")
            ]
        let complex = made.tensor(shape: [3], strides: [1], count: 3, type: "ComplexFloatStorage")
        let file = try TorchCheckpoint.decode(
            bytes: made.zip(made.table([("w", one), ("p", parameter), ("s", sparse)])))
        #expect(file.tensors.keys.sorted() == ["w"])
        #expect(file.unread.keys.sorted() == ["p", "s"] && file.passedOver.isEmpty)
        #expect(file.unread["s"]?.contains("torch._utils._rebuild_sparse_tensor") == true)
        let both = made.table([("w", made.tensor(shape: [0], strides: [1])), ("c", complex)])
        #expect(
            try TorchCheckpoint.decode(bytes: made.zip(both)).unread["c"]
                == "holds ComplexFloatStorage, which is not read here")
        // In the older form, what follows the array is found by its width.
        let older = #expect(throws: InterchangeError.self) {
            try TorchCheckpoint.decode(
                bytes: made.legacy(made.table([("c", complex)]), count: 3))
        }
        #expect(older?.message.contains("tensor c holds ComplexFloatStorage") == true)
        #expect(message(made.table([("s", sparse)])).contains("_rebuild_sparse_tensor"))
        #expect(
            message(made.table([("c", complex)])).contains("tensor c holds ComplexFloatStorage"))
    }

    @Test("a name twice is refused; a name and a shape of any length give a message of a line")
    func names() {
        let one = made.tensor(shape: [6], strides: [1])
        #expect(message(made.table([("w", one), ("w", one)])).contains("tensor w twice"))
        let long = String(repeating: "n", count: 100_000)
        for list in [
            made.table([(long, one), (long, one)]),
            made.table([(long, made.tensor(shape: [7], strides: [1]))]),
            made.table([(long, made.tensor(shape: [7], strides: [1], count: 70))]),
            made.table([(long, made.tensor(shape: [7], strides: [1], type: long))]),
        ] { #expect(message(list).utf8.count < 500) }
    }

    @Test(
        "bytes count for what they take in memory: one-byte integers beyond the file's size are left out"
    )
    func memory() throws {
        let bytes = [UInt8](repeating: 3, count: 100_000)
        func file(_ count: Int, _ more: [(String, [UInt8])] = []) throws -> SafetensorsFile {
            let list = made.table(
                [
                    (
                        "b",
                        made.tensor(shape: [count], strides: [1], count: count, type: "ByteStorage")
                    )
                ]
                    + more)
            return try TorchCheckpoint.decode(
                bytes: made.archive([
                    ("m/data.pkl", list), ("m/byteorder", Array("little".utf8)),
                    ("m/data/k", bytes),
                ]))
        }
        #expect(try file(8000).integers["b"]?.values == [Int64](repeating: 3, count: 8000))
        let floats = made.tensor(shape: [2], strides: [1], count: 2)
        // The array is shared, as one of bytes and of floats.
        let large = try file(100_000, [("w", floats)])
        #expect(large.integers.isEmpty && large.tensors["w"]?.shape == [2])
        #expect(large.unread["b"] == "holds 100000 integers, more than are read here")
    }

    @Test("sizes that overflow, arrays that overlap and tensors repeated without end are refused")
    func hostile() {
        // 2^62 floats are 0 bytes where the product wraps around.
        let huge: [UInt8] = [0x8A, 8, 0, 0, 0, 0, 0, 0, 0, 0x40]
        let far: [UInt8] = [0x8A, 6, 0, 0, 0, 0, 0, 1]
        let storage =
            made.tuple([
                made.text("storage"), made.global("torch", "FloatStorage"), made.text("k"),
                made.text("cpu"), huge,
            ])
            + [UInt8(ascii: "Q")]
        let wrapped =
            made.global("torch._utils", "_rebuild_tensor_v2")
            + made.tuple([
                storage, far, made.tuple([made.int(1)]), made.tuple([made.int(1)]), [0x89],
            ]) + [UInt8(ascii: "R")]
        let many = (0..<200).map { ("w\($0)", made.tensor(shape: [6], strides: [1])) }
        // The same tensor by memo: a few bytes a name.
        let memo =
            made.text("a") + made.tensor(shape: [6], strides: [1]) + [
                UInt8(ascii: "q"), 0, UInt8(ascii: "s"),
            ]
            + (0..<2000).flatMap {
                made.text("b\($0)") + [UInt8(ascii: "h"), 0, UInt8(ascii: "s")]
            }
        let repeated = [0x80, 2, UInt8(ascii: "}")] + memo + [UInt8(ascii: ".")]
        #expect(throws: InterchangeError.self) {
            try TorchCheckpoint.decode(bytes: made.zip(made.pickle(wrapped)))
        }
        #expect(throws: Never.self) {
            try TorchCheckpoint.decode(bytes: made.zip(made.table(many)))
        }
        #expect(throws: Never.self) { try TorchCheckpoint.decode(bytes: made.zip(repeated)) }
        // A thousand floats, by memo again and again, are more than four times the file.
        let numbers = [UInt8](repeating: 0, count: 4000)
        func tied(_ times: Int) -> [UInt8] {
            let first =
                made.text("a") + made.tensor(shape: [1000], strides: [1], count: 1000) + [
                    UInt8(ascii: "q"), 0, UInt8(ascii: "s"),
                ]
            let others = (1..<times).flatMap {
                made.text("\($0)") + [UInt8(ascii: "h"), 0, UInt8(ascii: "s")]
            }
            return made.archive([
                (
                    "m/data.pkl",
                    [0x80, 2, UInt8(ascii: "}")] + first + others + [UInt8(ascii: ".")]
                ),
                ("m/data/k", numbers),
            ])
        }
        #expect(throws: Never.self) { try TorchCheckpoint.decode(bytes: tied(4)) }
        let error = #expect(throws: InterchangeError.self) {
            try TorchCheckpoint.decode(bytes: tied(8))
        }
        #expect(error?.reason == "the tensors are larger than the file")
        var overlapping = made.zip(made.pickle(made.tensor(shape: [6], strides: [1])))
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
        let list = made.table([
            ("w", made.tensor(shape: [6], strides: [1])),
            ("l", [UInt8(ascii: "]")] + items.joined()),
        ])
        #expect(try TorchCheckpoint.decode(bytes: made.zip(list)).tensors.count == 1)
    }
}

extension UInt64 {
    /// The bytes, the highest first.
    fileprivate var bytes: [UInt8] { withUnsafeBytes(of: bigEndian) { Array($0) } }
}
