// `ofa reproduce` repeats the stage that made an artifact, and compares the new bytes with those of the artifact.

import ArgumentParser
import Artifacts
import Foundation
import Intake
import Jobs
import Pipelines
import Postgres

/// Repeats the stage that made an artifact.
struct ReproduceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reproduce",
        abstract: "Runs the stage that made an artifact again, and prints the digest.",
        discussion: """
            The stage gets the recorded parameters, seed and inputs. The artifact and its lineage stay as they are, \
            and the new output is not kept. With --check the exit code is 2 if the bytes differ; what is recorded to \
            differ (code, host, instruction set, BLAS core, threads) is listed.

            Examples:
              ofa reproduce 17 --check
              ofa reproduce 17 --set seed=4      # what another seed would have given
            """)

    @OptionGroup var artifact: ArtifactArgument
    @Flag(help: "End with exit code 2 if the bytes differ.")
    var check = false
    @Option(
        help: ArgumentHelp("Another value for this repetition: the seed.", valueName: "seed=n"))
    var set: [String] = []
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    /// The JSON answer.
    struct Answer: Encodable {
        let artifact: Int64
        let name: String
        let digest, reproduced: Digest
        let same_bytes: Bool
        let differences: [String]
        let run: RunID
    }

    /// Returns the seed that `--set` gives; nil without `--set`. Throws for any other use of `--set`.
    private func seed() throws -> UInt64? {
        var seed: UInt64?
        for one in set {
            let parts = one.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, parts[0] == "seed" else {
                throw ValidationError(
                    "--set \(Shown.excerpt(one)): only the seed can be changed",
                    remedy: "write --set seed=4; ofa run FILE --set changes a whole pipeline")
            }
            do { seed = try Number.seed(parts[1]) } catch let error as ValueFault {
                throw ValidationError("--set \(Shown.excerpt(one)): \(error.localizedDescription)")
            }
        }
        return seed
    }

    /// Checks `--set`.
    mutating func validate() throws { _ = try seed() }

    /// Runs the stage and prints both digests.
    mutating func run() throws {
        let url = try database.url()
        let connection = try database.connect(url)
        let found = try ArtifactsCommand.find(artifact.reference, connection)
        let room = HostRoom()
        let reproduction = try Reproduction(
            of: found, seed: try seed(), threads: room.threads, connection)
        let queue = JobQueue(connection)
        let run = try EnqueuedRun(reproduction.spec, queue)
        run.note()
        try RunWatch(url: url, connection: connection, run: run.run, room: room).untilEnded()
        guard try queue.run(run.run).state == .completed else {
            let problem = try queue.runStatus(run.run).stages.compactMap(\.problem).first
            throw CommandFailure.failed(
                "the stage failed" + (problem.map { ": \($0)" } ?? ""),
                remedy: "see ofa status \(run.run)")
        }
        let outcome = try reproduction.outcome(of: run.run, queue)
        let answer = Answer(
            artifact: found.id.rawValue, name: found.name, digest: found.digest,
            reproduced: outcome.digest, same_bytes: outcome.isSame,
            differences: outcome.differences, run: run.run)
        try Output.answer(answer, output) {
            try Output.field("artifact", "\(found.id)  \(found.kind) \(found.name)")
            try Output.field("recorded", "sha256 \(found.digest.hex)")
            try Output.field("reproduced", "sha256 \(outcome.digest.hex)")
            try Output.field("result", outcome.isSame ? "the same bytes" : "other bytes")
            for line in outcome.differences { try Output.field("then, now", line) }
        }
        if check, !outcome.isSame {
            let why = outcome.differences
            throw CommandFailure.notTrue(
                "artifact \(found.id) was not reproduced: "
                    + (why.isEmpty
                        ? "no difference of code, host or engine is recorded"
                        : why.joined(separator: "; ")))
        }
    }
}
