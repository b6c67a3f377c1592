// The status of the queue: runs, stages, jobs, attempts, and the audit of its counters.
import Foundation
import Postgres
import Schema

extension JobQueue {
    /// Returns a run with its stages, read in one round trip. Errors: `notFound`.
    public func runStatus(_ id: RunID) throws -> RunStatus {
        let answers = try connection.withReconnect(policy) {
            try $0.pipeline([.runGet(run: id), .runStages(run: id)])
        }
        let summary = try Self.run(id, answers.first?.first)
        let rows = answers.last ?? []
        return RunStatus(
            run: summary, stages: try rows.map(Self.stage),
            asOf: try rows.first?.date("as_of") ?? summary.createdAt)
    }

    /// Returns one run. Errors: `notFound`.
    public func run(_ id: RunID) throws -> RunSummary {
        try Self.run(id, try ask(.runGet(run: id)).first)
    }

    private static func run(_ id: RunID, _ row: Row?) throws -> RunSummary {
        guard let row else {
            throw JobsError(
                .notFound, "there is no run \(id)", remedy: "`ofa status --all` lists the runs")
        }
        return try summary(row)
    }

    /// Returns the newest runs, newest first.
    public func runs(limit: Int = 50) throws -> [RunSummary] {
        try ask(.runList(most: limit)).map(Self.summary)
    }

    /// Returns one job. Errors: `notFound`; the error says whether the job may have been dropped.
    public func job(_ id: JobID) throws -> JobDetails {
        if let row = try ask(.jobGet(job: id)).first { return try Self.details(row) }
        if let dropped = try ask(.jobDropped(job: id)).first {
            let month = try dropped.int("month"), day = try dropped.date("closed_at")
            throw JobsError(
                .notFound,
                "there is no job \(id): the jobs of runs of \(month / 100)-\(month % 100 < 10 ? "0" : "")\(month % 100)"
                    + (try dropped.bool("others") ? " and other months" : "")
                    + " were dropped on \(day.formatted(.iso8601.year().month().day()))",
                remedy:
                    "ofa queue retention says how long they are kept; `ofa status --all` lists the runs, which stay"
            )
        }
        throw JobsError(.notFound, "there is no job \(id)", remedy: "`ofa jobs` lists the jobs")
    }

    /// Returns the arguments of a job as JSON text; nil if they are unknown. The arguments of
    /// dropped jobs are known if the jobs made artifacts.
    public func arguments(of id: JobID) throws -> String? {
        try ask(.jobArguments(job: id)).first?.json("args")
    }

    /// Returns up to `limit` jobs, newest run first. `run`, `state` and `kind` select jobs; nil
    /// selects all.
    public func jobs(
        run: RunID? = nil, state: JobState? = nil, kind: String? = nil, limit: Int = 1000
    ) throws -> [JobDetails] {
        // Cancelled and discarded jobs are found through table outcome, waiting and running jobs
        // through table live. There are few such jobs compared with all jobs.
        let numbers: Request =
            switch state {
            case nil: .jobNumbers(run: run, kind: kind, most: limit)
            case .completed: .jobNumbersCompleted(run: run, kind: kind, most: limit)
            case .blocked: .jobNumbersBlocked(run: run, kind: kind, most: limit)
            case .cancelled?, .discarded?:
                .jobNumbersBad(state: state?.rawValue ?? "", run: run, kind: kind, most: limit)
            case .available?, .scheduled?, .running?, .retryable?:
                .jobNumbersLive(state: state?.rawValue ?? "", run: run, kind: kind, most: limit)
            }
        let jobs = try ask(numbers).map { try $0.int64("id") }
        if jobs.isEmpty { return [] }
        return try ask(.jobsOf(jobs: jobs)).map(Self.details)
            .filter { state == nil || $0.state == state }
    }

    /// Returns the attempts at a job, oldest first.
    public func attempts(of job: JobID) throws -> [AttemptRecord] {
        try ask(.jobAttempts(job: job)).map { row in
            AttemptRecord(
                token: try row.int64("token"), attempt: try row.int("attempt"),
                worker: try row.text("worker"), host: try row.text("host"),
                startedAt: try row.date("started_at"), endedAt: try row.optionalDate("ended_at"),
                outcome: try row.optionalText("outcome").flatMap(AttemptOutcome.init),
                error: try row.optionalText("error"))
        }
    }

    /// Returns the queues that are paused or have jobs that run or wait (other than blocked jobs).
    public func queues() throws -> [QueueSummary] {
        try ask(.queueList).map { row in
            QueueSummary(
                name: try row.text("name"), isPaused: try row.bool("paused"),
                available: try row.int("available"), quarantined: try row.int("quarantined"),
                scheduled: try row.int("scheduled"), retryable: try row.int("retryable"),
                running: try row.int("running"))
        }
    }

    /// Returns the results (JSON texts) of the completed jobs of a stage, in order. A fan-out is
    /// represented by its continuation or, without one, by its children. Errors: `notFound` if the
    /// run has no such stage.
    public func results(run: RunID, stage: String) throws -> [String] {
        guard try ask(.stageExists(run: run, stage: stage)).first?.bool("present") == true else {
            throw JobsError(.notFound, "run \(run) has no stage \(stage)")
        }
        return try ask(.stageResults(run: run, stage: stage)).map { try $0.json("result") }
    }

    /// If `job` is the continuation of a fan-out, returns the results of the fan-out's children, in
    /// order.
    public func childResults(of job: JobID) throws -> [String] {
        try ask(.childResults(job: job)).map { try $0.json("result") }
    }

    /// Returns whether a worker for jobs of `kinds` may still get a job; with `run`, only jobs of this run count. A
    /// waiting job counts if it fits `threads` and `memoryMB`, requires only capabilities in `offers`, and is neither
    /// in a paused queue nor under a concurrency key with limit 0. Every running job counts, because other jobs may be
    /// released when it ends.
    public func hasJobsInSight(
        run: RunID?, kinds: [String], threads: Int? = nil, memoryMB: Int? = nil,
        offers: [String] = []
    ) throws -> Bool {
        try ask(
            .jobsInSight(
                run: run, kinds: kinds, threads: threads, memoryMb: memoryMB, offers: offers)
        ).first?.bool("present") ?? false
    }

    /// Returns whether a quarantined job of `kinds` is available; with `run`, only jobs of this run
    /// count.
    public func hasQuarantined(
        run: RunID?, kinds: [String], offers: [String] = []
    ) throws -> Bool {
        try ask(.jobsQuarantined(kinds: kinds, offers: offers, run: run))
            .first?.bool("present") ?? false
    }

    /// Recounts the counters of the queue and checks its invariants. Each returned line is a
    /// violation.
    public func audit() throws -> [String] {
        try ask(.audit).map { "\(try $0.text("subject")): \(try $0.text("problem"))" }
    }

    // MARK: Rows

    private static func summary(_ row: Row) throws -> RunSummary {
        let state = try row.text("state")
        guard let known = RunSummary.State(rawValue: state) else {
            throw JobsError(.wrongState, "run state \(state) is not known to this program")
        }
        return RunSummary(
            id: try row.int64("id"), name: try row.text("name"), state: known,
            isCancelRequested: try row.bool("cancel_requested"),
            definitionHash: try row.text("definition_hash"), definition: try row.text("definition"),
            createdAt: try row.date("created_at"), endedAt: try row.optionalDate("ended_at"),
            jobsDroppedAt: try row.optionalDate("jobs_dropped_at"))
    }

    static func details(_ row: Row) throws -> JobDetails {
        let state = try row.text("state")
        guard let known = JobState(rawValue: state) else {
            throw JobsError(.wrongState, "job state \(state) is not known to this program")
        }
        return JobDetails(
            id: try row.int64("id"), runID: try row.int64("run_id"),
            groupID: try row.int64("group_id"),
            stage: try row.text("stage"), ordinal: try row.int("ordinal"),
            kind: try row.text("kind"),
            args: try row.json("args"), queue: try row.text("queue"),
            priority: try row.int("priority"), key: try row.optionalText("key"),
            threads: try row.int("threads"), memoryMB: try row.int("memory_mb"),
            timeoutSeconds: try row.optionalDouble("timeout_seconds"),
            stallSeconds: try row.optionalDouble("stall_seconds"), state: known,
            attempt: try row.int("attempt"), attempts: try row.int("attempts"),
            lost: try row.int("lost"), crashes: try row.int("crashes"),
            maxAttempts: try row.int("max_attempts"),
            dueAt: try row.optionalDate("due_at"), startedAt: try row.optionalDate("started_at"),
            deadlineAt: try row.optionalDate("deadline_at"),
            stallAt: try row.optionalDate("stall_at"),
            endedAt: try row.optionalDate("ended_at"),
            isQuarantined: try row.int("crashes") > 0 && known == .available,
            isCancelRequested: try row.optionalBool("cancel") ?? false,
            result: try row.optionalJSON("result"), reason: try row.optionalText("reason"),
            fraction: try row.optionalDouble("fraction"), message: try row.optionalText("message"))
    }

    private static func stage(_ row: Row) throws -> StageStatus {
        var counts: [String: Int] = [:]
        for state in JobState.allCases {
            let count = try row.int(state.rawValue)
            if count > 0 { counts[state.rawValue] = count }
        }
        let jobs = try row.int("jobs")
        let endedAt = try row.optionalDate("fired_at")
        return StageStatus(
            name: try row.text("stage"), state: state(counts: counts, hasEnded: endedAt != nil),
            needs: try row.textArray("needs"), counts: counts, jobs: jobs,
            progress: jobs == 0 ? 0 : min(1, try row.double("done") / Double(jobs)),
            message: try row.optionalText("message"), attempts: try row.int("attempts"),
            failures: try row.int("failures"), lost: try row.int("lost"),
            startedAt: try row.optionalDate("started_at"), endedAt: endedAt,
            attemptSeconds: try row.double("seconds"), problem: try row.optionalText("problem"))
    }

    /// Returns the state of a stage, given the number of its jobs by state.
    static func state(counts: [String: Int], hasEnded: Bool) -> StageStatus.State {
        func has(_ state: JobState) -> Bool { counts[state.rawValue, default: 0] > 0 }
        if hasEnded {
            return has(.discarded) ? .failed : has(.cancelled) ? .cancelled : .completed
        }
        if has(.running) { return .running }
        if has(.retryable) { return .retryable }
        if has(.scheduled) { return .scheduled }
        if has(.available) { return .available }
        return .blocked
    }
}
