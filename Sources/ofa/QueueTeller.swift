// The messages of `ofa worker` on standard error: each stage that the worker starts, each failed attempt, and each
// failed run. The messages follow from the worker's events; the database is queried for a run's state only after a
// failure.

import Foundation
import Jobs
import Postgres
import Synchronization

/// Reports the jobs of one worker.
final class QueueTeller: Sendable {
    /// A job that will not be retried.
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

    /// How many times a run's state is polled after one of its jobs has failed. If the run has not failed by then, only
    /// the job's failure is reported.
    private static let looks = 6

    private let state = Mutex(State())

    /// The runs of all jobs that the worker has claimed so far.
    var seen: Set<RunID> { state.withLock(\.runs) }

    /// Handles an event of the worker; may be called on any thread.
    func hear(_ event: JobEvent) {
        switch event {
        case .claimed(let lease):
            let isNew = state.withLock { state in
                state.runs.insert(lease.runID)
                return state.stages.insert("\(lease.runID) \(lease.stage)").inserted
            }
            if isNew {
                Output.note("run \(lease.runID): \(lease.stage)", .info, about: .attempt(lease))
            }
        case .failed(let lease, let reason, let isLast):
            guard isLast else {
                Output.note(
                    "run \(lease.runID): \(lease.stage): attempt \(lease.attempt) of \(lease.maxAttempts) failed: \(reason)",
                    .warning, about: .attempt(lease))
                return
            }
            state.withLock { $0.failures.append(Failure(lease: lease, reason: reason)) }
        }
    }

    /// Reports jobs that failed and will not be retried. Such a job is reported when its run has failed or has been
    /// polled `looks` times; with `isLast`, at once. Of each failed run only the first job is reported. `connect` is
    /// called only if a job has failed.
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
                    + "job \(job), stage \(failure.lease.stage): \(failure.reason); see ofa job show \(job)",
                .error, about: .attempt(failure.lease))
            return nil
        }
        let later = failures
        state.withLock { $0.failures = later + $0.failures }
    }

    /// Returns the runs that this object reported as failed, without those that were retried since.
    func failed(_ connect: () throws -> Connection) throws -> Set<RunID> {
        let suspects = state.withLock(\.failed)
        if suspects.isEmpty { return [] }
        let connection = try connect()
        defer { connection.close() }
        let queue = JobQueue(connection)
        // After a retry of its job, a run is no longer failed.
        return try suspects.filter { try queue.run($0).state == .failed }
    }
}
