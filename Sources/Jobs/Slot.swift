// Slot: a thread that runs handlers, one job after the other. It takes jobs from the `WorkerBoard`
// and hands the outcomes of their attempts to the producer. A slot has its own connection to the
// database only for handlers that ask for a connection, and for jobs whose completion needs several
// round trips.
import Foundation
import Postgres
import Synchronization

/// One handler thread of a worker. Only that thread uses the object.
final class Slot {
    /// The stack size of the thread, in bytes.
    static let stackBytes = 64 << 20
    /// The slot's connection is closed after this many seconds without use.
    static let idleSeconds = 10.0

    private let number: Int
    private let databaseURL: String
    private let registry: [String: any JobHandler]
    private let options: WorkerOptions
    private let observer: (any AttemptObserver)?
    private let board: WorkerBoard
    private let budget: HostBudget
    private var connection: Connection?

    init(
        number: Int, databaseURL: String, registry: [String: any JobHandler],
        options: WorkerOptions, observer: (any AttemptObserver)?, board: WorkerBoard,
        budget: HostBudget
    ) {
        self.number = number
        self.databaseURL = databaseURL
        self.registry = registry
        self.options = options
        self.observer = observer
        self.board = board
        self.budget = budget
    }

    /// The error that stopped a slot, and the job that the slot ran.
    struct Stopped: Error {
        let held: WorkerBoard.Held
        let cause: any Error
    }

    /// Runs jobs until the worker stops. Throws `Stopped` for an error that the job's handler did
    /// not cause.
    func run() throws {
        var finished: Finished?
        while true {
            if let held = board.next(slot: number, after: finished) {
                finished = try work(held)
                continue
            }
            finished = nil
            guard board.waitForJob(slot: number, seconds: Self.idleSeconds) else { return }
            if case .waiting = board.work.slots[number] { closeIfIdle() }
        }
    }

    private var askedAt = 0.0

    /// How long statements of handlers are retried while the database is unavailable.
    private var policy: ReconnectPolicy {
        var policy = options.handlerPolicy
        policy.giveUp = { [board] in board.isPatienceOver }
        return policy
    }

    private func closeIfIdle() {
        guard board.clock() - askedAt >= Self.idleSeconds else { return }
        connection = nil
    }

    // MARK: A job

    /// Runs a job's handler; returns how the attempt ended. Throws `Stopped`.
    func work(_ held: WorkerBoard.Held) throws -> Finished {
        let began = board.clock()
        held.signal.begin()
        do {
            var finished = try attempt(held)
            budget.free(held.lease)
            finished.seconds = board.clock() - began
            return finished
        } catch {
            budget.free(held.lease)
            throw Stopped(held: held, cause: error)
        }
    }

    private func attempt(_ held: WorkerBoard.Held) throws -> Finished {
        let (lease, signal) = (held.lease, held.signal)
        let context = JobContext(
            lease: lease, threads: lease.threads > 0 ? lease.threads : options.threads,
            signal: signal, policy: policy,
            connect: { [self] in try connect(signal) })
        let outcome = Result<JobOutput, any Error> {
            guard let handler = registry[lease.kind] else {
                throw JobsError(.notFound, "no handler for jobs of kind \(lease.kind)")
            }
            // The job may have been cancelled after it was prefetched.
            try context.stopIfCancelled()
            try observer?.start(lease)
            let output = try handler.run(context)
            try UnstorableOutput.check(output)
            return output
        }
        switch outcome {
        case .success(let output) where output.fanOut != nil || output.inTransaction != nil:
            return try complete(held, output)
        case .success(let output):
            return try finished(
                held, .completed, .completed(result: output.result), output.records)
        case .failure(let error): return try failed(held, error)
        }
    }

    /// Returns how an attempt ended; the producer writes this outcome to the database, with others
    /// in a batch.
    private func finished(
        _ held: WorkerBoard.Held, _ outcome: AttemptOutcome, _ kind: Ending.Kind,
        _ records: [Request] = []
    ) throws -> Finished {
        if case .failed(let reason, let pause) = kind {
            let isLast = pause == nil || held.lease.attempt >= held.lease.maxAttempts
            options.told?(.failed(held.lease, reason: reason, isLast: isLast))
        }
        let use = try observer?.end(held.lease, outcome: outcome)
        return Finished(
            held: held, ending: Ending(held.lease, kind, use: use),
            notes: JobQueue.notes(of: held.lease, held.signal.takeNotes()), records: records)
    }

    /// Completes a job whose completion needs several round trips. The slot completes such a job
    /// itself: if the producer did, the other attempts that the producer has to end would wait.
    private func complete(_ held: WorkerBoard.Held, _ output: JobOutput) throws -> Finished {
        let notes = JobQueue.notes(of: held.lease, held.signal.takeNotes())
        let use = try observer?.end(held.lease, outcome: .completed)
        do {
            let queue = JobQueue(try connect(held.signal), policy: policy)
            queue.reportIfPossible(observer, options)
            // `complete` executes the statements in `records` after it has recorded the completion,
            // in the same transaction.
            let answer = try queue.complete(
                held.lease, result: output.result, fanOut: output.fanOut, use: use,
                records: output.records
            ) { connection in
                for note in notes { try connection.execute(note) }
                try output.inTransaction?(connection)
            }
            if answer == .fenced {
                let given = try queue.release(held.lease, reason: Producer.lapsedReason, use: use)
                options.report(Producer.fenced(options.name, held.lease.jobID, given))
            }
            board.count(.completed(result: output.result), answer, of: held)
            return Finished(held: held, ending: nil)
        } catch {
            // If the server refused the completion, only this job fails.
            return try failed(held, error)
        }
    }

    /// Returns how an attempt ended after its handler threw `error`.
    private func failed(_ held: WorkerBoard.Held, _ error: any Error) throws -> Finished {
        // An interrupted handler may throw any error; then the interruption determines how the
        // attempt ends.
        switch (error as? JobInterruption) ?? held.signal.interruption {
        case .cancelled:
            return try finished(held, .cancelled, .cancelled(reason: "cancelled on demand"))
        case .draining:
            return try released(held, JobInterruption.draining.description)
        case .fenced:
            return try released(held, JobInterruption.fenced.description)
        case .timedOut, .stalled:
            let why = (error as? JobInterruption) ?? held.signal.interruption ?? .timedOut
            return try finished(
                held, .failed,
                .failed(error: why.description, pauseSeconds: JobQueue.pauseSeconds(held.lease)))
        case nil:
            if let lost = error as? PostgresError, lost.isConnectionLoss || lost.isReadOnly {
                // The handler could not reach the database for as long as its policy allows. The
                // job is not to blame, so it is released. The release counts as a crash, because
                // the number of crashes is limited and the job must not be released forever.
                connection = nil
                return try released(held, lost.message, crashed: true)
            }
            let pause = error is any PermanentError ? nil : JobQueue.pauseSeconds(held.lease)
            return try finished(held, .failed, .failed(error: "\(error)", pauseSeconds: pause))
        }
    }

    private func released(
        _ held: WorkerBoard.Held, _ reason: String, crashed: Bool = false
    ) throws -> Finished {
        try finished(held, .released, .released(reason: reason, crashed: crashed))
    }

    // MARK: The handler's connection

    /// Returns the slot's connection, which is opened at first use. Opening is retried while the
    /// lease may still be valid.
    private func connect(_ signal: AttemptSignal) throws -> Connection {
        askedAt = board.clock()
        if let connection { return connection }
        var tries = 0
        while true {
            do {
                let opened = try Connection(
                    url: databaseURL, applicationName: "ofa \(options.name) slot \(number + 1)",
                    limits: options.limits)
                connection = opened
                return opened
            } catch let error as PostgresError where error.isConnectionLoss || error.isShortage {
                if signal.isCancelled || board.isPatienceOver { throw error }
                Thread.sleep(forTimeInterval: options.reconnectPolicy.delaySeconds(attempt: tries))
                tries += 1
            }
        }
    }
}
