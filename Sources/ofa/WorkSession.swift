// Workers inside this process: what `ofa run`, `ofa worker` and `ofa specialize --wait` share. SIGTERM and Ctrl-C ask the
// workers to go: a stage saves a checkpoint and gives itself back; a second Ctrl-C ends the process at once.

import Accounting
import Dispatch
import Foundation
import Jobs
import Pipelines
import Postgres
import Synchronization

/// Workers of this process, and the threads they run on.
final class WorkSession: Sendable {
    private let workers: [Worker]
    private let failures = Mutex<[String]>([])
    private let running: DispatchGroup
    private let wasAsked = Atomic<Bool>(false)

    /// Whether somebody asked the workers to go.
    var isDraining: Bool { wasAsked.load(ordering: .acquiring) }

    /// What went wrong in a worker, if anything did.
    var failure: String? { failures.withLock(\.first) }

    /// Starts the workers of `room`, which share what it has.
    init(
        databaseURL: String, connection: Connection, room: HostRoom, kinds: [String]? = nil,
        run: RunID? = nil,
        untilIdle: Bool, keepDays: Int? = nil
    ) throws {
        let threads = room.threadsEach
        let budget = room.budget
        let factors = try FactorSet.load(connection)
        let meter = try AttemptMeter(
            zone: try factors.zone(environment: ProcessInfo.processInfo.environment),
            threadsPerAttempt: threads,
            reader: try LiveHostReader())
        let registry = StageRegistry.handlers(
            cache: BlobCache(folder: DatabaseOptions.home + "/cache"))
        workers = try (1...room.workers).map { number in
            try Worker(
                databaseURL: databaseURL, registry: registry,
                options: WorkerOptions(
                    kinds: kinds, threads: threads, prefetch: room.prefetch, budget: budget,
                    name: "worker-\(number)", untilIdle: untilIdle, runID: run, keepDays: keepDays,
                    report: { Output.note($0) }),
                observer: meter)
        }
        running = DispatchGroup()
        for (number, worker) in workers.enumerated() {
            running.enter()
            Thread.detachNewThread { [running, self] in
                do {
                    try worker.run()
                } catch {
                    let problem = Output.describe(error)
                    failures.withLock { $0.append(problem) }
                    Output.note("worker \(number + 1) of \(workers.count) stopped: \(problem)")
                }
                running.leave()
            }
        }
    }

    /// Waits until every worker has gone, or for so long; says whether they have.
    func wait(seconds: Double) -> Bool { running.wait(timeout: .now() + seconds) == .success }

    /// Asks the workers to go and waits for them.
    func drain() {
        wasAsked.store(true, ordering: .releasing)
        for worker in workers { worker.requestDrain() }
        running.wait()
    }

    /// Drains on SIGTERM and Ctrl-C while `body` works; a second signal ends the process.
    func withSignals<Result>(_ body: () throws -> Result) rethrows -> Result {
        try StopSignals.whileWorking(
            { [self] in
                wasAsked.store(true, ordering: .releasing)
                Output.note("stopping: saving what can be saved (again to stop at once)")
                for worker in workers { worker.requestDrain() }
            }, body)
    }
}
