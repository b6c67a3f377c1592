// Executes a run in this process and reports its progress on standard error, for `ofa run`, `ofa
// specialize --wait`, `ofa device measure` and `ofa artifacts heal`.

import Accounting
import Foundation
import Jobs
import Postgres

/// Executes one run in this process and shows its progress.
struct RunWatch {
    /// The URL of the database.
    let url: String
    /// The connection that polls the run.
    let connection: Connection
    /// The run.
    let run: RunID
    /// The resources of this process's worker.
    var room = HostRoom()

    /// Executes jobs of the run until the run has ended; throws if the worker stopped before the run's end.
    func untilEnded(telling teller: some RunTeller = RunProgress()) throws {
        let session = try WorkSession(
            databaseURL: url, connection: connection, room: room, run: run, untilIdle: false)
        // After a request to stop, queries do not wait for an unreachable database.
        var policy = ReconnectPolicy()
        policy.giveUp = { session.isDraining }
        let queue = JobQueue(connection, policy: policy)
        for paused in try queue.queues() where paused.isPaused {
            Output.note(
                "queue \(paused.name) is paused: its jobs wait for ofa queue resume \(paused.name)")
        }
        let jobs = try queue.jobs(run: run)
        for permit in try queue.permits()
        where permit.slots == 0 && jobs.contains(where: { $0.key == permit.key }) {
            Output.note(
                "key \(permit.key) has no permits: its jobs wait for ofa queue limit \(permit.key) 1"
            )
        }
        for line in room.misfits(among: jobs) { Output.note(line) }
        var progress = teller
        var hold: String?
        var start = StartTeller()
        try session.withSignals {
            while !session.wait(seconds: 0.5) {
                let status = try connection.withReconnect(policy) { _ in
                    try queue.runStatus(run)
                }
                progress.tell(status)
                if status.run.state != .running { break }
                guard !status.stages.contains(where: { $0.state == .running }) else { continue }
                hold = try connection.withReconnect(policy) { _ in
                    try queue.reachedBudgets(of: run).first { !$0.isSoft }?.reason
                }
                if hold != nil { break }
                start.tell(
                    try connection.withReconnect(policy) { try DeferralLedger($0).deferred(run) })
            }
            // The drain is inside `withSignals`, because the worker may still wait for the database; a second signal
            // must be able to end that wait.
            session.drain()
        }
        session.sendEvents()
        Output.endProgress()
        if let hold {
            throw CommandFailure.failed(
                "run \(run) is held: it used \(hold)",
                remedy:
                    "ofa budget lift, or a larger ofa budget set, lets it go on; then the same command resumes"
            )
        }
        if try queue.run(run).state == .running {
            throw CommandFailure.failed(
                session.failure.map { "a worker stopped: \($0)" } ?? "stopped before the end",
                remedy: "the same command resumes")
        }
    }
}

/// Reports the progress of a run on standard error.
protocol RunTeller {
    /// Reports the changes between the previous call's status and `status`.
    mutating func tell(_ status: RunStatus)
}

/// Reports the progress of a run: a line for every stage that ends or fails, and a progress line.
struct RunProgress: RunTeller {
    private var told: [String: StageStatus.State] = [:]

    /// Reports the changes between the previous call's status and `status`.
    mutating func tell(_ status: RunStatus) {
        for stage in status.stages where told[stage.name] != stage.state {
            told[stage.name] = stage.state
            let problem = stage.problem.map { ": \($0)" } ?? ""
            switch stage.state {
            case .completed:
                Output.note(
                    "  \(stage.name): done in \(Format.duration(stage.attemptSeconds))", .info,
                    about: .run(status.run.id, stage: stage.name))
            // Without a problem a job only waits for its time.
            case .retryable where stage.problem == nil: break
            case .failed, .retryable, .cancelled:
                Output.note(
                    "  \(stage.name): \(stage.state.rawValue)\(problem)", .warning,
                    about: .run(status.run.id, stage: stage.name))
            default: break
            }
        }
        if let line = line(status) { Output.progress(line, about: .run(status.run.id)) }
    }

    private func line(_ status: RunStatus) -> String? {
        guard let stage = status.stages.first(where: { $0.state == .running }) else { return nil }
        let done = status.stages.count { $0.state == .completed }
        return "[\(done)/\(status.stages.count)] \(StatusText.line(stage, asOf: status.asOf))"
    }
}
