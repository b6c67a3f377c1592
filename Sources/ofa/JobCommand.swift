// `ofa job`: shows one job's state, attempts and log; retries or cancels the job.

import ArgumentParser
import Artifacts
import Foundation
import Jobs
import Pipelines

/// The commands about one job.
struct JobCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "job", abstract: "One job: its attempts, its log; retry it, cancel it.",
        discussion: "Example:\n  ofa job show 12",
        subcommands: [JobShow.self, JobLog.self, JobRetry.self, JobCancel.self])
}

/// Shows one job with its attempts.
struct JobShow: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows a job, its arguments and its attempts.",
        discussion: "Example:\n  ofa job show 12 --json")

    /// The job.
    @Argument(help: "The job's number.", completion: .jobs, transform: Number.id) var id: Int64
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the job; exit code 2 if the job does not exist.
    mutating func run() throws {
        let queue = JobQueue(try database.connectToExisting())
        let job = try queue.job(id)
        let attempts = try queue.attempts(of: id)
        let document = Document(
            job: try JobDocument(job), args: JSONValue(stored: job.args),
            attempts: attempts.map(Attempt.init))
        try Output.answer(document, output) {
            try Output.line(
                "job \(job.id): \(job.kind), stage \(job.stage) of run \(job.runID), \(job.state.rawValue)"
            )
            if let reason = job.reason { try Output.line(reason) }
            for line in Self.terms(job) { try Output.line(line) }
            if job.state == .running, let message = job.message {
                try Output.line("\(StatusText.percent(job.fraction ?? 0)): \(message)")
            }
            try show("arguments", document.args)
            if let result = document.job.result { try show("result", result) }
            var table = Table(
                .number("ATTEMPT"), .text("WORKER", .low), .text("HOST", .medium),
                .text("STARTED", .low, least: 20), .number("TIME", .medium), .text("OUTCOME"),
                .wrapping("ERROR"))
            table.rows = attempts.map { attempt in
                [
                    String(attempt.attempt), attempt.worker, attempt.host,
                    attempt.startedAt.formatted(.iso8601),
                    attempt.endedAt.map { Format.duration($0.timeIntervalSince(attempt.startedAt)) }
                        ?? "",
                    attempt.outcome?.rawValue ?? "running", attempt.error ?? "",
                ]
            }
            if !attempts.isEmpty { try Output.table(table) }
        }
    }

    /// Prints a JSON object as a table with one row per field, or any other value on one line after `name`.
    private func show(_ name: String, _ value: JSONValue) throws {
        guard case .object(let fields) = value else {
            return try Output.line("\(name): \(try Output.jsonText(value))")
        }
        if fields.isEmpty { return }
        var table = Table(.text(name.uppercased()), .wrapping("VALUE"))
        table.rows = try fields.sorted { $0.key < $1.key }.map { key, value in
            if case .string(let text) = value { return [key, text] }
            return [key, try Output.jsonText(value)]
        }
        try Output.table(table)
        try Output.line()
    }

    /// Returns lines that describe how a job is queued: queue, priority, key, reservations, limits and times.
    static func terms(_ job: JobDetails) -> [String] {
        var lane = "queue \(job.queue), priority \(job.priority)"
        if let key = job.key { lane += ", key \(key)" }
        if job.threads > 0 { lane += ", \(job.threads) processors" }
        if job.memoryMB > 0 { lane += ", \(job.memoryMB) MB" }
        var limits = ["up to \(job.maxAttempts) attempts"]
        if let seconds = job.timeoutSeconds { limits.append("\(Format.duration(seconds)) each") }
        if let seconds = job.stallSeconds {
            limits.append("no longer than \(Format.duration(seconds)) without progress")
        }
        var lines = [lane, limits.joined(separator: ", ")]
        func add(_ what: String, _ date: Date?) {
            if let date { lines.append("\(what) \(date.formatted(.iso8601))") }
        }
        add(job.state == .scheduled ? "starts at" : "next attempt at", job.dueAt)
        add("out of time at", job.deadlineAt)
        add("counts as stalled at", job.stallAt)
        if job.isQuarantined { lines.append("workers crashed on it: it will be run alone") }
        return lines
    }

    /// The JSON answer: the job's fields, arguments and attempts.
    private struct Document: Encodable {
        let job: JobDocument
        let args: JSONValue
        let attempts: [Attempt]

        private enum Key: CodingKey { case args, attempts }

        func encode(to encoder: any Encoder) throws {
            try job.encode(to: encoder)
            var fields = encoder.container(keyedBy: Key.self)
            try fields.encode(args, forKey: .args)
            try fields.encode(attempts, forKey: .attempts)
        }
    }

    /// The JSON form of an attempt.
    private struct Attempt: Encodable {
        let token: Int64
        let attempt: Int
        let worker, host: String
        let started_at: Date
        let ended_at: Date?
        let outcome, error: String?

        init(_ record: AttemptRecord) {
            token = record.token
            attempt = record.attempt
            worker = record.worker
            host = record.host
            started_at = record.startedAt
            ended_at = record.endedAt
            outcome = record.outcome?.rawValue
            error = record.error
        }
    }
}

/// Makes jobs available again.
struct JobRetry: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract:
            "Makes a discarded or cancelled job available again, and jobs cancelled because of it.",
        discussion: """
            --kind retries every discarded job of a kind, of all runs: it redrives dead letters once their cause is \
            fixed.

            Example:
              ofa job retry 12
              ofa job retry --run 3
              ofa job retry --kind materialise
            """)

    /// The job.
    @Argument(help: "The job's number.", completion: .jobs, transform: Number.id) var id: Int64?
    /// The run, instead of one job.
    @Option(
        name: .customLong("run"),
        help: ArgumentHelp(
            "Every discarded and cancelled job of this run instead.", valueName: "run"),
        completion: .runs, transform: Number.id)
    var runID: Int64?
    /// The kind, instead of one job.
    @Option(
        help: "Every discarded job of this kind instead, of all runs.", completion: .stageKinds,
        transform: Word.name(of: StageKind.self))
    var kind: String?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Requires exactly one of job, run and kind.
    mutating func validate() throws {
        guard [id != nil, runID != nil, kind != nil].count(where: { $0 }) == 1 else {
            throw ValidationError(
                "no job is named",
                remedy: "give a job's number, or --run and a run's, or --kind and a kind")
        }
    }

    /// Retries the failed or cancelled jobs.
    mutating func run() throws {
        let queue = JobQueue(try database.connectToExisting(takesLong: true))
        if let kind { return try redrive(kind, queue) }
        let run: RunID
        if let id {
            run = try queue.job(id).runID
            try queue.retry(job: id)
        } else if let runID {
            run = try queue.run(runID).id
            guard try queue.retry(run: runID) > 0 else {
                throw CommandFailure.failed(
                    "run \(run) has no discarded or cancelled job: there is nothing to retry")
            }
        } else {
            return
        }
        let available = try queue.jobs(run: run, state: .available).map(\.id)
        try Output.answer(["available": available], output) {
            try Output.line(
                "\(available.count) jobs of run \(run) can start: ofa worker --until-idle runs them"
            )
        }
    }

    /// Makes all discarded jobs (dead letters) of a kind available again, and prints those that cannot be retried.
    private func redrive(_ kind: String, _ queue: JobQueue) throws {
        let redrive = try queue.retry(kind: kind)
        let refused = redrive.refused.sorted { $0.key < $1.key }
        guard !redrive.retried.isEmpty || !refused.isEmpty else {
            throw CommandFailure.notFound(
                "there is no discarded job of kind \(kind)",
                remedy: "ofa jobs --state discarded lists them all"
            )
        }
        let document = Redriven(
            available: redrive.retried,
            refused: refused.map { Redriven.Refused(job: $0.key, reason: $0.value) })
        try Output.answer(document, output) {
            try Output.line(
                "\(redrive.retried.count) jobs can start: ofa worker --until-idle runs them")
        }
        for (_, reason) in refused { Output.note(reason) }
        if redrive.retried.isEmpty {
            throw CommandFailure.failed("no discarded job of \(refused.count) can be retried")
        }
    }

    /// The JSON answer of a redrive.
    private struct Redriven: Encodable {
        struct Refused: Encodable {
            let job: JobID
            let reason: String
        }

        let available: [JobID]
        let refused: [Refused]
    }
}

/// Cancels a job.
struct JobCancel: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Cancels a job and its dependants.",
        discussion: "Example:\n  ofa job cancel 12")

    /// The job.
    @Argument(help: "The job's number.", completion: .jobs, transform: Number.id) var id: Int64
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Ends a waiting job at once, or asks the worker of a running job to stop the job.
    mutating func run() throws {
        let queue = JobQueue(try database.connectToExisting(takesLong: true))
        let answer = try queue.cancel(job: id)
        guard answer != .alreadyEnded else {
            throw CommandFailure.failed(
                "job \(id) has ended already: it is \(try queue.job(id).state.rawValue)")
        }
        try Output.answer(["answer": answer.rawValue], output) {
            try Output.line(
                answer == .cancelled
                    ? "job \(id) is cancelled" : "job \(id) runs: its worker was asked to stop it")
        }
    }
}
