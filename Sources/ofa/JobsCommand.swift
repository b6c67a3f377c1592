// `ofa jobs`: lists the jobs of the queue, optionally only those of one run, state or kind.

import ArgumentParser
import Artifacts
import Foundation
import Jobs
import Pipelines

/// Lists jobs.
struct JobsCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "jobs",
        abstract: "The jobs of the queue: of the newest runs, of one run, in one state.",
        discussion: """
            Example:
              ofa jobs --run 3
              ofa jobs --state discarded --json

            Discarded jobs are the dead letters: they failed permanently or too often, or crashed their workers too \
            often. ofa job show prints the reason, ofa job retry makes them available again.
            """)

    /// The run whose jobs are listed; nil for the newest runs.
    @Option(
        name: .customLong("run"), help: ArgumentHelp("Only jobs of this run.", valueName: "run"),
        completion: .runs, transform: Number.id)
    var runID: Int64?
    /// The state of the listed jobs; nil for all states.
    @Option(
        help: ArgumentHelp("Only jobs in this state: \(JobState.listed).", valueName: "state"),
        completion: Word.completion(JobState.self), transform: Word.one(of: JobState.self))
    var state: JobState?
    /// The kind of the listed jobs; nil for all kinds.
    @Option(
        help: "Only jobs of this kind.", completion: .stageKinds,
        transform: Word.name(of: StageKind.self))
    var kind: String?
    /// The maximum number of jobs to print.
    @Option(help: "The most jobs shown.", transform: Number.whole(1...1_000_000)) var limit = 1000
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the jobs: those of the newest run first, and the jobs of each run in the order of its stages.
    mutating func run() throws {
        let queue = JobQueue(try database.connectToExisting())
        if let runID, let dropped = StatusText.dropped(try queue.run(runID)) {
            Output.note("run \(runID): \(dropped)")
        }
        let jobs = try queue.jobs(run: runID, state: state, kind: kind, limit: limit)
        try Output.answer(try jobs.map { try JobDocument($0) }, output) {
            var table = Table(
                .number("JOB"), .number("RUN", .medium), .text("STAGE"), .text("KIND", .low),
                .text("STATE"), .number("DONE", .medium), .number("ATTEMPTS", .low),
                .number("LOST", .low), .text("MESSAGE", least: 24))
            table.rows = jobs.map { job in
                [
                    String(job.id), String(job.runID), job.stage, job.kind,
                    job.isQuarantined ? "quarantined" : job.state.rawValue,
                    job.state == .running ? StatusText.percent(job.fraction ?? 0) : "",
                    String(job.attempts),
                    String(job.lost),
                    job.reason ?? (job.state == .running ? job.message ?? "" : ""),
                ]
            }
            try Output.table(table)
        }
    }
}

extension JobState {
    /// All states as a list, for help and errors.
    static var listed: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

/// The JSON form of a job.
struct JobDocument: Encodable {
    /// The job's number and its run's number.
    let id, run: Int64
    /// The job's stage, kind, queue and state.
    let stage, kind, queue, state: String
    /// The job's concurrency key.
    let key: String?
    /// The job's priority, and the processors and megabytes that the job reserves.
    let priority, threads, memory_mb: Int
    /// The time limits of an attempt in seconds: in total, and without progress.
    let timeout_seconds, stall_seconds: Double?
    /// Whether workers crashed while they ran the job; such a job is then run alone.
    let quarantined: Bool
    /// `attempts` counts the attempts begun, and `lost` those that ended with the loss of their worker. The job is
    /// discarded after `max_attempts` failed attempts; lost and released attempts do not count. `crashes` counts worker
    /// crashes during the job; checkpoints and full hours of an attempt reduce this number.
    let attempts, max_attempts, lost, crashes: Int
    /// The job's progress, in 0...1.
    let progress: Double?
    /// The job's latest progress message, and the reason why the job failed or was cancelled.
    let message, reason: String?
    /// The times at which the current attempt began, the job ended, and the next attempt is due.
    let started_at, ended_at, due_at: Date?
    /// The times at which the current attempt times out and counts as stalled.
    let deadline_at, stall_at: Date?
    /// Whether the job's worker was asked to stop the job.
    let cancel_requested: Bool
    /// The job's result.
    let result: JSONValue?

    /// Makes the document of a job; dates are encoded in ISO 8601.
    init(_ job: JobDetails) throws {
        id = job.id
        run = job.runID
        stage = job.stage
        kind = job.kind
        queue = job.queue
        state = job.state.rawValue
        key = job.key
        priority = job.priority
        threads = job.threads
        memory_mb = job.memoryMB
        timeout_seconds = job.timeoutSeconds
        stall_seconds = job.stallSeconds
        quarantined = job.isQuarantined
        attempts = job.attempts
        max_attempts = job.maxAttempts
        lost = job.lost
        crashes = job.crashes
        progress = job.fraction
        message = job.message
        reason = job.reason
        started_at = job.startedAt
        ended_at = job.endedAt
        due_at = job.dueAt
        deadline_at = job.deadlineAt
        stall_at = job.stallAt
        cancel_requested = job.isCancelRequested
        result = job.result.map { JSONValue(stored: $0) }
    }
}
