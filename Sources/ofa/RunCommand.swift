// `ofa run`: enqueues a pipeline, executes the run in this process until its end, and prints the report. After an
// interruption the same command resumes the unfinished run.

import Accounting
import ArgumentParser
import Foundation
import Jobs
import Pipelines
import Postgres

/// Runs a pipeline from start to end.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Enqueue a pipeline and execute it here until it ends.",
        discussion: """
            The file is checked first: unknown keys, wrong types, cycles and missing inputs are errors with their line. \
            A run that was interrupted or killed goes on with the same command, from its last checkpoint.

            A batch that does not fit into memory is trained in parts, by micro_batch: the same gradient as the whole \
            batch, except that batch norm takes its statistics over each part (pipelines/README.md).

            With --deferrable and --deadline it waits for the hours of the lowest carbon intensity (ofa cost when).

            Example:
              ofa run pipelines/fashion-mnist-quick.yaml
              ofa run pipelines/fashion-mnist-quick.yaml --set stages.full.epochs=1 --name short
              ofa run pipelines/pictures-other-classes.yaml --set stages.full.from=artifact:17
              ofa run pipelines/fashion-mnist-quick.yaml --workers 2 --memory-mb 4000 --limit train=1
              ofa run pipelines/ablation-fashion-mnist.yaml --dry-run
            """)

    /// The pipeline file and its overrides.
    @OptionGroup var pipeline: PipelineOptions
    @Option(
        help: "Concurrent jobs in this process; they share its cores.",
        transform: Number.whole(1...64))
    var workers = 1
    @Flag(help: "Check the file and print its stages with their net-epochs; run nothing.")
    var dryRun = false
    /// The resource limits and settings of this process's worker.
    @OptionGroup var host: HostOptions
    /// How lines on standard error look.
    @OptionGroup var log: LogOptions
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    mutating func run() throws {
        let room = try host.room(slots: workers)
        let checked = try pipeline.checked()
        if dryRun {
            try checked.tell(isHere: false)
            return try StagePlan(checked).answer(output)
        }
        let url = try database.url()
        let connection = try database.connect(url)
        let enqueued = try checked.withArtifacts(connection).enqueue(
            connection, isHere: true, workers: workers)
        enqueued.note()
        if !(enqueued.deferred?.waits ?? false) {
            enqueued.noteStart(isAsked: checked.deferral != nil)
        }
        let run = enqueued.run
        try RunWatch(url: url, connection: connection, run: run, room: room).untilEnded()
        let report = try RunReport(connection, run: run, factors: try FactorSet.load(connection))
        try Output.answer(report, output) { try ReportPrinter.show(report) }
        if report.run.state != .completed {
            throw CommandFailure.failed(
                "run \(run) \(report.run.state.rawValue)",
                remedy: "see ofa status \(run); when the cause is fixed, "
                    + "ofa job retry --run \(run) and the same command continue without repeating completed jobs"
            )
        }
        if let unmet = ReportPrinter.unmet(report) { throw CommandFailure.notTrue(unmet) }
    }
}
