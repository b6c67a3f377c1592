// `ofa artifacts verify` verifies stored bytes; `ofa artifacts heal` recreates damaged or missing bytes.

import ArgumentParser
import Artifacts
import Foundation
import Intake
import Jobs
import Pipelines
import Postgres

/// The states of stored blobs. Each blob is checked once and its state is cached; only `again` repeats a check.
private struct BlobStates {
    private let store: BlobStore
    private var known: [Digest: BlobStore.State] = [:]

    init(_ connection: Connection) { store = BlobStore(connection) }

    mutating func state(of digest: Digest) throws -> BlobStore.State {
        if let state = known[digest] { return state }
        let state = try store.state(of: digest)
        known[digest] = state
        return state
    }

    /// Checks the blob of `digest` again after its healing. Forgets the states of all blobs that were not intact,
    /// because blobs that are stored as recipes of this blob may now be intact too.
    mutating func again(_ digest: Digest) throws -> BlobStore.State {
        known = known.filter { $0.value == .whole }
        return try state(of: digest)
    }
}

extension BlobStore.State {
    /// `ok`, `damaged`, `not here`, `collected` or `unreadable`.
    fileprivate var word: String {
        switch self {
        case .whole: "ok"
        case .damaged: "damaged"
        case .missing: "not here"
        case .collected: "collected"
        case .unreadable: "unreadable"
        }
    }

    /// The problem; nil if the bytes are intact or were collected.
    fileprivate var problem: String? {
        switch self {
        case .whole, .collected: nil
        case .damaged(let problem), .unreadable(let problem): problem
        case .missing: "the bytes are not in this database"
        }
    }
}

/// Reads blobs and compares them with their digests.
struct ArtifactsVerify: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Verifies the stored bytes of an artifact, or of all artifacts and checkpoints.",
        discussion: """
            The exit code is 2 if bytes are damaged, missing, or stored in a form that this version cannot read; ofa \
            artifacts heal recreates them. Bytes that ofa gc collected are reported as collected, not as damage.

            Example:
              ofa artifacts verify
            """)

    /// The result for one artifact or checkpoint.
    struct Finding: Encodable {
        /// The artifact; nil for a checkpoint.
        let artifact: Int64?
        /// The job of a checkpoint; nil for an artifact.
        let job: Int64?
        let name: String
        let digest: Digest
        /// `ok`, `damaged`, `not here`, `collected` or `unreadable`.
        let state: String
        let problem: String?
    }

    /// The artifact to verify; nil for all artifacts and checkpoints.
    @Argument(
        help: "The artifact; by default all artifacts and checkpoints.", completion: .artifacts)
    var artifact: String?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints a line for each artifact and checkpoint; exit code 2 if bytes are damaged, missing or unreadable.
    mutating func run() throws {
        let connection = try database.connectToExisting()
        let chosen =
            if let artifact {
                [BlobReference(try ArtifactsCommand.find(artifact, connection))]
            } else {
                try Healing(connection).references()
            }
        var states = BlobStates(connection)
        var shownAt = ContinuousClock.now
        let findings = try chosen.enumerated().map { index, reference in
            if ContinuousClock.now - shownAt > .seconds(1) {
                Output.progress("verified \(index) of \(chosen.count)")
                shownAt = .now
            }
            return Self.finding(reference, try states.state(of: reference.digest))
        }
        Output.endProgress()
        try Output.answer(findings, output) {
            var table = Table(.number("ARTIFACT"), .text("NAME"), .text("DIGEST"), .text("STATE"))
            table.rows = findings.map {
                [$0.artifact.map(String.init) ?? "-", $0.name, $0.digest.short, $0.state]
            }
            try Output.table(table)
        }
        let bad = findings.filter { $0.problem != nil }
        if let first = bad.first {
            throw CommandFailure.notTrue(
                "\(bad.count) of \(findings.count) are damaged, missing or unreadable; the first, \(first.name): \(first.problem ?? "")",
                remedy:
                    "ofa artifacts heal recreates outputs of stages, and says how to restore the rest"
            )
        }
    }

    private static func finding(_ reference: BlobReference, _ state: BlobStore.State) -> Finding {
        var artifact: Int64?, job: Int64?
        switch reference.owner {
        case .artifact(let one): artifact = one.id.rawValue
        case .checkpoint(let one): job = one.job
        }
        return Finding(
            artifact: artifact, job: job, name: reference.name, digest: reference.digest,
            state: state.word, problem: state.problem)
    }
}

/// Recreates damaged and missing bytes.
struct ArtifactsHeal: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "heal",
        abstract: "Recreates damaged or missing bytes by rerunning the stage that made them.",
        discussion: """
            The stage runs here as a separate run, on the same inputs; damaged inputs are healed first. Bytes are healed \
            if their digest is the same again. Damaged checkpoints are deleted: their jobs resume from the previous \
            ones. A collected artifact is recreated only if it is named, or is needed to recreate a named one. The exit \
            code is 2 if something cannot be healed; the answer says why.

            Example:
              ofa artifacts heal 12
              ofa artifacts heal --all
            """)

    /// The result for one artifact or checkpoint.
    struct Finding: Encodable {
        /// The artifact; nil for a checkpoint.
        let artifact: Int64?
        /// The job of a checkpoint; nil for an artifact.
        let job: Int64?
        let name: String
        /// `healed`, `not healed`, or `forgotten` for a damaged checkpoint, which was deleted.
        let outcome: String
        /// The run that was started to recreate the bytes; nil if none was started.
        let run: RunID?
        /// Why the artifact was not healed; nil if it was healed, and for checkpoints.
        let reason: String?
        /// Another way to restore the bytes, if known.
        let remedy: String?
    }

    /// The artifacts.
    @Argument(help: "The artifacts, by number, name or digest.", completion: .artifacts)
    var artifacts: [String] = []
    /// Whether to heal all damaged or missing bytes, including those of checkpoints.
    @Flag(help: "Everything that is damaged or missing, including checkpoints.") var all = false
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Requires either artifacts or `--all`.
    mutating func validate() throws {
        guard artifacts.isEmpty == all else {
            throw ValidationError("no artifact is given", remedy: "give artifacts, or --all")
        }
    }

    /// Heals each damaged or missing artifact after the artifacts that it was made from, and prints one result for each
    /// damaged or missing artifact and checkpoint.
    mutating func run() throws {
        let url = try database.url()
        let connection = try database.connect(url)
        let healing = Healing(connection)
        var states = BlobStates(connection)
        var findings: [Finding] = []
        for reference in try wanted(healing, &states, connection) {
            let state = try states.state(of: reference.digest)
            let problem: String
            if let damage = state.problem {
                problem = damage
            } else if !all, case .collected(let date) = state {
                problem = "its bytes were collected on \(date.formatted(.iso8601))"
            } else {
                continue
            }
            switch reference.owner {
            case .checkpoint(let checkpoint):
                if case .unreadable = state {
                    // Another version of ofa may be able to read the checkpoint, so it is not deleted.
                    findings.append(
                        Finding(
                            artifact: nil, job: checkpoint.job, name: reference.name,
                            outcome: "not healed", run: nil, reason: problem, remedy: nil))
                    continue
                }
                try healing.forget(checkpoint)
                findings.append(
                    Finding(
                        artifact: nil, job: checkpoint.job, name: reference.name,
                        outcome: "forgotten", run: nil, reason: nil, remedy: nil))
            case .artifact(let artifact):
                Output.note("artifact \(artifact.id) (\(artifact.name)): \(problem)")
                findings.append(
                    try heal(artifact, healing, &states, url: url, connection))
            }
        }
        try answer(findings)
    }

    private func answer(_ findings: [Finding]) throws {
        try Output.answer(findings, output) {
            if findings.isEmpty { return try Output.line("everything is intact") }
            var table = Table(
                .number("ARTIFACT"), .text("NAME"), .text("OUTCOME"), .number("RUN"), .text("WHY"))
            table.rows = findings.map { finding in
                [
                    finding.artifact.map(String.init) ?? "-", finding.name, finding.outcome,
                    finding.run.map(String.init) ?? "-",
                    finding.reason.map { Remedy.joined($0, finding.remedy) } ?? "",
                ]
            }
            try Output.table(table)
        }
        let rest = findings.filter { $0.reason != nil }
        if let first = rest.first {
            throw CommandFailure.notTrue(
                "\(rest.count) not healed; the first, \(first.name): \(first.reason ?? "")",
                remedy: first.remedy)
        }
    }

    /// Returns the artifacts and checkpoints to check; an artifact comes after the artifacts that it was made from. An
    /// ancestor whose bytes were collected is included only if a requested artifact made from it is not intact.
    private func wanted(
        _ healing: Healing, _ states: inout BlobStates, _ connection: Connection
    ) throws -> [BlobReference] {
        if all { return try healing.references() }
        var wanted: Set<ArtifactID> = [], found: [Artifact] = []
        for name in artifacts {
            let named = try ArtifactsCommand.find(name, connection)
            let isWhole = try states.state(of: named.digest) == .whole
            for artifact in try healing.ancestry(named) where wanted.insert(artifact.id).inserted {
                if isWhole, case .collected = try states.state(of: artifact.digest) {
                    wanted.remove(artifact.id)
                } else {
                    found.append(artifact)
                }
            }
        }
        return found.sorted { $0.id < $1.id }.map { BlobReference($0) }
    }

    private func heal(
        _ artifact: Artifact, _ healing: Healing, _ states: inout BlobStates, url: String,
        _ connection: Connection
    ) throws -> Finding {
        func finding(
            _ outcome: String, run: RunID? = nil, _ reason: String? = nil, remedy: String? = nil
        ) -> Finding {
            Finding(
                artifact: artifact.id.rawValue, job: nil, name: artifact.name, outcome: outcome,
                run: run, reason: reason, remedy: remedy)
        }
        for input in try healing.ancestry(artifact) where input.id != artifact.id {
            let state = try states.state(of: input.digest)
            if state.problem != nil {
                return finding(
                    "not healed",
                    "its input artifact \(input.id) (\(input.name)) is \(state.word)")
            }
            // With --all, collected artifacts are not healed, so an artifact made from a collected artifact cannot be
            // healed.
            if case .collected = state, try healing.reads(artifact, input) {
                return finding(
                    "not healed",
                    "artifact \(input.id) (\(input.name)), which it was made from, was collected",
                    remedy: "ofa artifacts heal \(artifact.id) recreates that first")
            }
        }
        switch try healing.remedy(for: artifact) {
        case .none(let reason, let remedy):
            return finding("not healed", reason, remedy: remedy)
        case .run(let spec):
            let queue = JobQueue(connection)
            let run = try EnqueuedRun(spec, queue)
            run.note()
            try RunWatch(url: url, connection: connection, run: run.run).untilEnded()
            guard try queue.run(run.run).state == .completed else {
                let problem = try queue.runStatus(run.run).stages.compactMap(\.problem).first
                return finding(
                    "not healed", run: run.run,
                    "its stage failed" + (problem.map { ": \($0)" } ?? ""),
                    remedy: "see ofa status \(run.run)")
            }
            if try states.again(artifact.digest) == .whole {
                return finding("healed", run: run.run)
            }
            let other = try healing.made(by: run.run, insteadOf: artifact)
            let difference = try other.flatMap { try Healing.difference(artifact, from: $0) }
            return finding(
                "not healed", run: run.run,
                "its stage made different bytes this time"
                    + (other.map { ", artifact \($0.id) (\($0.digest.short))" } ?? "")
                    + ": \(difference ?? "kernels, threads, data or the version of ofa differ from then")"
            )
        }
    }
}
