// The recipe of a network: it makes the bytes that extraction made, from the stored supernet, in a twentieth of them.
import Artifacts
import Foundation
import Interchange
import Networks
import Postgres
import Tensors
import TestSupport
import Testing

@testable import Pipelines

@Suite struct SubnetRecipeTests {
    /// A supernet of `space` whose values, also those of transform matrices and statistics, are random.
    private func supernet(_ space: SearchSpace) throws -> Weights {
        let weights = try Weights(supernetOf: space, seed: 5)
        for (index, entry) in weights.named.enumerated() {
            var stream = RandomStream(seed: 6, index)
            try weights.set(
                entry.parameter.name,
                to: entry.values.map { $0 + abs(stream.normal()) * 0.05 + 0.01 })
        }
        return weights
    }

    private static let metadata = ["space": "s", "classes": "[\"a\",\"b\"]"]

    /// The bytes of a network with statistics of its own, and its recipe.
    private func cut(_ arch: SubnetConfig, _ space: SearchSpace, _ supernet: Weights) throws
        -> (bytes: [UInt8], recipe: SubnetRecipe)
    {
        let own = supernet.copy()
        var stream = RandomStream(seed: 7)
        own.memory.upload(to: own.statistics.all) { _ in stream.uniform() + 0.5 }
        let weights = supernet.extract(
            try NetworkShape(space, arch), statistics: own.statistics)
        return (
            try weights.safetensors(metadata: Self.metadata),
            SubnetRecipe(weights, space: space, arch: arch, metadata: Self.metadata)
        )
    }

    @Test(
        "a recipe takes at most 5 % of a demo network's bytes, and makes the same bytes from the stored supernet"
    )
    func demo() throws {
        let space = SearchSpace.fashion, weights = try supernet(space)
        let database = try TemporaryDatabase(), connection = try database.connect()
        let blobs = BlobStore(connection)
        let parent = try blobs.put(
            try weights.safetensors(metadata: [:]), elementSize: 4, kind: "supernet")
        var stream = RandomStream(seed: 8)
        for arch in [space.largest, space.smallest]
            + (0..<4).map({ _ in space.sample(using: &stream) })
        {
            let (bytes, recipe) = try cut(arch, space, weights)
            let digest = try blobs.put(
                bytes, elementSize: 4, kind: "subnet",
                recipe: BlobRecipe(try recipe.encoded(), parent: parent))
            let info = try #require(try blobs.info(digest))
            #expect(info.parent == parent && info.coding.filter == .recipe)
            #expect(info.storedBytes * 20 <= bytes.count, "\(info.storedBytes) of \(bytes.count)")
            #expect(try blobs.get(digest) == bytes)
        }
    }

    @Test(
        "every instruction set makes the bytes of a recipe that another wrote",
        arguments: InstructionSet.available)
    func instructionSets(set: InstructionSet) throws {
        let space = SearchSpace.fashion, weights = try supernet(space)
        let stored = try weights.safetensors(metadata: [:])
        var stream = RandomStream(seed: 9)
        for _ in 0..<3 {
            let arch = space.sample(using: &stream), shape = try NetworkShape(space, arch)
            let (bytes, recipe) = try cut(arch, space, weights)
            // The network that a worker with this instruction set cuts.
            let network = try Network(
                supernet: weights, of: space,
                engine: try CPUEngine(threads: 1, instructionSet: set))
            let own = weights.copy()
            var draws = RandomStream(seed: 7)
            own.memory.upload(to: own.statistics.all) { _ in draws.uniform() + 0.5 }
            #expect(
                try network.extract(shape, statistics: own.statistics)
                    .safetensors(metadata: Self.metadata) == bytes)
            #expect(try SubnetRecipe(bytes: recipe.encoded()).network(from: stored) == bytes)
        }
    }

    @Test("every family's networks have recipes", arguments: SearchSpace.tinyFamilies)
    func families(space: SearchSpace) throws {
        let weights = try supernet(space)
        var stream = RandomStream(seed: 10)
        for arch in [space.largest, space.smallest, space.sample(using: &stream)] {
            let (bytes, recipe) = try cut(arch, space, weights)
            let stored = try weights.safetensors(metadata: [:])
            #expect(try SubnetRecipe(bytes: recipe.encoded()).network(from: stored) == bytes)
        }
    }

    @Test("a recipe of another slicer, and bytes that are no recipe, are errors")
    func refused() throws {
        let space = SearchSpace.fashion, weights = try supernet(space)
        let (_, recipe) = try cut(space.smallest, space, weights)
        var file = try Safetensors.decode(bytes: try recipe.encoded())
        file.metadata = file.metadata.mapValues {
            $0.replacing("\"slicer\":1,", with: "\"slicer\":2,")
        }
        let newer = try Safetensors.encode(file)
        let error = #expect(throws: ArtifactsError.self) { try SubnetRecipe(bytes: newer) }
        #expect(error?.code == .codec && error?.remedy == "read it with a newer ofa")
        let none = try weights.safetensors(metadata: [:])
        #expect(throws: ArtifactsError.self) { try SubnetRecipe(bytes: none) }
    }
}
