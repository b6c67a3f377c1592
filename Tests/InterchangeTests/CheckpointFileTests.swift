// One supernet's weights in every form PyTorch files come in: all tensors of each, whatever their names.
import Foundation
import Interchange
import TestSupport
import Testing

@Suite(.enabled(if: SharedFolders.checkpoints != nil, "\(SharedFolders.checkpointsHint)"))
struct CheckpointFileTests {
    private struct Index: Decodable {
        struct File: Decodable {
            let prefix: String
            let transforms: Bool
            let expect, naming: String
            let note: String
        }

        let weights: String
        let files: [String: File]
    }

    /// Shapes and bits of tensors, whatever they are called.
    private func contents(_ tensors: [SafetensorsFile.Tensor<Float>]) -> [String] {
        tensors.map { "\($0.shape) \($0.values.map(\.bitPattern))" }.sorted()
    }

    @Test("every file gives the tensors of the fixture, bit by bit or rounded to 16 bits")
    func all() throws {
        let folder = try #require(SharedFolders.checkpoints)
        let index = try JSONDecoder().decode(
            Index.self, from: Data(contentsOf: folder.appending(path: "index.json")))
        let path = folder.deletingLastPathComponent().appending(path: "fixtures/\(index.weights)")
        let weights = try Safetensors.decode(bytes: [UInt8](Data(contentsOf: path))).tensors
        #expect(index.files.count >= 9)
        for (name, expected) in index.files.sorted(by: { $0.key < $1.key }) {
            let file = try TorchCheckpoint.decode(
                bytes: [UInt8](Data(contentsOf: folder.appending(path: name))))
            // Names under state_dict, if there is one, without the file's prefix.
            let isNested = file.tensors.keys.contains { $0.hasPrefix("state_dict.") }
            let start = (isNested ? "state_dict." : "") + expected.prefix
            var found: [String: SafetensorsFile.Tensor<Float>] = [:]
            for (key, tensor) in file.tensors where key.hasPrefix(start) {
                found[String(key.dropFirst(start.count))] = tensor
            }
            var wanted = weights
            if !expected.transforms { wanted = wanted.filter { !$0.key.contains("_matrix") } }
            if expected.expect == "half" {
                wanted = wanted.mapValues {
                    .init(shape: $0.shape, values: $0.values.map { Float(Float16($0)) })
                }
            }
            if expected.naming == "today" {
                #expect(Set(found.keys) == Set(wanted.keys), "\(name)")
            }
            #expect(contents(Array(found.values)) == contents(Array(wanted.values)), "\(name)")
        }
    }
}
