// Reproduces an artifact: reruns, on the same inputs, the stage that made the artifact, and compares the digests. The
// new run records no artifacts, so no other stage reads its outputs, and garbage collection removes their bytes.

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

extension StageArguments {
    /// Whether the job records no artifacts, because it belongs to a trial. The shards of a fan-out record artifacts
    /// even in a trial, because the last job of the stage reads these artifacts.
    var recordsNothing: Bool {
        guard isTrial == true else { return false }
        switch part {
        case .shard, .units: return false
        case .gather, nil: return true
        }
    }
}

/// A repetition of the stage that made an artifact.
public struct Reproduction: Sendable {
    /// The run of the stage, to be enqueued.
    public let spec: RunSpec
    private let artifact: Artifact
    private let changed: [String]

    /// Prepares the repetition. `seed` replaces the seed of the run; nil keeps it. The stage uses as many threads as
    /// the original attempt, if the worker has that many (`threads`), because some sums depend on how they are divided
    /// among threads. Errors: `missingInput` if the stage cannot be repeated: no stage made the artifact, its job is
    /// unknown, or garbage collection has removed an input.
    public init(
        of artifact: Artifact, seed: UInt64? = nil, threads: Int, _ connection: Connection
    ) throws {
        self.artifact = artifact
        let what = "artifact \(artifact.id) (\(artifact.name))"
        switch try Healing(connection).rerun(of: artifact) {
        case .none(let reason, let remedy):
            throw PipelineError(
                .missingInput, "\(what) cannot be reproduced: \(reason)", remedy: remedy)
        case .stage(var arguments):
            let graph = try Lineage(connection).up(artifact.id)
            let read = Set(graph.edges.filter { $0.output == artifact.id }.map(\.input))
            if let gone = graph.artifacts.first(where: {
                read.contains($0.id) && graph.collected[$0.id] != nil
            }) {
                throw PipelineError(
                    .missingInput,
                    "\(what) cannot be reproduced: its input, artifact \(gone.id) (\(gone.name)), was collected",
                    remedy: "ofa artifacts heal \(gone.id) recreates that first")
            }
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
