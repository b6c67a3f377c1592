// Looks up the artifacts that a pipeline file names as sources, when a run of the file is enqueued: each must exist, be
// of the right kind, have its bytes stored, and belong to the run's space.

import Artifacts
import Datasets
import Devices
import Foundation
import Intake
import Networks
import Postgres
import Search

/// Finds and checks the artifacts that a pipeline file names.
final class ArtifactSources {
    private let connection: Connection
    private let store: ArtifactStore
    private let space: SearchSpace
    /// The blobs of the artifacts found so far.
    private(set) var blobs: [SourceBlob] = []
    /// The trained domains of the supernets found so far, by number; supernets that record none are left out.
    private(set) var domains: [String: TrainedDomain] = [:]
    /// The normalisations of the images of the supernets and networks found so far, by number.
    private(set) var normalizations: [String: PixelNormalization] = [:]
    /// The devices of the networks and search results found so far, by number.
    private(set) var devices: [String: DeviceTarget] = [:]

    init(_ connection: Connection, space: SearchSpace) {
        self.connection = connection
        self.space = space
        store = ArtifactStore(connection)
    }

    /// Returns the role and the reference of the artifact that `source` names for an input of `draft`. The reference is
    /// the artifact's number, so that a later artifact of the same name is not taken instead. Errors: those of
    /// `PipelineDefinition.withArtifacts`.
    func input(_ source: NamedSource, of draft: StageDraft) throws -> (
        ArtifactRole, InputReference
    ) {
        let found = try find(source), role = try role(of: found, source)
        let artifact =
            role == .testImages
            ? try said(source, .missingInput) {
                try EvaluationImages.part(.testImages, of: found, connection)
            } : found
        try keep(artifact, source)
        if let manifest = try said(source, .missingInput, { try manifest(of: artifact) }) {
            for shard in manifest.shards {
                let digest = try said(source, .missingInput) { try Digest(hex: shard.digest) }
                if let artifact = try store.newest(of: digest) { try keep(artifact, source) }
            }
        }
        try said(source, .mismatch) { try check(artifact, role, draft.parameters) }
        return (role, .artifact(artifact.id.description))
    }

    /// Notes that the bytes of `artifact` are needed. Errors: `missingInput` if they are not stored.
    private func keep(_ artifact: Artifact, _ source: NamedSource) throws {
        let needed = SourceBlob(
            digest: artifact.digest,
            missing: source.error(
                "names \(source.value), and the bytes of artifact \(artifact.id), \(Self.words(artifact)), are not stored",
                remedy: "ofa artifacts heal \(artifact.id) recreates them, if its inputs are stored"
            ))
        guard let blob = try BlobStore(connection).info(artifact.digest), blob.collectedAt == nil
        else { throw needed.missing }
        blobs.append(needed)
    }

    /// Returns the manifest of a picture set; nil for other artifacts.
    private func manifest(of artifact: Artifact) throws -> PictureSetManifest? {
        try ImportedImages.manifest(of: artifact, connection)
    }

    /// Returns the reference to the source: `artifact:` and the artifact's number, or the name of a stage. Errors: as of
    /// `input`.
    func reference(of source: NamedSource) throws -> String {
        source.artifact == nil
            ? source.value : NamedSource.prefix + (try find(source).id.description)
    }

    /// Throws `mismatch` if the data set `data` holds out images on which the network or supernet `from` was trained;
    /// both are artifacts.
    func checkSplit(_ data: NamedSource, of from: NamedSource) throws {
        let (images, network) = (try find(data), try find(from))
        try said(data, .mismatch) {
            try DatasetMetadata.checkSplit(of: images, for: network, connection)
        }
    }

    private static func words(_ artifact: Artifact) -> String {
        "a \(artifact.kind) named '\(artifact.name)'"
    }

    private func find(_ source: NamedSource) throws -> Artifact {
        do {
            return try store.find(source.artifact ?? "")
        } catch let error as ArtifactsError where [.notFound, .ambiguous].contains(error.code) {
            throw source.error(
                "names \(source.value): \(error.reason)", remedy: error.remedy)
        }
    }

    /// Returns the role in which an artifact is read, which its kind must fit.
    private func role(of artifact: Artifact, _ source: NamedSource) throws -> ArtifactRole {
        let kind = ArtifactRole(rawValue: artifact.kind)
        if source.role == .testImages, kind == .dataset { return source.role }
        if source.role == .subnet, kind == .choice { return .choice }
        guard kind == source.role.made else {
            let wanted =
                source.role == .subnet ? "subnet or a search-result" : source.role.made.rawValue
            throw source.error(
                "names \(source.value), \(Self.words(artifact)), and \(source.key) takes a \(wanted)",
                remedy: "ofa artifacts list --kind \(source.role.made.rawValue) shows those")
        }
        return source.role
    }

    /// Turns an error of `body` into one about the key that names the artifact.
    private func said<Value>(
        _ source: NamedSource, _ code: PipelineError.Code, _ body: () throws -> Value
    ) throws -> Value {
        do {
            return try body()
        } catch let error as PostgresError {
            throw error
        } catch let error as any Remedied {
            throw source.error(
                "names \(source.value): \(error.reason)", remedy: error.remedy, code: code)
        }
    }

    private func check(_ artifact: Artifact, _ role: ArtifactRole, _ parameters: StageParameters)
        throws
    {
        let id = artifact.id.description
        switch role {
        case .supernet, .teacher:
            let known = try metadata(Origin.self, artifact)
            var newHead = false
            if role == .supernet, case .train(let train) = parameters {
                newHead = train.newHead == true
            }
            try check(known, artifact, besidesClasses: newHead)
            domains[id] = known.trained
            normalizations[id] = known.normalization
        case .subnet:
            let figures = try metadata(NetworkFigures.self, artifact)
            try check(Origin(figures.definition), artifact, besidesClasses: false)
            devices[id] = figures.target
            normalizations[id] = figures.input?.normalization
        case .choice:
            let choice = try content(Choice.self, artifact)
            try space.checkOrigin(of: "its networks", choice.space, choice.definition)
            devices[id] = choice.device
        case .samples:
            let samples = try content(AccuracySamples.self, artifact)
            try space.checkOrigin(of: "its networks", samples.space, samples.definition)
        case .predictor:
            let bytes = try BlobStore(connection).get(artifact.digest)
            let predictor = try PredictorStore.read(artifact, bytes)
            try predictor.checkDomain(space: predictor.trainedPart(of: space), resolutions: [])
        case .dataset, .testImages: try checkImages(artifact)
        case .latencyTable, .energyTable: try checkTable(artifact, parameters)
        case .datasetShard, .importRecord, .calibrationPlot, .evaluation, .report: return
        }
    }

    /// Checks that a table is one of the device's batch size and, for a search, of the run's space. A measurement reuses
    /// the entries of a table of its own space and measures anew otherwise.
    private func checkTable(_ artifact: Artifact, _ parameters: StageParameters) throws {
        let devices = DeviceStore(connection)
        switch parameters {
        case .measureDevice(let measurement):
            try devices.checkTable(artifact, for: measurement.device)
        case .search(let search):
            try devices.checkTable(artifact, for: search.device)
            try metadata(TableOrigin.self, artifact).check(artifact, space)
            let sizes = try devices.table(artifact.id).resolutions
            guard sizes.contains(where: space.resolutions.contains) else {
                throw PipelineError(
                    .mismatch,
                    "it has image sizes \(SearchSpace.listed(sizes)); space \(space.name) has"
                        + " \(SearchSpace.listed(space.resolutions))",
                    remedy: "measure a table for this space")
            }
        default: return
        }
    }

    /// The recorded origin of a supernet or of a network.
    private struct Origin: Decodable {
        var space: String?
        var definition: SearchSpace?
        var trained: TrainedDomain?
        var normalization: PixelNormalization?

        init(_ definition: SearchSpace?) { self.definition = definition }
    }

    private func check(_ origin: Origin, _ artifact: Artifact, besidesClasses: Bool) throws {
        guard let other = origin.definition else {
            guard let name = origin.space, name != space.name, !besidesClasses else { return }
            throw PipelineError(
                .mismatch,
                "it is a \(artifact.kind) of space \(name), and this run's space is \(space.name)",
                remedy: "use the space that it was made in: space: \(name)")
        }
        guard let difference = try space.apart(from: other, besidesClasses: besidesClasses) else {
            return
        }
        let onlyClasses = try space.apart(from: other, besidesClasses: true) == nil
        throw PipelineError(
            .mismatch,
            "it is a \(artifact.kind) of space \(other.name), which is not this run's space \(space.name):"
                + " \(difference)",
            remedy: onlyClasses && artifact.kind == ArtifactRole.supernet.rawValue
                ? "new_head: true goes on with other classes"
                : "use the space that it was made in: ofa artifacts show \(artifact.id)")
    }

    /// Checks channels and classes of pictures. The stage that reads images of one size checks theirs.
    private func checkImages(_ artifact: Artifact) throws {
        guard let manifest = try manifest(of: artifact) else { return }
        guard manifest.channels == space.inputChannels, manifest.classes.count <= space.classes
        else {
            throw PipelineError(
                .mismatch,
                "it has \(manifest.channels) channels and \(manifest.classes.count) classes; space \(space.name)"
                    + " takes \(space.inputChannels) and \(space.classes)",
                remedy:
                    "name a data set like the one that the supernet was trained on, or give the space as many"
            )
        }
    }

    private func metadata<Value: Decodable>(_ type: Value.Type, _ artifact: Artifact) throws
        -> Value
    {
        try DeviceSearch.metadata(type, artifact)
    }

    private func content<Value: Decodable>(_ type: Value.Type, _ artifact: Artifact) throws -> Value
    {
        let bytes = try BlobStore(connection).get(artifact.digest)
        return try JSONText.decode(
            type, from: String(decoding: bytes, as: UTF8.self), what: "artifact \(artifact.id)")
    }
}

/// A blob that a run needs from the moment when it is enqueued.
struct SourceBlob: Sendable {
    /// The digest.
    let digest: Digest
    /// The error, about the key that names the artifact, if the bytes are not stored.
    let missing: PipelineError
}

extension PipelineDefinition {
    /// Protects the bytes of the artifacts that the file names until the transaction of `connection` ends; call this in
    /// the transaction that enqueues the run, which protects them from then on. The artifacts must have been looked up.
    /// Errors: `missingInput` if bytes were collected since then.
    public func holdArtifacts(_ connection: Connection) throws {
        precondition(!needsArtifacts, "artifacts that have not been looked up")
        let store = BlobStore(connection)
        // The order is the same for all, so that two concurrent enqueues cannot deadlock.
        let blobs = Dictionary((sourceBlobs ?? []).map { ($0.digest.hex, $0) }) { first, _ in first
        }
        for (_, blob) in blobs.sorted(by: { $0.key < $1.key }) {
            guard try store.hold(blob.digest) else { throw blob.missing }
        }
    }
}
