// ofa-fault-worker: a worker process for fault tests, with the real queue and handlers that sleep,
// spin, save checkpoints, fan out, crash, or freeze their process.
import Accounting
import ArgumentParser
import Foundation
import Jobs
import Postgres
import Synchronization

/// Runs workers on the queue of the database in `OFA_DATABASE_URL`, with the handlers of
/// `FaultHandler`.
@main
struct FaultWorkerCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "ofa-fault-worker", abstract: "A worker that fault tests kill and stop.",
        discussion: """
            Example:
              OFA_DATABASE_URL=postgresql:///test ofa-fault-worker --ttl-seconds 2 --until-idle
            """)

    /// The workers' name.
    @Option(help: "The workers' name.") var name = "fault"
    /// The number of workers in this process.
    @Option(help: "The number of workers in this process, each with its own session.")
    var workers = 1
    /// The only kinds of jobs to claim, separated by commas; all kinds if not given.
    @Option(help: "Only these kinds, separated by commas.") var kinds: String?
    /// The largest number of jobs prefetched for a slot.
    @Option(help: "The most jobs that are prefetched.") var prefetch = 1
    /// How many seconds a session lasts without a heartbeat.
    @Option(help: "How long a session lasts without a heartbeat, in seconds.") var ttlSeconds = 2.0
    /// The longest polling interval, in seconds.
    @Option(help: "The longest polling interval, in seconds.") var pollSeconds = 0.1
    /// Whether to end when idle.
    @Flag(help: "End when no work is left.") var untilIdle = false
    /// The run whose jobs the workers claim.
    @Option(name: .customLong("run"), help: "Only jobs of this run.") var runID: Int64?
    /// The file that gets a line for each metered attempt; the database gets a meter row as well.
    @Option(help: "A file that gets a line for each metered attempt.") var journal: String?
    /// Whether attempts are metered as those of `ofa` are, in pieces, instead of by the journal.
    @Flag(help: "Meter attempts as ofa does.") var meter = false
    /// The statement timeout in seconds.
    @Option(help: "The longest a statement may run, in seconds.")
    var statementTimeoutSeconds: Double?
    /// The lock timeout in seconds.
    @Option(help: "The longest a statement may wait for a lock, in seconds.")
    var lockTimeoutSeconds: Double?
    /// The idle-in-transaction timeout in seconds.
    @Option(help: "The longest a transaction may wait for its next statement, in seconds.")
    var idleInTransactionTimeoutSeconds: Double?
    /// How many seconds to wait for the server's answer after a statement's time limit.
    @Option(help: "How long to wait for the server after a statement's time limit, in seconds.")
    var answerMarginSeconds: Double?
    /// The longest pause between two attempts to connect, in seconds.
    @Option(help: "The longest pause before another attempt to connect, in seconds.")
    var reconnectSeconds = 0.5

    /// Refuses invalid options.
    mutating func validate() throws {
        guard (1...64).contains(workers) else { throw ValidationError("--workers: 1 to 64") }
        guard ttlSeconds > 0 else { throw ValidationError("--ttl-seconds: more than 0") }
    }

    /// Runs until the workers are drained, until no work is left (with `--until-idle`), or until the test that started
    /// this process has ended.
    mutating func run() throws {
        guard let url = ProcessInfo.processInfo.environment["OFA_DATABASE_URL"] else {
            throw ValidationError("OFA_DATABASE_URL is not set")
        }
        let observer: (any AttemptObserver)? =
            if meter { try Self.meter(url) } else { try journal.map { try JournalMeter(path: $0) } }
        let all = try (0..<workers).map { index in
            try Worker(
                databaseURL: url, registry: FaultHandler.registry, options: options(index),
                observer: observer)
        }
        Self.endWithParent()
        let sources = Self.drain(all)
        defer { for source in sources { source.cancel() } }
        let failure = Mutex<(any Error)?>(nil)
        let threads = DispatchGroup()
        for worker in all {
            threads.enter()
            Thread.detachNewThread {
                do { try worker.run() } catch { failure.withLock { $0 = error } }
                threads.leave()
            }
        }
        threads.wait()
        print("latest beat", all.map(\.latestBeatSeconds).max() ?? 0)
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// Makes the meter of `ofa`'s workers.
    private static func meter(_ url: String) throws -> AttemptMeter {
        let connection = try Connection(url: url, applicationName: "ofa-fault-worker")
        defer { connection.close() }
        return try AttemptMeter(
            zone: FactorSet.usualZone, threadsPerAttempt: 1,
            reader: LiveHostReader(database: try CostLedger(connection).key()))
    }

    private func options(_ index: Int) -> WorkerOptions {
        let usual = WorkerOptions(ttlSeconds: ttlSeconds).limits
        let limits = SessionLimits(
            statementTimeoutSeconds: statementTimeoutSeconds ?? usual.statementTimeoutSeconds,
            lockTimeoutSeconds: lockTimeoutSeconds ?? usual.lockTimeoutSeconds,
            idleInTransactionTimeoutSeconds: idleInTransactionTimeoutSeconds
                ?? usual.idleInTransactionTimeoutSeconds,
            answerMarginSeconds: answerMarginSeconds ?? usual.answerMarginSeconds)
        return WorkerOptions(
            kinds: kinds?.split(separator: ",").map(String.init), prefetch: prefetch,
            pollSeconds: pollSeconds, ttlSeconds: ttlSeconds,
            name: workers == 1 ? name : "\(name) \(index)", untilIdle: untilIdle, runID: runID,
            limits: limits, reconnectPolicy: ReconnectPolicy(maxDelaySeconds: reconnectSeconds))
    }

    /// Makes SIGTERM and SIGINT drain the workers.
    private static func drain(_ workers: [Worker]) -> [any DispatchSourceSignal] {
        [SIGTERM, SIGINT].map { number in
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler { for worker in workers { worker.requestDrain() } }
            source.resume()
            return source
        }
    }

    /// Starts a thread that kills this process when the test that started the process has ended.
    private static func endWithParent() {
        let parent = getppid()
        Thread.detachNewThread {
            while getppid() == parent { Thread.sleep(forTimeInterval: 0.2) }
            kill(getpid(), SIGKILL)
        }
    }
}
