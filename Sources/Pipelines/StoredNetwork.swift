// Reads a network from its artifact, outside of a stage: its weights, and how its images were prepared.

import Artifacts
import Datasets
import Foundation
import Interchange
import Networks
import Postgres
import Tensors

/// How images become the input of a network.
public struct NetworkInput: Codable, Sendable, Equatable {
    /// The normalisation of pixels.
    public let normalization: PixelNormalization
    /// The height and width in pixels that every image of the training data had; nil if the images had any size, and
    /// were resized and cropped as published.
    public let height, width: Int?

    /// `fixedSize` is that of the data set's `ImageSource`.
    public init(normalization: PixelNormalization, fixedSize: (height: Int, width: Int)?) {
        self.normalization = normalization
        (height, width) = (fixedSize?.height, fixedSize?.width)
    }

    /// The size of every image of the training data; nil if they had any size.
    public var fixedSize: (height: Int, width: Int)? {
        height.flatMap { height in width.map { (height, $0) } }
    }
}

/// A network extracted from a supernet, read from an artifact.
public struct StoredNetwork {
    /// The artifact.
    public let artifact: Artifact
    /// The figures of the stage that extracted the network.
    public let figures: NetworkFigures
    /// The space of the supernet.
    public let space: SearchSpace
    /// The layers, with blocks numbered without gaps.
    public let shape: NetworkShape
    /// The stored bytes: safetensors.
    public let bytes: [UInt8]
    /// The weights.
    public let weights: Weights
    /// The names of the classes; empty if the data set had none.
    public let classNames: [ByteName]
    /// How images become the network's input.
    public let input: NetworkInput
    /// The artifacts that the attempt that made the network read, by role. For a network that was trained after its
    /// extraction, also the supernet that it was extracted from.
    public let inputs: [ArtifactRole: Artifact]

    /// Reads the network of `artifact`. Data sets that have to be opened are memory-mapped from `cache`.
    ///
    /// Errors: `invalidArtifact` for an artifact of another kind, or if neither the artifact nor its inputs record the
    /// space or the normalisation; errors of reading blobs and safetensors.
    public init(_ artifact: Artifact, _ connection: Connection, cache: BlobCache) throws {
        guard artifact.kind == ArtifactRole.subnet.rawValue else {
            throw PipelineError(
                .invalidArtifact, "artifact \(artifact.id) is a \(artifact.kind), not a network",
                remedy: "ofa artifacts list --kind subnet shows networks; ofa specialize makes one")
        }
        self.artifact = artifact
        figures = try JSONText.decode(
            NetworkFigures.self, from: artifact.metadataJSON, what: "artifact \(artifact.id)")
        inputs = try Self.withSupernet(Self.inputs(of: artifact, connection), connection)
        bytes = try BlobStore(connection).get(artifact.digest)
        let (bytes, source) = (bytes, "artifact \(artifact.id)")
        let file = try InterchangeError.naming(source) { try Safetensors.decode(bytes: bytes) }
        space = try Self.space(artifact, figures, inputs, name: file.metadata["space"])
        shape = try NetworkShape(space, figures.arch).renumbered
        let shape = shape
        (weights, classNames) = try InterchangeError.naming(source) {
            let weights = Weights(ParameterLayout(shape, naming: .extracted))
            try weights.load(file.tensors.mapValues { ($0.shape, $0.values) })
            let names = try file.metadata["classes"].map {
                try JSONText.decode([ByteName].self, from: $0, what: "the list of classes")
            }
            return (weights, names ?? [])
        }
        input = try figures.input ?? Self.input(artifact, inputs, connection, cache)
    }

    /// Returns the inputs of the attempt that made an artifact, by role; the last input if several share a role.
    static func inputs(of artifact: Artifact, _ connection: Connection) throws
        -> [ArtifactRole: Artifact]
    {
        let lineage = try Lineage(connection).up(artifact.id)
        let known = Dictionary(lineage.artifacts.map { ($0.id, $0) }) { first, _ in first }
        var inputs: [ArtifactRole: Artifact] = [:]
        for edge in lineage.edges where edge.output == artifact.id {
            guard let role = ArtifactRole(rawValue: edge.role) else { continue }
            inputs[role] = known[edge.input]
        }
        return inputs
    }

    /// Returns `inputs` with the supernet of the input network, if a network was trained from another one.
    private static func withSupernet(
        _ inputs: [ArtifactRole: Artifact], _ connection: Connection
    ) throws -> [ArtifactRole: Artifact] {
        var (found, current) = (inputs, inputs)
        while found[.supernet] == nil, let earlier = current[.subnet] {
            current = try Self.inputs(of: earlier, connection)
            found[.supernet] = current[.supernet]
        }
        return found
    }

    private struct SupernetFields: Decodable {
        let space: String?
        let definition: SearchSpace?
        let normalization: PixelNormalization?
    }

    private static func supernet(_ inputs: [ArtifactRole: Artifact]) throws -> SupernetFields? {
        try inputs[.supernet].map {
            try JSONText.decode(
                SupernetFields.self, from: $0.metadataJSON, what: "artifact \($0.id)")
        }
    }

    /// Finds the space of a network. Older versions recorded the name of a published space instead of a definition;
    /// `name` is the name in the network's own file.
    private static func space(
        _ artifact: Artifact, _ figures: NetworkFigures, _ inputs: [ArtifactRole: Artifact],
        name: String?
    ) throws -> SearchSpace {
        let supernet = try supernet(inputs)
        if let space = figures.definition ?? supernet?.definition { return space }
        let name = supernet?.space ?? name
        if let space = SearchSpace.published.first(where: { $0.name == name }) { return space }
        throw PipelineError(
            .invalidArtifact,
            "neither artifact \(artifact.id) nor its supernet records the definition of its space",
            remedy: "extract the network again with this version")
    }

    /// Finds how images become the input of a network of an older version, which does not record it.
    private static func input(
        _ artifact: Artifact, _ inputs: [ArtifactRole: Artifact], _ connection: Connection,
        _ cache: BlobCache
    ) throws -> NetworkInput {
        guard let data = inputs[.dataset] else {
            throw PipelineError(
                .invalidArtifact,
                "artifact \(artifact.id) does not record how its images are normalised, and has no data set",
                remedy: "extract the network again with this version")
        }
        let source = try ImportedImages.open(data, connection, cache: cache)
        let metadata = try JSONText.decode(
            DatasetMetadata.self, from: data.metadataJSON, what: "artifact \(data.id)")
        try metadata.check(source, of: data)
        return NetworkInput(
            normalization: try supernet(inputs)?.normalization
                ?? source.normalization(of: metadata.split().training),
            fixedSize: source.fixedSize)
    }
}
