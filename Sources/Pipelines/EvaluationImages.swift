// The images on which `ofa evaluate` measures a network: a part of an imported data set.

import Artifacts
import Datasets
import Foundation
import Networks
import Postgres
import Training

/// A part of an imported data set.
public struct EvaluationImages {
    /// The parts of a data set.
    public enum Part: String, CaseIterable, Sendable {
        /// The test images.
        case test
        /// The held-out training images.
        case heldOut = "held-out"
        /// The images to train on.
        case train
    }

    /// The artifact with the images.
    public let artifact: Artifact
    /// The source of the images.
    public let source: any ImageSource
    /// The indices of the part's images in the source.
    public private(set) var images: [Int]

    /// Opens a part of the data set to which `artifact` belongs: the training images or the test images of an import.
    /// Shards are memory-mapped from `cache`; `progress` gets the numbers of opened shards and of all shards.
    ///
    /// Errors: `invalidArtifact` for other kinds of artifacts; `missingInput` if the import made no such part; errors
    /// of `ImportedImages.open`; `invalidArtifact` if the number of images is not that of the metadata.
    public init(
        _ part: Part, of artifact: Artifact, _ connection: Connection, cache: BlobCache,
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        self.artifact = try Self.part(
            part == .test ? .testImages : .dataset, of: artifact, connection)
        source = try ImportedImages.open(
            self.artifact, connection, cache: cache, progress: progress)
        let metadata = try JSONText.decode(
            DatasetMetadata.self, from: self.artifact.metadataJSON,
            what: "artifact \(self.artifact.id)")
        try metadata.check(source, of: self.artifact)
        switch part {
        case .test: images = Array(0..<source.count)
        case .heldOut: images = try metadata.split().heldOut
        case .train: images = try metadata.split().training
        }
        guard !images.isEmpty else {
            throw PipelineError(
                .missingInput, "data set \(metadata.dataset) has no \(part.rawValue) images",
                remedy: "evaluate on another split")
        }
    }

    /// Returns the artifact with the role `role` from the import that made `artifact`.
    static func part(
        _ role: ArtifactRole, of artifact: Artifact, _ connection: Connection
    ) throws -> Artifact {
        if artifact.kind == role.rawValue { return artifact }
        let others =
            try artifact.producer.map { producer in
                try ArtifactStore(connection).list(run: producer.run, kind: role.rawValue).filter {
                    $0.producer?.token == producer.token
                }
            } ?? []
        guard ImportedImages.isOfImages(artifact), let found = others.last else {
            throw PipelineError(
                ImportedImages.isOfImages(artifact) ? .missingInput : .invalidArtifact,
                ImportedImages.isOfImages(artifact)
                    ? "the import of artifact \(artifact.id) made no \(role.rawValue)"
                    : "artifact \(artifact.id) is a \(artifact.kind), not a data set or test images",
                remedy: "ofa artifacts list --kind \(role.rawValue) shows those")
        }
        return found
    }

    /// Returns the first `count` of the images; all if `count` is nil.
    public func prefix(_ count: Int?) -> EvaluationImages {
        var part = self
        if let count { part.images = Array(images.prefix(count)) }
        return part
    }

    /// Checks that networks of `space` can take these images and have enough classes, and that the classes of the
    /// images are `names`, in this order. An empty list of names is not compared. Errors: `mismatch`, which names the
    /// artifact `other` as the source of `names`.
    func check(_ space: SearchSpace, _ names: [ByteName], of other: ArtifactID) throws {
        guard source.channels == space.inputChannels, source.classCount <= space.classes else {
            throw PipelineError(
                .mismatch,
                "artifact \(artifact.id) has images of \(source.channels) channels in \(source.classCount) classes;"
                    + " networks of space \(space.name) take \(space.inputChannels) channels and tell \(space.classes)"
                    + " classes apart", remedy: "give a data set like the one it was trained on")
        }
        guard !names.isEmpty else { return }
        let own = source.classNames
        func name(_ names: [ByteName], _ label: Int) -> String {
            label < names.count ? "'\(names[label])'" : "absent"
        }
        let first = (0..<max(own.count, names.count)).first {
            !own.isEmpty
                && ($0 >= own.count || $0 >= names.count || own[$0] != names[$0])
        }
        guard first != nil || source.classCount != names.count else { return }
        throw PipelineError(
            .mismatch,
            "artifact \(artifact.id) has images of \(source.classCount) classes, and artifact \(other) tells"
                + " \(names.count) classes apart"
                + (first.map {
                    ": class \($0) is \(name(own, $0)) in artifact \(artifact.id), \(name(names, $0)) in artifact"
                        + " \(other)"
                } ?? ""),
            remedy: "give a data set that has the same classes in the same order")
    }
}
