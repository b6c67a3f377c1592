// Mutated checkpoints and safetensors: tensors or a typed error, whatever the bytes are.

import Foundation
import TestSupport
import Testing

@testable import Interchange

@Suite struct InterchangeFuzzTests {
    /// Every tensor that is read fills its shape, and all together are no larger than the file allows.
    private func check(_ file: SafetensorsFile, _ bytes: Int) {
        var total = 0
        for tensor in file.tensors.values {
            #expect(tensor.shape.reduce(1, *) == tensor.values.count)
            total += tensor.values.count
        }
        for tensor in file.integers.values {
            #expect(tensor.shape.reduce(1, *) == tensor.values.count)
            total += tensor.values.count
        }
        #expect(total <= 2 * bytes)
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
        ]
        let corpus = lists.map(made.zip) + lists.map { made.legacy($0) }
        try Mutations(
            "checkpoints", of: corpus, words: ["FloatStorage", "HalfStorage", "collections"]
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
        let file = try Safetensors.encode(
            [
                "a": .init(shape: [2, 2], values: [1, 2, 3, 4]), "b": .init(shape: [], values: [5]),
            ],
            metadata: ["k": "v"])
        let half = #"{"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}  "#
        let other =
            [UInt8(half.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(half.utf8) + [0, 60, 0, 60]
        try Mutations(
            "safetensors", of: [file, other], words: ["F16", "BF16", "I64", "__metadata__"]
        ).run(
            Mutations.cases(share: 0.05), throwing: InterchangeError.self
        ) { bytes in
            check(try Safetensors.decode(bytes: bytes), bytes.count)
        }
    }
}
