// What `ofa worker` tells on standard error of its jobs: each stage that it begins, and each run that one of them failed.
// It hears this from the worker itself; only after a failure it asks the database what became of the run.

import Foundation
import Jobs
import Postgres
import Synchronization

/// Tells of the jobs of one worker.
final class QueueTeller: Sendable {
    /// A job that is not tried again.
    private struct Failure {
        let lease: Lease
        let reason: String
        var looks = 0
    }

    private struct State {
        var runs: Set<RunID> = []
        var stages: Set<String> = []
        var failures: [Failure] = []
        var failed: Set<RunID> = []
    }

    /// A run is looked at so often after one of its jobs failed; then the job alone is told.
    private static let looks = 6

    private let state = Mutex(State())

    /// The runs it heard of.
    var seen: Set<RunID> { state.withLock(\.runs) }

    /// Takes note of an event, on any thread.
    func hear(_ event: JobEvent) {
        switch event {
        case .claimed(let lease):
            let isNew = state.withLock { state in
                state.runs.insert(lease.runID)
                return state.stages.insert("\(lease.runID) \(lease.stage)").inserted
            }
            if isNew { Output.note("run \(lease.runID): \(lease.stage)") }
        case .failed(let lease, let reason, let isLast):
            guard isLast else {
                Output.note(
                    "run \(lease.runID): \(lease.stage): attempt \(lease.attempt) of \(lease.maxAttempts) failed: \(reason)"
                )
                return
            }
            state.withLock { $0.failures.append(Failure(lease: lease, reason: reason)) }
        }
    }

    /// Tells what became of the runs with a job that failed, over a connection that is opened only if there are any.
    func tell(isLast: Bool = false, connect: () throws -> Connection) throws {
        var failures = state.withLock { state in
            defer { state.failures = [] }
            return state.failures
        }
        if failures.isEmpty { return }
        let connection = try connect()
        defer { connection.close() }
        let queue = JobQueue(connection)
        failures = try failures.compactMap { failure in
            var failure = failure
            failure.looks += 1
            let run = failure.lease.runID
            let isFailed = try queue.run(run).state == .failed
            guard isFailed || isLast || failure.looks >= Self.looks else { return failure }
            let isKnown = isFailed && !state.withLock { $0.failed.insert(run).inserted }
            if isKnown { return nil }
            let job = failure.lease.jobID
            Output.note(
                (isFailed ? "run \(run) failed: " : "run \(run): ")
                    + "job \(job), stage \(failure.lease.stage): \(failure.reason); see ofa job show \(job)"
            )
            return nil
        }
        let later = failures
        state.withLock { $0.failures = later + $0.failures }
    }

    /// Those of the runs it heard of that have failed.
    func failed(_ connect: () throws -> Connection) throws -> Set<RunID> {
        let suspects = state.withLock(\.failed)
        if suspects.isEmpty { return [] }
        let connection = try connect()
        defer { connection.close() }
        let queue = JobQueue(connection)
        // A job that was retried since makes its run go on.
        return try suspects.filter { try queue.run($0).state == .failed }
    }
}
