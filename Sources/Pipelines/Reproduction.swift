// Reproduces an artifact: runs the stage that made it again, on the same inputs, and compares the digests. The run
// records no artifacts and stores no outputs, except the records of an import of pictures, which its jobs share and
// which garbage collection removes.

import Artifacts
import Foundation
import Jobs
import Postgres

/// The result of a stage that records no artifacts.
struct Trial: Codable, Sendable, Equatable {
    /// An output of the stage.
    struct Output: Codable, Sendable, Equatable {
        let role, name: String
        let digest: Digest
    }

    let made: [Output]
    let madeBy: Provenance
}

/// A repetition of the stage that made an artifact.
public struct Reproduction: Sendable {
    /// The run of the stage, to be enqueued.
    public let spec: RunSpec
    private let artifact: Artifact
    private let changed: [String]

    /// Prepares the repetition. `seed` replaces the seed of the run; nil keeps it. The stage uses as many threads as then,
    /// if the worker has `threads` of them, because some sums depend on how they are divided. Errors: `missingInput` if
    /// the stage cannot be repeated: no stage made the artifact, its job is unknown, or the bytes of an input or of a
    /// shard of an input were collected; also for records of an import.
    public init(
        of artifact: Artifact, seed: UInt64? = nil, threads: Int, _ connection: Connection
    ) throws {
        self.artifact = artifact
        let what = "artifact \(artifact.id) (\(artifact.name))"
        if artifact.kind == ArtifactRole.importRecord.rawValue {
            throw PipelineError(
                .missingInput,
                "\(what) cannot be reproduced: it is a record that the jobs of an import share",
                remedy: "reproduce the data set: ofa lineage down \(artifact.id) shows it")
        }
        switch try Healing(connection).rerun(of: artifact) {
        case .none(let reason, let remedy):
            throw PipelineError(
                .missingInput, "\(what) cannot be reproduced: \(reason)", remedy: remedy)
        case .stage(var arguments):
            try Self.checkInputs(of: artifact, arguments, connection)
            if let seed, seed != arguments.seed {
                changed = ["seed \(arguments.seed) then, \(seed) now"]
                arguments.seed = seed
            } else {
                changed = []
            }
            arguments.isTrial = true
            if let then = try Provenance.of(artifact)?.threads, then <= threads {
                var terms = arguments.terms ?? StageTerms()
                terms.threads = then
                arguments.terms = terms
            }
            spec = try Healing.run(arguments, name: "reproduce-\(artifact.id)")
        }
    }

    /// Throws `missingInput` if bytes that the stage reads were collected.
    private static func checkInputs(
        of artifact: Artifact, _ arguments: StageArguments, _ connection: Connection
    ) throws {
        func fault(_ input: String, _ remedy: String) -> PipelineError {
            PipelineError(
                .missingInput,
                "artifact \(artifact.id) (\(artifact.name)) cannot be reproduced: \(input), was collected",
                remedy: remedy)
        }
        let lineage = Lineage(connection), blobs = BlobStore(connection)
        let shard = ArtifactRole.datasetShard.rawValue
        for source in try lineage.inputs(of: artifact, hidden: shard) {
            let input = source.artifact
            if try blobs.info(input.digest)?.collectedAt != nil {
                throw fault(
                    "its input, artifact \(input.id) (\(input.name))",
                    "ofa artifacts heal \(input.id) recreates that first")
            }
            // A data set of pictures is a list of shards.
            let above = try lineage.up(input.id, limit: 1_000_000)
            if let edge = above.edges.first(where: {
                $0.output == input.id && $0.role == shard && above.collected[$0.input] != nil
            }) {
                throw fault(
                    "artifact \(edge.input), a shard of its input \(input.id) (\(input.name))",
                    "ofa artifacts heal \(edge.input) recreates that first")
            }
        }
        if case .units(let survey, _, _) = arguments.part,
            try blobs.info(survey)?.collectedAt != nil
        {
            throw fault(
                "the list of pictures of its data set, \(survey.short)", "reproduce the data set")
        }
    }

    /// The outcome of a repetition.
    public struct Outcome: Sendable, Equatable {
        /// The digest of the repeated output.
        public let digest: Digest
        /// Whether the bytes are those of the artifact.
        public let isSame: Bool
        /// The recorded differences between the original attempt and the repetition, such as `seed 3 then, 4 now`.
        public let differences: [String]
    }

    /// Returns the outcome of the completed run `run` of `spec`. Errors: `missingInput` if the stage made no output of
    /// the artifact's role and name.
    public func outcome(of run: RunID, _ queue: JobQueue) throws -> Outcome {
        let trials = try queue.results(run: run, stage: spec.stages[0].name).map {
            try JSONText.decode(Trial.self, from: $0, what: "the result of run \(run)")
        }
        for trial in trials {
            let made = trial.made.first { $0.role == artifact.role && $0.name == artifact.name }
            guard let made else { continue }
            return Outcome(
                digest: made.digest, isSame: made.digest == artifact.digest,
                differences: try changed + differences(trial.madeBy))
        }
        throw PipelineError(
            .missingInput,
            "run \(run) made no \(artifact.role) named '\(artifact.name)'",
            remedy: "ofa job log shows what its stage did")
    }

    private func differences(_ now: Provenance) throws -> [String] {
        guard let then = try Provenance.of(artifact) else {
            let code = now.code?.word ?? "unknown"
            return ["code of an older ofa, which recorded none, then; \(code) now"]
        }
        let pairs: [(String, String?, String?)] = [
            ("code", then.code?.word, now.code?.word), ("host", then.host, now.host),
            ("instruction set", then.instructionSet, now.instructionSet),
            ("BLAS core", then.blasCore, now.blasCore),
            ("threads", "\(then.threads)", "\(now.threads)"),
        ]
        var words = pairs.compactMap { what, then, now -> String? in
            guard let then, let now, then != now else { return nil }
            return "\(what) \(then) then, \(now) now"
        }
        if !now.deterministic { words.append("the stage depends on measured times") }
        return words
    }
}
