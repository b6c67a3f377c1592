// The worker that `ofa worker` and the commands with `RunWatch` run in this process. SIGTERM and Ctrl-C drain the
// worker: running jobs end, or save a checkpoint and are released. A second signal kills the process.

import Accounting
import Dispatch
import Foundation
import Jobs
import Pipelines
import Postgres
import Synchronization

/// The worker of this process and its thread.
final class WorkSession: Sendable {
    private let worker: Worker
    private let failures = Mutex<[String]>([])
    private let running: DispatchGroup
    private let wasAsked = Atomic<Bool>(false)
    private let target: OpenLineageTarget?
    private let url: String

    /// Whether the worker is draining.
    var isDraining: Bool { wasAsked.load(ordering: .acquiring) }

    /// The worker's first failure; nil if the worker has not failed.
    var failure: String? { failures.withLock(\.first) }

    /// Starts a worker with the resources of `room`. `connection` is used only during this call. `beforeStart` gets the
    /// worker and its meter; if it throws, nothing is started.
    init(
        databaseURL: String, connection: Connection, room: HostRoom, kinds: [String]? = nil,
        run: RunID? = nil, untilIdle: Bool,
        told: (@Sendable (JobEvent) -> Void)? = nil,
        beforeStart: (Worker, AttemptMeter) throws -> Void = { _, _ in }
    ) throws {
        let threads = room.threadsEach
        let factors = try FactorSet.load(connection)
        let stated = try HostLedger(connection).this().stated?.setting ?? HostSetting()
        let meter = try AttemptMeter(
            zone: try factors.zone(
                environment: ProcessInfo.processInfo.environment, stated: stated.zone),
            threadsPerAttempt: threads,
            reader: try LiveHostReader(
                database: try CostLedger(connection).key(), stated: stated.rating))
        target = try Environment.openLineage()
        url = databaseURL
        var duties = [Duty.collection]
        if let target { duties.append(.openLineage(to: target, code: Version().code)) }
        let registry = StageRegistry.handlers(
            cache: BlobCache(folder: DatabaseOptions.home + "/cache"), code: Version().code)
        worker = try Worker(
            databaseURL: databaseURL, registry: registry,
            options: WorkerOptions(
                kinds: kinds, slots: room.slots, offers: room.offers + StageKind.offers,
                duties: duties,
                threads: threads,
                prefetch: room.prefetch, budget: room.budget, ttlSeconds: room.leaseSeconds,
                name: "worker", untilIdle: untilIdle, runID: run,
                limits: room.limits, told: told,
                report: { Output.note($0, .warning) }),
            observer: meter)
        try beforeStart(worker, meter)
        running = DispatchGroup()
        running.enter()
        Thread.detachNewThread { [running, worker, self] in
            do {
                try worker.run()
            } catch {
                let problem = Output.describe(error)
                failures.withLock { $0.append(problem) }
                Output.note("the worker stopped: \(problem)", .error)
            }
            running.leave()
        }
    }

    /// Waits at most `seconds` for the end of the worker; returns whether the worker has ended.
    func wait(seconds: Double) -> Bool { running.wait(timeout: .now() + seconds) == .success }

    /// Drains the worker and waits until the worker has ended.
    func drain() {
        wasAsked.store(true, ordering: .releasing)
        worker.requestDrain()
        running.wait()
    }

    /// How long this process sends events after its work is done, and waits for an answer, in seconds.
    private static let sendingSeconds = 5.0

    /// Sends the OpenLineage events that the worker's duty has not sent yet, if events are to be sent, for a few seconds.
    /// Call this after the worker has ended. A failure is a note: the next worker sends what is left.
    func sendEvents() {
        guard let target else { return }
        let clock = ContinuousClock()
        let end = clock.now + .seconds(Self.sendingSeconds)
        var isLate = false
        do {
            let connection = try Connection(url: url, applicationName: "ofa openlineage")
            defer { connection.close() }
            _ = try OpenLineageDelivery(
                connection, to: target, code: Version().code, answerSeconds: Self.sendingSeconds,
                report: { Output.note($0) }
            ).send {
                isLate = clock.now > end
                return isLate
            }
            if isLate {
                Output.note("OpenLineage events that are not sent yet are left to the next worker")
            }
        } catch {
            Output.note("OpenLineage events are left to the next worker: \(Output.describe(error))")
        }
    }

    /// Calls `body`. During the call, SIGTERM or Ctrl-C drains the worker, and a second signal kills the process.
    func withSignals<Result>(_ body: () throws -> Result) rethrows -> Result {
        try StopSignals.whileWorking(
            { [self] in
                wasAsked.store(true, ordering: .releasing)
                Output.note("stopping: saving what can be saved (again to stop at once)")
                worker.requestDrain()
            }, body)
    }
}
