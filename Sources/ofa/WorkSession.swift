// The worker inside this process: what `ofa run`, `ofa worker` and `ofa specialize --wait` share. SIGTERM and Ctrl-C ask
// it to go: a stage saves a checkpoint and gives itself back; a second Ctrl-C ends the process at once.

import Accounting
import Dispatch
import Foundation
import Jobs
import Pipelines
import Postgres
import Synchronization

/// The worker of this process, and the thread it runs on.
final class WorkSession: Sendable {
    private let worker: Worker
    private let failures = Mutex<[String]>([])
    private let running: DispatchGroup
    private let wasAsked = Atomic<Bool>(false)

    /// Whether somebody asked the worker to go.
    var isDraining: Bool { wasAsked.load(ordering: .acquiring) }

    /// What went wrong in the worker, if anything did.
    var failure: String? { failures.withLock(\.first) }

    /// Starts a worker that has what is in `room`; `connection` is only read from before that.
    init(
        databaseURL: String, connection: Connection, room: HostRoom, kinds: [String]? = nil,
        run: RunID? = nil, untilIdle: Bool,
        told: (@Sendable (JobEvent) -> Void)? = nil
    ) throws {
        let threads = room.threadsEach
        let factors = try FactorSet.load(connection)
        let meter = try AttemptMeter(
            zone: try factors.zone(environment: ProcessInfo.processInfo.environment),
            threadsPerAttempt: threads,
            reader: try LiveHostReader())
        let registry = StageRegistry.handlers(
            cache: BlobCache(folder: DatabaseOptions.home + "/cache"))
        worker = try Worker(
            databaseURL: databaseURL, registry: registry,
            options: WorkerOptions(
                kinds: kinds, slots: room.slots, offers: room.offers, duties: [.collection],
                threads: threads,
                prefetch: room.prefetch, budget: room.budget, ttlSeconds: room.leaseSeconds,
                name: "worker", untilIdle: untilIdle, runID: run,
                limits: room.limits, told: told,
                report: { Output.note($0) }),
            observer: meter)
        running = DispatchGroup()
        running.enter()
        Thread.detachNewThread { [running, worker, self] in
            do {
                try worker.run()
            } catch {
                let problem = Output.describe(error)
                failures.withLock { $0.append(problem) }
                Output.note("the worker stopped: \(problem)")
            }
            running.leave()
        }
    }

    /// Waits until the worker has gone, or for so long; says whether it has.
    func wait(seconds: Double) -> Bool { running.wait(timeout: .now() + seconds) == .success }

    /// Asks the worker to go and waits for it.
    func drain() {
        wasAsked.store(true, ordering: .releasing)
        worker.requestDrain()
        running.wait()
    }

    /// Drains on SIGTERM and Ctrl-C while `body` works; a second signal ends the process.
    func withSignals<Result>(_ body: () throws -> Result) rethrows -> Result {
        try StopSignals.whileWorking(
            { [self] in
                wasAsked.store(true, ordering: .releasing)
                Output.note("stopping: saving what can be saved (again to stop at once)")
                worker.requestDrain()
            }, body)
    }
}
