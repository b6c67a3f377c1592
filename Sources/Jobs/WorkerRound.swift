// WorkerRound: one round of a worker: end what is done and claim the next jobs in one round trip, then run
// them one after the other. How many it claims follows from how short the jobs are.
import Foundation
import Postgres

/// The jobs a worker has in hand; used by the worker's thread only.
struct WorkerRound {
    /// Several jobs are claimed at once only as long as they take about so long together, in seconds:
    /// what waits in one worker's hands waits for it alone.
    static let secondsInHand = 0.05

    /// How often a process of several workers looks for jobs that have to run alone, in seconds.
    static let quarantineSeconds = 5.0

    private let queue: JobQueue
    private let board: WorkerBoard
    private let options: WorkerOptions
    private let registry: [String: any JobHandler]
    private let observer: (any AttemptObserver)?

    private var inHand: [WorkerBoard.Held] = []
    /// An attempt that is done and not written down yet.
    private struct Done {
        let lease: Lease
        let ending: Ending
    }

    /// All of them simple completions.
    private var done: [Done] = []
    private var size = 1
    private var lookedForQuarantine = 0.0
    /// Seconds that a job takes, lately.
    private var secondsEach = 0.0

    init(
        queue: JobQueue, board: WorkerBoard, options: WorkerOptions,
        registry: [String: any JobHandler], observer: (any AttemptObserver)?
    ) {
        self.queue = queue
        self.board = board
        self.options = options
        self.registry = registry
        self.observer = observer
    }

    /// True when something is done and not written down yet.
    var hasEndings: Bool { !done.isEmpty }

    // MARK: End and claim

    /// Writes down what is done and claims the next jobs of these kinds (none: claims nothing); false
    /// when it got none.
    mutating func endAndClaim(_ session: Session, _ kinds: [String]) throws -> Bool {
        board.beginClaim()
        defer { board.endClaim() }
        let request = ClaimRequest(
            kinds: kinds, run: options.runID, limit: size, alone: true)
        let leases: [Lease]
        if kinds.isEmpty {
            try writeDown()
            leases = []
        } else if let budget = options.budget {
            try clearForQuarantine(budget, kinds)
            var isWritten = false
            leases = try budget.claim(kinds: kinds, limit: size) { room in
                var request = request
                (request.kinds, request.limit) = (room.kinds, min(request.limit, room.jobs))
                (request.threads, request.memoryMB) = (room.threads, room.memoryMB)
                request.alone = room.alone
                let leases = try claim(session, request)
                isWritten = true
                return leases
            }
            if isWritten { forgetDone() } else { try writeDown() }
        } else {
            leases = try claim(session, request)
            forgetDone()
        }
        inHand = board.begin(leases, ttlSeconds: options.ttlSeconds)
        return !inHand.isEmpty
    }

    /// Looks now and then whether a job waits that has to run alone, which a busy process would never be.
    private mutating func clearForQuarantine(_ budget: HostBudget, _ kinds: [String]) throws {
        let now = board.clock()
        guard now - lookedForQuarantine > Self.quarantineSeconds else { return }
        lookedForQuarantine = now
        if try queue.hasQuarantined(run: options.runID, kinds: kinds) { budget.clear() }
    }

    /// Ends what is done and claims in one transaction, again after a lost connection: a claim whose answer was
    /// lost left orphans, which are given back first. The server may not even have begun with it: those
    /// that come later are the lease keeper's to find.
    private func claim(_ session: Session, _ request: ClaimRequest) throws -> [Lease] {
        var isFirst = true
        var open = done
        let (queue, board) = (queue, board)
        return try queue.connection.withReconnect(
            options.reconnectPolicy, giveUp: { board.isDraining && open.isEmpty }
        ) { _ in
            if !isFirst {
                board.claimWasCutOff(seconds: options.cutOffSeconds)
                try queue.releaseOrphans(session, known: board.view.held.map(\.lease))
            }
            isFirst = false
            let (answers, leases) = try queue.endAndClaim(session, open.map(\.ending), request)
            let fenced = zip(open, answers).filter { $1 == .fenced }.map(\.0.ending)
            open = []
            try giveBack(fenced, session.uuid)
            return leases
        }
    }

    /// Writes down what is done.
    private mutating func writeDown() throws {
        if done.isEmpty { return }
        let session = done[0].lease.sessionUUID
        let answers = try queue.end(done.map(\.ending), session: session)
        let fenced = zip(done, answers).filter { $1 == .fenced }.map(\.0.ending)
        forgetDone()
        try giveBack(fenced, session)
    }

    private mutating func forgetDone() {
        let leases = done.map(\.lease)
        board.end(leases)
        done = []
    }

    /// Gives back jobs whose end was refused: somebody else has them, or nobody does, because the lease was
    /// over for a while and its session lives on.
    private func giveBack(_ fenced: [Ending], _ session: String) throws {
        if fenced.isEmpty { return }
        let answers = try queue.end(
            fenced.map { Ending(job: $0.job, token: $0.token, Self.lapsed) }, session: session)
        for (one, answer) in zip(fenced, answers) { reportFenced(one.job, answer) }
    }

    private static let lapsed = Ending.Kind.released(reason: lapsedReason, crashed: false)
    private static let lapsedReason = "the lease was over before the end"

    private func reportFenced(_ job: JobID, _ answer: CompletionAnswer) {
        let what = answer == .fenced ? "was taken over" : "is given back, its lease was over"
        options.report("\(options.name): job \(job) \(what); nothing of this attempt is kept")
    }

    // MARK: Work

    /// Runs the jobs in hand, one after the other.
    mutating func workOff() throws {
        let began = board.clock()
        var count = 0
        while !inHand.isEmpty {
            let held = inHand.removeFirst()
            if board.isDraining, count > 0 {
                try giveBackRest([held] + inHand)
                break
            }
            let ended = try attempt(held)
            // It runs no more, whether that is written down or not.
            options.budget?.free(held.lease)
            if let ended {
                done.append(ended)
                // Others may wait for these results while a longer job follows.
                if board.clock() - began > 4 * Self.secondsInHand { try writeDown() }
            } else {
                board.end([held.lease])
            }
            count += 1
        }
        let each = (board.clock() - began) / Double(max(1, count))
        secondsEach = secondsEach == 0 ? each : 0.7 * secondsEach + 0.3 * each
        let fitting = Int(min(1e6, Self.secondsInHand / max(1e-9, secondsEach)))
        size = max(1, min(options.prefetch, fitting, size * 4))
    }

    /// Gives back what was claimed and not begun.
    private mutating func giveBackRest(_ rest: [WorkerBoard.Held]) throws {
        let reason = JobInterruption.draining.description
        inHand = []
        guard let session = rest.first?.lease.sessionUUID else { return }
        _ = try queue.end(
            rest.map { Ending($0.lease, .released(reason: reason, crashed: false)) },
            session: session)
        board.end(rest.map(\.lease))
        if let budget = options.budget { for held in rest { budget.free(held.lease) } }
    }

    /// Runs a job's handler; returns how it ended where that can be written down with others, nil
    /// where it is written.
    private func attempt(_ held: WorkerBoard.Held) throws -> Done? {
        let (lease, signal) = (held.lease, held.signal)
        let context = JobContext(
            lease: lease, connection: queue.connection,
            threads: lease.threads > 0 ? lease.threads : options.threads, signal: signal,
            queue: JobQueue(queue.connection, policy: options.reconnectPolicy))
        let outcome = Result<JobOutput, any Error> {
            guard let handler = registry[lease.kind] else {
                throw JobsError(.notFound, "no handler for jobs of kind \(lease.kind)")
            }
            // It may have been cancelled while it waited in hand.
            try context.stopIfCancelled()
            try observer?.start(lease)
            let output = try handler.run(context)
            try UnstorableOutput.check(output)
            return output
        }
        do {
            try queue.connection.withReconnect(options.reconnectPolicy) { _ in
                try LeaseKeeper.writeNotes(queue, lease, signal)
            }
        } catch let error as PostgresError where !error.isConnectionLoss {
            // The job's outcome matters more than what it said on the way.
            options.report(
                "\(options.name): the log of job \(lease.jobID) was not written: \(error)")
        }
        if case .success(let output) = outcome, output.fanOut == nil, output.inTransaction == nil {
            let use = try observer?.end(lease, outcome: .completed)
            return Done(
                lease: lease, ending: Ending(lease, .completed(result: output.result), use: use))
        }
        if try end(lease, outcome, signal) == .fenced {
            let use = try observer?.end(lease, outcome: .released)
            let answer = try queue.release(lease, reason: Self.lapsedReason, use: use)
            reportFenced(lease.jobID, answer)
        }
        return nil
    }

    /// Writes how the attempt ended.
    private func end(
        _ lease: Lease, _ outcome: Result<JobOutput, any Error>, _ signal: AttemptSignal
    ) throws -> CompletionAnswer {
        func used(_ outcome: AttemptOutcome) throws -> AttemptUse? {
            try observer?.end(lease, outcome: outcome)
        }
        do {
            let output = try outcome.get()
            return try queue.complete(
                lease, result: output.result, fanOut: output.fanOut, use: try used(.completed),
                inTransaction: output.inTransaction)
        } catch {
            // A handler that stops on demand may throw anything; the demand decides what it means.
            switch (error as? JobInterruption) ?? signal.interruption {
            case .cancelled:
                return try queue.finishCancelled(lease, use: try used(.cancelled))
            case .draining:
                return try queue.release(
                    lease, reason: JobInterruption.draining.description,
                    use: try used(.released))
            case .fenced:
                return try queue.release(
                    lease, reason: JobInterruption.fenced.description,
                    use: try used(.released))
            case .timedOut, .stalled:
                let interruption = (error as? JobInterruption) ?? signal.interruption ?? .timedOut
                return try queue.fail(
                    lease, error: interruption.description, use: try used(.failed))
            case nil:
                return try fail(lease, error)
            }
        }
    }

    private func fail(_ lease: Lease, _ error: any Error) throws -> CompletionAnswer {
        if let lost = error as? PostgresError, lost.isConnectionLoss || lost.isReadOnly {
            // The database went away under the handler: not its fault, but not for ever either.
            return try queue.release(
                lease, reason: lost.message, crashed: true,
                use: try observer?.end(lease, outcome: .released))
        }
        return try queue.fail(
            lease, error: "\(error)", retry: !(error is any PermanentError),
            use: try observer?.end(lease, outcome: .failed))
    }
}
