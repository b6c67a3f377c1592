// Heals damaged or missing bytes of an artifact: reruns, on the same inputs, the stage that made the artifact. Equal
// bytes have the same digest, and storing them replaces the damaged bytes.

import Artifacts
import Foundation
import Jobs
import Postgres

/// A reference to stored bytes.
public struct BlobReference: Sendable, Equatable {
    /// The referring object.
    public enum Owner: Sendable, Equatable {
        /// An artifact.
        case artifact(Artifact)
        /// A checkpoint of a job.
        case checkpoint(JobQueue.CheckpointReference)
    }

    /// The referring object.
    public let owner: Owner
    /// The digest of the bytes.
    public let digest: Digest

    /// Refers to the bytes of an artifact.
    public init(_ artifact: Artifact) {
        owner = .artifact(artifact)
        digest = artifact.digest
    }

    /// Refers to the bytes of a checkpoint.
    public init(_ checkpoint: JobQueue.CheckpointReference) throws {
        owner = .checkpoint(checkpoint)
        digest = try Digest(bytes: checkpoint.digest)
    }

    /// A short name of the referring object, for lists.
    public var name: String {
        switch owner {
        case .artifact(let artifact): artifact.name
        case .checkpoint(let one):
            "checkpoint \(one.seq) of job \(one.job) (\(one.stage), run \(one.run))"
        }
    }
}

/// Recreates stored bytes.
public struct Healing {
    /// How to heal an artifact.
    public enum Remedy: Sendable, Equatable {
        /// The run of one stage that recreates the artifact's bytes, if the stage is deterministic on this machine.
        case run(RunSpec)
        /// The artifact cannot be recreated: the reason, and an alternative if known.
        case none(String, remedy: String?)
    }

    private let connection: Connection
    private let queue: JobQueue

    /// Heals artifacts of the database of `connection`.
    public init(_ connection: Connection) {
        self.connection = connection
        queue = JobQueue(connection)
    }

    /// Returns all references to stored bytes: those of artifacts, then those of checkpoints of jobs.
    public func references() throws -> [BlobReference] {
        try ArtifactStore(connection).list().map { BlobReference($0) }
            + queue.checkpointReferences().map { try BlobReference($0) }
    }

    /// Returns an artifact and its ancestors in topological order: inputs come first.
    public func ancestry(_ artifact: Artifact) throws -> [Artifact] {
        try Lineage(connection).up(artifact.id, limit: 1_000_000).artifacts.sorted {
            $0.id < $1.id
        }
    }

    /// Returns whether the stage that made `artifact` read `input` directly.
    public func reads(_ artifact: Artifact, _ input: Artifact) throws -> Bool {
        try Lineage(connection).up(artifact.id).edges.contains {
            $0.output == artifact.id && $0.input == input.id
        }
    }

    /// Returns how to recreate the bytes of an artifact, whose inputs must be intact.
    public func remedy(for artifact: Artifact) throws -> Remedy {
        switch try rerun(of: artifact) {
        case .none(let reason, let remedy): .none(reason, remedy: remedy)
        case .stage(let arguments): .run(try Self.run(arguments, name: "heal-\(artifact.id)"))
        }
    }

    /// How to rerun the stage that made an artifact.
    enum Rerun {
        /// The arguments of the stage; their inputs are the artifacts that the stage read.
        case stage(StageArguments)
        /// The stage cannot be run again: the reason, and an alternative if known.
        case none(String, remedy: String?)
    }

    /// Returns the run of one stage.
    static func run(_ arguments: StageArguments, name: String) throws -> RunSpec {
        let definition = try JSONText.encode(arguments)
        return RunSpec(
            name: name, definition: definition,
            definitionHash: Digest.of(Array(definition.utf8)).hex,
            stages: [StageSpec(name: arguments.stage, job: try arguments.job())])
    }

    /// Returns how to rerun the stage that made an artifact.
    func rerun(of artifact: Artifact) throws -> Rerun {
        guard let producer = artifact.producer else {
            return .none(
                "it is user-supplied: no stage made it",
                remedy: "import the same file again (ofa device add, ofa predictor import)"
            )
        }
        switch ArtifactRole(rawValue: artifact.kind) {
        case .latencyTable:
            return .none(
                "a measurement never gives the same numbers twice",
                remedy: "ofa device measure DEVICE --anew makes a new table"
            )
        case .report:
            return .none(
                "a report is written anew", remedy: "ofa report \(producer.run) --html FILE")
        default: break
        }
        guard let args = try queue.arguments(of: producer.job) else {
            return .none(
                "job \(producer.job), which made it, is no longer known", remedy: nil)
        }
        var arguments = try StageArguments.read(args, of: "job \(producer.job)")
        // To recreate a shard, the import job that made the shard runs again; other outputs need the whole stage.
        let isOfOneJob = artifact.kind == ArtifactRole.datasetShard.rawValue
        if !isOfOneJob { arguments.part = nil }
        let read = try Lineage(connection).inputs(
            of: artifact, hidden: ArtifactRole.datasetShard.rawValue)
        arguments.inputs = [:]
        for source in read {
            if let role = ArtifactRole(rawValue: source.role) {
                arguments.inputs[role] = .artifact(source.artifact.id.description)
            }
        }
        return .stage(arguments)
    }

    /// Returns whether a run was made by `remedy` or by `Reproduction`; the definition of such a run is the arguments of
    /// one stage.
    public static func isHealing(_ run: RunSummary) -> Bool {
        run.name.wholeMatch(of: /(?:heal|reproduce)-[0-9]+/) != nil
            && run.definition.hasPrefix("{")
    }

    /// Returns the output of the healing run `run` that differs from `artifact`; nil if the run recreated the artifact.
    public func made(by run: RunID, insteadOf artifact: Artifact) throws -> Artifact? {
        try ArtifactStore(connection).list(run: run, kind: artifact.kind)
            .first {
                $0.role == artifact.role && $0.name == artifact.name
                    && $0.digest != artifact.digest
            }
    }

    /// The numerical engine (kernels, BLAS core, threads) recorded in an artifact's metadata.
    private struct Engine: Decodable {
        let instructionSet, blasCore: String?
        let threads: Int?
        let segments: [TrainStage.Segment]?
    }

    /// Describes how the engine that made `artifact` differs from the engine that made `other`; nil if no difference is
    /// recorded.
    public static func difference(_ artifact: Artifact, from other: Artifact) throws -> String? {
        func engine(_ artifact: Artifact) throws -> Engine {
            try JSONText.decode(
                Engine.self, from: artifact.metadataJSON, what: "artifact \(artifact.id)")
        }
        let (then, now) = (try engine(artifact), try engine(other))
        var words: [String] = []
        func compare(_ what: String, _ then: (some Equatable)?, _ now: (some Equatable)?) {
            guard let then, let now, "\(then)" != "\(now)" else { return }
            words.append("\(what) \(then) then, \(now) now")
        }
        compare("BLAS core", then.blasCore, now.blasCore)
        compare("instruction set", then.instructionSet, now.instructionSet)
        compare("threads", then.threads, now.threads)
        if let parts = then.segments?.count, parts > 1 {
            words.append("it was trained in \(parts) parts on different engines")
        }
        return words.isEmpty ? nil : words.joined(separator: "; ")
    }

    /// Deletes a damaged checkpoint, so that its job resumes from the previous checkpoint, or from the start.
    public func forget(_ checkpoint: JobQueue.CheckpointReference) throws {
        try queue.forgetCheckpoint(
            checkpoint.job, name: checkpoint.name, seq: checkpoint.seq)
    }
}
