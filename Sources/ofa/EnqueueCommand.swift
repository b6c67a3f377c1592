// `ofa enqueue`: enqueues a pipeline for workers: now, later, or periodically.

import ArgumentParser
import Foundation
import Jobs
import Pipelines
import Postgres

/// Enqueues a pipeline.
struct EnqueueCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "enqueue",
        abstract: "Enqueue a pipeline and print its run; workers do the rest.",
        discussion: """
            The file is checked as by ofa run. If a run of the same file is unfinished, its number is printed instead.

            With --at the first stages are scheduled for that time. With --every any running worker enqueues the \
            pipeline periodically, first at once or at the time of --at. After times without a running worker, the next \
            worker enqueues one run; a time at which the previous run is unfinished is skipped. A day is 24 hours: the \
            time of day moves when clocks change. ofa queue recurring lists and removes such runs.

            With --deferrable and --deadline (or the keys deferrable and deadline of the file) the run starts in the \
            hours of the lowest carbon intensity, by the forecast of ofa factors import --forecast; ofa cost when says why.

            Example:
              ofa enqueue pipelines/fashion-mnist-quick.yaml
              ofa enqueue pipelines/fashion-mnist-quick.yaml --deferrable --deadline 2026-12-02T08:00+01:00
              ofa enqueue pipelines/fashion-mnist-quick.yaml --every 1d --at 03:00
              ofa worker --until-idle
            """)

    /// The pipeline file and its overrides.
    @OptionGroup var pipeline: PipelineOptions
    /// The period of a recurring run; nil to enqueue once.
    @Option(
        help: ArgumentHelp(
            "Enqueue periodically, such as every 30m, 12h, 1d or 1w.", valueName: "span"),
        transform: Span.read)
    var every: Span?
    /// The earliest start of the run, or the time of the first recurring run; nil for now.
    @Option(
        help: ArgumentHelp(
            "Not before this time: 03:00 for the next such time here, or 2026-12-01T03:00:00Z.",
            valueName: "time"), transform: Moment.read)
    var at: Moment?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Enqueues the pipeline. Standard output gets only the run's number, or the name of a recurring run; notes go to
    /// standard error.
    mutating func run() throws {
        let parsed = try pipeline.checked()
        guard parsed.deferral == nil || every == nil && at == nil else {
            throw CommandFailure.failed(
                "\(parsed.spec.name) is deferrable, and --\(every == nil ? "at" : "every") sets its start",
                remedy: every == nil
                    ? "give --earliest instead of --at"
                    : "its deadline is that of one run: enqueue each from a timer of the system")
        }
        guard every == nil || !parsed.definition.namesArtifacts else {
            throw CommandFailure.failed(
                "\(parsed.spec.name) names artifacts, and nothing keeps their bytes between the runs of --every",
                remedy: "name stages only, or enqueue each run from a timer of the system")
        }
        let connection = try database.connect()
        let checked = try parsed.withArtifacts(connection)
        if let every {
            return try recur(checked, every, connection)
        }
        let scheduled = at.map { checked.starting(at: $0.date, now: Date()) } ?? checked
        let enqueued = try scheduled.enqueue(connection, isHere: false)
        guard at == nil || enqueued.isNew else {
            throw CommandFailure.failed(
                "run \(enqueued.run) of this file is unfinished and continues now: --at has no effect",
                remedy: "wait for it, or end it with ofa cancel \(enqueued.run)",
                code: "wrong_state")
        }
        enqueued.note()
        enqueued.noteStart(isAsked: parsed.deferral != nil)
        try Output.answer(enqueued, output) { try Output.line(String(enqueued.run)) }
    }

    /// Stores the pipeline as a recurring run and prints the name of that run.
    private func recur(_ checked: CheckedPipeline, _ every: Span, _ connection: Connection) throws {
        let queue = JobQueue(connection)
        try checked.tell(isHere: false)
        let before = try queue.recurring().first { $0.name == checked.spec.name }
        try queue.recur(
            checked.spec, everySeconds: every.seconds, startingAt: at?.date,
            alongside: checked.saveDevices)
        let recurring = try queue.recurring().first { $0.name == checked.spec.name }
        guard let recurring else {
            throw CommandFailure.failed("\(checked.spec.name) was removed at the same time")
        }
        if let before {
            Output.note(
                "\(before.name) recurred before: every \(Span.text(before.everySeconds)), next at"
                    + " \(before.nextAt.formatted(.iso8601)); this replaces it")
        }
        Output.note(
            "\(recurring.name): every \(Span.text(recurring.everySeconds)), next at \(recurring.nextAt.formatted(.iso8601))"
        )
        if at != nil,
            let note = every.clockChange(after: recurring.nextAt, zone: try LocalZone.read())
        {
            Output.note("  \(note)")
        }
        try Output.answer(RecurringDocument(recurring), output) { try Output.whole(recurring.name) }
    }
}
