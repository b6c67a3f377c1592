// Works a run in this process and tells on standard error how it goes: what `ofa run`, `ofa
// worker`, `ofa device measure` and `ofa specialize --wait` show while they work.

import Foundation
import Jobs
import Postgres

/// Works one run in this process and shows its progress.
struct RunWatch {
    /// The database of the workers.
    let url: String
    /// The connection that looks at the run.
    let connection: Connection
    /// The run.
    let run: RunID
    /// The workers of this process and what they may take.
    var room = HostRoom()

    /// Returns when the run has ended; throws when the workers were asked to go or could not go on.
    func untilEnded(telling teller: some RunTeller = RunProgress()) throws {
        let session = try WorkSession(
            databaseURL: url, connection: connection, room: room, run: run, untilIdle: false)
        // Once asked to stop, it waits for no database.
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
        try session.withSignals {
            while !session.wait(seconds: 0.5) {
                let status = try connection.withReconnect(policy) { _ in
                    try queue.runStatus(run)
                }
                progress.tell(status)
                if status.run.state != .running { break }
            }
            // The workers may have to wait for the database even now: a signal has to be heard.
            session.drain()
        }
        Output.endProgress()
        if try queue.run(run).state == .running {
            throw CommandFailure.failed(
                session.failure.map { "a worker stopped: \($0)" } ?? "stopped before the end",
                remedy: "the same command goes on from here")
        }
    }
}

/// Something that tells on standard error how a run goes.
protocol RunTeller {
    /// Tells what changed since the last time.
    mutating func tell(_ status: RunStatus)
}

/// Tells how a run goes: a line for every stage that ends or goes wrong, and a progress line.
struct RunProgress: RunTeller {
    private var told: [String: StageStatus.State] = [:]

    /// Tells what changed since the last time.
    mutating func tell(_ status: RunStatus) {
        for stage in status.stages where told[stage.name] != stage.state {
            told[stage.name] = stage.state
            let problem = stage.problem.map { ": \($0)" } ?? ""
            switch stage.state {
            case .completed:
                Output.note("  \(stage.name): done in \(Format.duration(stage.attemptSeconds))")
            case .failed, .retryable, .cancelled:
                Output.note("  \(stage.name): \(stage.state.rawValue)\(problem)")
            default: break
            }
        }
        if let line = line(status) { Output.progress(line) }
    }

    private func line(_ status: RunStatus) -> String? {
        guard let stage = status.stages.first(where: { $0.state == .running }) else { return nil }
        let done = status.stages.count { $0.state == .completed }
        return "[\(done)/\(status.stages.count)] \(StatusText.line(stage, asOf: status.asOf))"
    }
}
