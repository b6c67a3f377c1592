// A supernet's weights in files of other programs: every naming, in every form, whole or refused with all faults.
import Foundation
import Networks
import TestSupport
import Testing

@testable import Interchange

@Suite struct SupernetFileTests {
    typealias Tensor = SafetensorsFile.Tensor<Float>

    private let space = SearchSpace.fashion

    /// The state dict of a supernet of `space`.
    private func tensors(_ naming: (String) -> String = { $0 }) throws -> [String: Tensor] {
        let weights = try Weights(supernetOf: space, seed: 4)
        return Dictionary(
            uniqueKeysWithValues: weights.named.map {
                (naming($0.parameter.name), Tensor(shape: $0.parameter.shape, values: $0.values))
            })
    }

    private func read(_ tensors: [String: Tensor], part: String? = nil) throws -> SupernetFile {
        try SupernetFile(SafetensorsFile(tensors: tensors), space: space, part: part)
    }

    private func reason(_ tensors: [String: Tensor]) throws -> InterchangeError {
        try #require(throws: InterchangeError.self) { try read(tensors) }
    }

    @Test("names of every version and any prefix give the same weights")
    func names() throws {
        let expected = try tensors()
        let namings: [(String, (String) -> String)] = [
            ("", { $0 }), ("module", { "module.\($0)" }),
            (
                "state_dict.module",
                {
                    "state_dict.module."
                        + $0.replacing("conv.depth", with: "mobile_inverted_conv.depth")
                }
            ),
            (
                "",
                { $0.replacing(".bn.bn.", with: ".bn.").replacing(".conv.conv.w", with: ".conv.w") }
            ),
            ("", { $0.replacing(/^first_conv\.(conv|bn)/) { "first_conv.\($0.1).\($0.1)" } }),
        ]
        for (part, naming) in namings {
            let file = try read(try tensors(naming))
            #expect(file.part == part && file.tensors == expected.count)
            #expect(!file.isWithoutTransforms)
            for (parameter, values) in file.weights.named {
                #expect(values == expected[parameter.name]?.values, "\(parameter.name)")
            }
        }
    }

    @Test("all faults are named at once: missing, unknown, of another shape, impossible")
    func faults() throws {
        var changed = try tensors()
        changed["classifier.linear.bias"] = nil
        changed["first_conv.bn.weight"] = nil
        changed["extra.weight"] = Tensor(shape: [1], values: [1])
        changed["classifier.linear.weight"] = Tensor(shape: [2], values: [1, 2])
        changed["first_conv.bn.running_var"]?.values[0] = -1
        changed["first_conv.bn.bias"]?.values[0] = .nan
        let reason = try reason(changed).reason
        for told in [
            "2 missing (first_conv.bn.weight, classifier.linear.bias)",
            "1 not known (extra.weight)",
            "1 of another shape (classifier.linear.weight is [2] where [10,",
            "2 with values that are not finite, or with negative variances (first_conv.bn.bias,",
        ] { #expect(reason.contains(told), "\(reason)") }
    }

    @Test("kernel transforms may all be missing, not some; counters of batches are ignored")
    func transforms() throws {
        let all = try tensors()
        let matrices = all.keys.filter { $0.hasSuffix("_matrix") }.sorted()
        var plain = all.filter { !$0.key.hasSuffix("_matrix") }
        plain["first_conv.bn.num_batches_tracked"] = Tensor(shape: [], values: [3])
        let file = try read(plain)
        #expect(file.isWithoutTransforms && file.tensors == all.count - matrices.count)
        let side = try #require(all[matrices[0]]).shape[0]
        #expect(
            try file.weights.values(matrices[0])
                == (0..<side * side).map { $0 % (side + 1) == 0 ? 1 : 0 })
        var some = all
        some[matrices[0]] = nil
        #expect(try reason(some).reason.contains("1 missing (\(matrices[0]))"))
    }

    @Test(
        "two supernets in a file are refused unless one is chosen; one array under two names is refused"
    )
    func several() throws {
        let both = try tensors { "model.\($0)" }.merging(tensors { "ema.\($0)" }) { $1 }
        let error = try reason(both)
        #expect(error.message.contains("several supernets: ema, model: name the part to read"))
        #expect(try read(both, part: "model").part == "model")
        #expect(throws: InterchangeError.self) { try read(both, part: "other") }
        var twice = try tensors()
        twice["first_conv.bn.bn.bias"] = twice["first_conv.bn.bias"]
        #expect(try reason(twice).reason.contains("1 there twice (first_conv.bn.bias and"))
        #expect(
            try reason(["a": Tensor(shape: [], values: [1])]).reason.contains(
                "none of the file's 1"))
        #expect(try reason([:]).reason.contains("none of the file's 0 tensors"))
    }

    @Test("a part below the top level is left out; both whole, the top level is called '.'")
    func topLevel() throws {
        var file = try tensors()
        file["ema.first_conv.bn.weight"] = file["first_conv.bn.weight"]
        file["ema.decay"] = Tensor(shape: [], values: [0.9])
        #expect(try read(file).part == "")
        let both = try tensors().merging(tensors { "ema.\($0)" }) { $1 }
        let error = try reason(both)
        #expect(
            error.message.contains(
                "several supernets: . (the top level), ema: name the part to read, as with --part ."
            ))
        #expect(try read(both, part: ".").part == "")
        #expect(try read(both, part: "ema").part == "ema")
        // What lies in no part of a supernet is still not known.
        file["extra.weight"] = Tensor(shape: [1], values: [1])
        #expect(try reason(file).reason.contains("1 not known (extra.weight)"))
    }

    @Test("a tensor that is not read is a fault if it is one of the supernet's, and else is not")
    func unread() throws {
        var file = SafetensorsFile(tensors: try tensors { "model.\($0)" })
        file.unread["optimizer.step"] = "holds C64, which is not read here"
        #expect(try SupernetFile(file, space: space).tensors == file.tensors.count)
        file.tensors["model.classifier.linear.bias"] = nil
        file.unread["model.classifier.linear.bias"] = "holds C64, which is not read here"
        let error = #expect(throws: InterchangeError.self) {
            try SupernetFile(file, space: space)
        }
        #expect(
            error?.reason.contains(
                "1 not readable (model.classifier.linear.bias holds C64, which is not read here)")
                == true, "\(error?.reason ?? "")")
        #expect(error?.reason.contains("missing") == false)
    }

    @Test("a supernet of another published space is recognised")
    func otherSpace() throws {
        let other = try SearchSpace.named("ofa-mbv3-w1.0")
        let weights = try Weights(supernetOf: other, seed: 0)
        var tensors: [String: Tensor] = [:]
        for (parameter, values) in weights.named {
            tensors[parameter.name] = Tensor(shape: parameter.shape, values: values)
        }
        let error = #expect(throws: InterchangeError.self) {
            try SupernetFile(
                SafetensorsFile(tensors: tensors), space: SearchSpace.named("ofa-mbv3-w1.2"))
        }
        #expect(error?.remedy == "it looks like one of space ofa-mbv3-w1.0: --space ofa-mbv3-w1.0")
    }

    private struct Index: Decodable {
        struct File: Decodable {
            let transforms: Bool
            let expect: String
        }

        let weights: String
        let files: [String: File]
    }

    @Test(
        "every form of PyTorch file gives the stated tensors under their own names",
        .enabled(if: SharedFolders.checkpoints != nil, "\(SharedFolders.checkpointsHint)"))
    func checkpoints() throws {
        let folder = try #require(SharedFolders.checkpoints)
        let index = try JSONDecoder().decode(
            Index.self, from: Data(contentsOf: folder.appending(path: "index.json")))
        let path = folder.deletingLastPathComponent().appending(path: "fixtures/\(index.weights)")
        let expected = try Safetensors.decode(bytes: [UInt8](Data(contentsOf: path))).tensors
        let space = SearchSpace.mobileNetV3(
            name: "quarter", widthMultiplier: 0.25, classes: 10, depths: [2, 3], resolutions: [32])
        #expect(index.files.count >= 9)
        for (name, file) in index.files {
            let bytes = [UInt8](try Data(contentsOf: folder.appending(path: name)))
            let read = try SupernetFile(try #require(try TensorFile.read(bytes)), space: space)
            #expect(read.isWithoutTransforms != file.transforms, "\(name)")
            #expect(read.weights.named.count == expected.count)
            for (parameter, values) in read.weights.named {
                if !file.transforms, parameter.role == .transform { continue }
                var wanted = try #require(expected[parameter.name]).values
                if file.expect == "half" { wanted = wanted.map { Float(Float16($0)) } }
                #expect(values == wanted, "\(name): \(parameter.name)")
            }
        }
    }

    @Test("mutated names, shapes and parts give a supernet or a typed error")
    func mutated() throws {
        let names = try tensors().keys.sorted().joined(separator: "\n")
        let all = try tensors()
        let values = all.keys.sorted().map { all[$0] ?? Tensor(shape: [], values: [0]) }
        try Mutations(
            "supernet-names", of: [names], words: ["module.", "bn.bn", ".", "state_dict."]
        )
        .run(Mutations.cases(share: 0.005), throwing: InterchangeError.self) { bytes in
            let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            let file = zip(lines, values).map { (String($0), $1) }
            _ = try read(Dictionary(file) { first, _ in first })
        }
    }
}
