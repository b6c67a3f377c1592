// The recipe of an extracted network: the data that, with the bytes of its supernet, determine its bytes. A recipe has
// kilobytes, a network megabytes. A recipe is itself a safetensors file: one tensor has the running statistics, the
// metadata have the rest.

import Artifacts
import Interchange
import Networks
import Postgres

/// Makes the bytes of an extracted network from the bytes of its supernet; the result is the same on every machine.
struct SubnetRecipe {
    /// The version of the extraction (`Weights.slicerVersion`), the space, the genes, and the metadata of the network's
    /// file.
    private struct Head: Codable {
        let slicer: Int
        let space: SearchSpace
        let arch: SubnetConfig
        let metadata: [String: String]
    }

    private static let key = "ofa-recipe", tensor = "statistics"
    private let head: Head
    /// The running statistics, in the order of the extracted layout.
    private let statistics: [Float]

    /// Describes the network `arch` of a supernet of `space`; `weights` are its extracted weights.
    init(
        _ weights: Weights, space: SearchSpace, arch: SubnetConfig, metadata: [String: String]
    ) {
        head = Head(
            slicer: Weights.slicerVersion, space: space, arch: arch, metadata: metadata)
        statistics = weights.layout.statistics.flatMap { weights.memory.download(weights.view($0)) }
    }

    /// Reads a recipe. Errors: `codec` for a recipe of another version of the extraction (`Weights.slicerVersion`);
    /// `corrupt`, `invalidArtifact`.
    init(bytes: [UInt8]) throws {
        struct Slicer: Decodable { let slicer: Int }
        let file = try Safetensors.decode(bytes: bytes)
        guard let text = file.metadata[Self.key], let tensor = file.tensors[Self.tensor] else {
            throw ArtifactsError(.corrupt, "its stored bytes are no recipe of a network")
        }
        let slicer = try JSONText.decode(Slicer.self, from: text, what: "a recipe").slicer
        guard slicer == Weights.slicerVersion else {
            throw ArtifactsError(
                .codec,
                "it is a recipe for slicer \(slicer), and this ofa has slicer \(Weights.slicerVersion)",
                remedy: slicer > Weights.slicerVersion
                    ? "read it with a newer ofa" : "read it with the ofa that stored it")
        }
        head = try JSONText.decode(Head.self, from: text, what: "a recipe")
        statistics = tensor.values
    }

    /// Returns the bytes of the recipe.
    func encoded() throws -> [UInt8] {
        try Safetensors.encode(
            [Self.tensor: .init(shape: [statistics.count], values: statistics)],
            metadata: [Self.key: try JSONText.encode(head)])
    }

    /// Returns the bytes of the network, extracted from the supernet with the bytes `supernet`.
    func network(from supernet: [UInt8]) throws -> [UInt8] {
        let file = try Safetensors.decode(bytes: supernet)
        let weights = Weights(try Weights.layout(supernetOf: head.space))
        try weights.load(file.tensors.mapValues { ($0.shape, $0.values) })
        let shape = try NetworkShape(head.space, head.arch)
        let network = weights.extract(shape, statistics: weights.statistics)
        var start = 0
        for statistic in network.layout.statistics {
            let values = statistics.dropFirst(start).prefix(statistic.count)
            try network.set(statistic.name, to: Array(values))
            start += statistic.count
        }
        return try network.safetensors(metadata: head.metadata)
    }
}

extension BlobStore {
    /// Uses the database of `connection`; reads networks that are stored as recipes.
    public init(_ connection: Connection) {
        self.init(connection) { recipe, supernet in
            do {
                return try SubnetRecipe(bytes: recipe).network(from: supernet)
            } catch let error as ArtifactsError {
                throw error
            } catch {
                throw ArtifactsError(.corrupt, "its recipe cannot be followed: \(error)")
            }
        }
    }
}
