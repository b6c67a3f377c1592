// Mutated checkpoints and safetensors: tensors or a typed error, whatever the bytes are.

import Foundation
import Networks
import TestSupport
import Testing

@testable import Interchange

@Suite struct InterchangeFuzzTests {
    /// Every tensor that is read fills its shape, and all together take no more memory than the file allows.
    private func check(_ file: SafetensorsFile, _ bytes: Int) {
        var floats = 0, integers = 0
        for tensor in file.tensors.values {
            #expect(tensor.shape.reduce(1, *) == tensor.values.count)
            floats += 4 * tensor.values.count
        }
        for tensor in file.integers.values {
            #expect(tensor.shape.reduce(1, *) == tensor.values.count)
            integers += 8 * tensor.values.count
        }
        #expect(floats <= 4 * bytes && integers <= max(bytes, 1 << 16))
    }

    @Test("checkpoints of both forms, objects beside their tensors")
    func checkpoints() throws {
        let made = CheckpointBytes()
        var call = made.global("posix", "system") + made.tuple([made.text("true")])
        call.append(UInt8(ascii: "R"))
        var inner: [UInt8] = [UInt8(ascii: "}")]
        inner += made.text("0.bias")
        inner += made.tensor(shape: [6], strides: [1])
        inner.append(UInt8(ascii: "s"))
        let lists = [
            made.table([("w", made.tensor(shape: [3, 2], strides: [1, 3]))]),
            made.table([("state_dict", inner), ("args", call)]),
            made.table([
                ("b", made.tensor(shape: [6], strides: [1], type: "ByteStorage")),
                ("c", made.tensor(shape: [3], strides: [1], type: "ComplexFloatStorage")),
                (
                    "s",
                    made.global("torch._utils", "_rebuild_sparse_tensor")
                        + made.tuple([made.int(1)]) + [UInt8(ascii: "R")]
                ),
            ]),
        ]
        let corpus = lists.map(made.zip) + lists.map { made.legacy($0) }
        try Mutations(
            "checkpoints", of: corpus,
            words: ["FloatStorage", "HalfStorage", "ByteStorage", "QInt8Storage", "collections"]
        ).run(
            Mutations.cases(share: 0.1), throwing: InterchangeError.self
        ) { bytes in
            check(try TorchCheckpoint.decode(bytes: bytes), bytes.count)
        }
    }

    @Test("pickles alone, where every mutation reaches the reader")
    func pickles() throws {
        let made = CheckpointBytes()
        var namespace = made.global("argparse", "Namespace")
        namespace += [UInt8(ascii: ")"), 0x81, UInt8(ascii: "}"), UInt8(ascii: "b")]
        var set: [UInt8] = [0x8F, UInt8(ascii: "(")]
        set += made.int(1)
        set.append(0x90)
        let list = made.table([
            ("w", made.tensor(shape: [6], strides: [1])), ("n", namespace), ("s", set),
            ("d", Array("N20".utf8)),
        ])
        let mutations = Mutations("pickles", of: [list])
        try mutations.run(Mutations.cases(share: 0.05), throwing: InterchangeError.self) { bytes in
            check(try TorchCheckpoint.decode(bytes: made.zip(bytes)), bytes.count + 1000)
        }
    }

    @Test("safetensors")
    func safetensors() throws {
        let made = CheckpointBytes()
        let file = try Safetensors.encode(
            [
                "a": .init(shape: [2, 2], values: [1, 2, 3, 4]), "b": .init(shape: [], values: [5]),
            ],
            metadata: ["k": "v"])
        let half = #"{"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}  "#
        let other =
            [UInt8(half.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(half.utf8) + [0, 60, 0, 60]
        let mixed =
            #"{"x":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"y":{"dtype":"U8","shape":[4],"data_offsets":[8,12]}}"#
        let third =
            made.little(mixed.utf8.count, 8) + Array(mixed.utf8) + [UInt8](repeating: 1, count: 12)
        try Mutations(
            "safetensors", of: [file, other, third],
            words: ["F16", "BF16", "F64", "I64", "U8", "C64", "__metadata__"]
        ).run(
            Mutations.cases(share: 0.05), throwing: InterchangeError.self
        ) { bytes in
            check(try Safetensors.decode(bytes: bytes), bytes.count)
        }
    }

    @Test(
        "supernets in files of both formats, whose names, shapes and numbers are mutated together")
    func supernets() throws {
        let space = SearchSpace.tiny(), made = CheckpointBytes()
        let weights = try Weights(supernetOf: space, seed: 1)
        var tensors: [String: SafetensorsFile.Tensor<Float>] = [:]
        var list: [(String, [UInt8])] = []
        for (parameter, values) in weights.named {
            tensors["module.\(parameter.name)"] = .init(shape: parameter.shape, values: values)
            list.append((parameter.name, made.tensor(shape: [6], strides: [1])))
        }
        let files = [
            try Safetensors.encode(tensors, metadata: ["mean": "[0.5]"]),
            made.zip(made.table(list)),
        ]
        try Mutations("supernets", of: files, words: ["module.", "conv", ".bn.bn", "F16"]).run(
            Mutations.cases(share: 0.02), throwing: InterchangeError.self
        ) { bytes in
            guard let file = try TensorFile.read(bytes) else { return }
            _ = try SupernetFile(file, space: space)
        }
    }
}
