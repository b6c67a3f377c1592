// Bytes that are damaged or gone, and how they are made again: the stage that made an artifact runs once more on the
// artifacts that it had read. The same bytes have the same digest, and putting them replaces what is damaged.

import Artifacts
import Foundation
import Jobs
import Postgres

/// Stored bytes that something refers to.
public struct BlobReference: Sendable, Equatable {
    /// What refers to them.
    public enum Owner: Sendable, Equatable {
        /// An artifact.
        case artifact(Artifact)
        /// A checkpoint of a job.
        case checkpoint(JobQueue.CheckpointReference)
    }

    /// What refers to them.
    public let owner: Owner
    /// Their digest.
    public let digest: Digest

    /// The bytes of an artifact.
    public init(_ artifact: Artifact) {
        owner = .artifact(artifact)
        digest = artifact.digest
    }

    /// The bytes of a checkpoint.
    public init(_ checkpoint: JobQueue.CheckpointReference) throws {
        owner = .checkpoint(checkpoint)
        digest = try Digest(bytes: checkpoint.digest)
    }

    /// In a few words, for lists.
    public var name: String {
        switch owner {
        case .artifact(let artifact): artifact.name
        case .checkpoint(let one):
            "checkpoint \(one.seq) of job \(one.job) (\(one.stage), run \(one.run))"
        }
    }
}

/// Makes bytes again.
public struct Healing {
    /// What can be done for an artifact.
    public enum Remedy: Sendable, Equatable {
        /// A run of one stage makes its bytes again, if the stage is deterministic on this machine.
        case run(RunSpec)
        /// Nothing here can; why, and what to do instead where that is known.
        case none(String, remedy: String?)
    }

    private let connection: Connection
    private let queue: JobQueue

    /// Heals what is stored in this connection's database.
    public init(_ connection: Connection) {
        self.connection = connection
        queue = JobQueue(connection)
    }

    /// Everything that refers to stored bytes: all artifacts, oldest first, and the checkpoints of jobs.
    public func references() throws -> [BlobReference] {
        try ArtifactStore(connection).list().map { BlobReference($0) }
            + queue.checkpointReferences().map { try BlobReference($0) }
    }

    /// An artifact and all that it was made from, oldest first: what is read comes before what is made of it.
    public func ancestry(_ artifact: Artifact) throws -> [Artifact] {
        try Lineage(connection).up(artifact.id, limit: 1_000_000).artifacts.sorted {
            $0.id < $1.id
        }
    }

    /// Whether the stage that made an artifact read this input itself.
    public func reads(_ artifact: Artifact, _ input: Artifact) throws -> Bool {
        try Lineage(connection).up(artifact.id).edges.contains {
            $0.output == artifact.id && $0.input == input.id
        }
    }

    /// How the bytes of an artifact come back; its inputs must be whole.
    public func remedy(for artifact: Artifact) throws -> Remedy {
        guard let producer = artifact.producer else {
            return .none(
                "it was brought, no stage made it",
                remedy: "bring the same file again (ofa device add, ofa predictor import)"
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
        var arguments = try JSONText.decode(
            StageArguments.self, from: args, what: "job \(producer.job)'s arguments")
        arguments.part = nil
        let read = try Lineage(connection).up(artifact.id).edges.filter {
            $0.output == artifact.id
        }
        arguments.inputs = [:]
        for edge in read {
            if let role = ArtifactRole(rawValue: edge.role) {
                arguments.inputs[role] = .artifact(edge.input.description)
            }
        }
        let definition = try JSONText.encode(arguments)
        return .run(
            RunSpec(
                name: "heal-\(artifact.id)", definition: definition,
                definitionHash: Digest.of(Array(definition.utf8)).hex,
                stages: [StageSpec(name: arguments.stage, job: try arguments.job())]))
    }

    /// Whether a run heals an artifact: its definition is not a pipeline but the arguments of one stage.
    public static func isHealing(_ run: RunSummary) -> Bool {
        run.name.wholeMatch(of: /heal-[0-9]+/) != nil && run.definition.hasPrefix("{")
    }

    /// What a stage made that was run again, where that is not what it was to make.
    public func made(by run: RunID, insteadOf artifact: Artifact) throws -> Artifact? {
        try ArtifactStore(connection).list(run: run, kind: artifact.kind)
            .first { $0.role == artifact.role && $0.digest != artifact.digest }
    }

    /// What an artifact's metadata says about the engine that made it.
    private struct Engine: Decodable {
        let instructionSet, blasCore: String?
        let threads: Int?
        let segments: [TrainStage.Segment]?
    }

    /// How the engine that made an artifact differs from that of `other`, in words; nil where none is recorded.
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

    /// Forgets a damaged checkpoint: its job goes on from the one before, or from its beginning.
    public func forget(_ checkpoint: JobQueue.CheckpointReference) throws {
        try queue.forgetCheckpoint(
            checkpoint.job, name: checkpoint.name, seq: checkpoint.seq)
    }
}
