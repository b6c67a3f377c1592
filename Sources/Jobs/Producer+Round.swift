// One round of the producer, which ends attempts and claims jobs in one transaction. If the server
// refuses the transaction, the attempts are ended one by one, so that only those jobs fail whose
// outcomes the server refuses.
import Foundation
import Postgres

extension PostgresError {
    /// Whether a repetition may succeed: the server is unreachable, read-only or out of resources,
    /// the statement was cancelled, or another transaction conflicted.
    var isPassing: Bool {
        isConnectionLoss || isReadOnly || isRetryable || isShortage || sqlState == "57014"
    }
}

extension Producer {
    static let lapsedReason = "the lease was over before the end"

    /// Returns the report about a job whose outcome was refused because the lease was over;
    /// `answer` is the answer to the release of the job.
    static func fenced(_ worker: String, _ job: JobID, _ answer: CompletionAnswer) -> String {
        let what = answer == .fenced ? "was taken over" : "is released, its lease was over"
        return "\(worker): job \(job) \(what); nothing of this attempt is kept"
    }

    /// Takes the finished attempts from `board` and updates the estimate of job durations.
    mutating func collect() {
        let done = board.takeDone()
        learn(done)
        writing += done
        forget { $0.ending == nil }
    }

    /// Writes the outcomes of the collected attempts, claims jobs that fit into `room`, and queues
    /// these jobs for the slots; returns how many jobs it claimed.
    mutating func round(_ session: Session, _ room: HostBudget.Room?) throws -> Int {
        // The server refuses (fences) the outcome of an attempt of an earlier session. The job is
        // then released, unless another worker has claimed it meanwhile.
        for uuid in Set(writing.map(\.lease.sessionUUID)).subtracting([session.uuid]) {
            try writeOneByOne { $0.lease.sessionUUID == uuid }
        }
        let request = room.map {
            ClaimRequest(
                kinds: $0.kinds, run: options.runID, limit: $0.jobs, threads: $0.threads,
                memoryMB: $0.memoryMB, alone: $0.alone)
        }
        reportEnergy()
        let leases: [Lease]
        do {
            leases = try endAndClaim(session, request)
        } catch let error as PostgresError where !error.isPassing && !writing.isEmpty {
            try writeOneByOne { _ in true }
            leases = try endAndClaim(session, request)
        }
        if let room { budget.take(leases, in: room) }
        board.deal(leases, ttlSeconds: options.ttlSeconds)
        if let told = options.told { for lease in leases { told(.claimed(lease)) } }
        return leases.count
    }

    /// Writes what was metered, if attempts are about to end, so that the energy of an ended attempt is complete.
    private mutating func reportEnergy() {
        guard observer != nil, !writing.isEmpty else { return }
        let now = board.clock()
        guard
            now - reported.at >= reported.seconds / Self.energyShare
                || writing.contains(where: { ($0.seconds ?? 0) >= Self.energySeconds })
        else { return }
        writeEnergy()
    }

    /// Writes what was metered.
    mutating func writeEnergy() {
        let began = board.clock()
        queue.reportIfPossible(observer, options)
        reported = (board.clock(), board.clock() - began)
    }

    /// Adapts the number of jobs that are prefetched per slot to the duration of jobs.
    private mutating func learn(_ done: [Finished]) {
        let seconds = done.compactMap(\.seconds)
        guard !seconds.isEmpty else { return }
        let each = seconds.reduce(0, +) / Double(seconds.count)
        secondsEach = secondsEach == 0 ? each : 0.7 * secondsEach + 0.3 * each
        let fitting = Int(min(1e6, Self.secondsInHand / max(1e-9, secondsEach)))
        size = max(1, min(options.prefetch, fitting, size * Self.growth))
    }

    private mutating func forget(_ isOver: (Finished) -> Bool) {
        board.end(writing.filter(isOver).map(\.lease))
        writing.removeAll(where: isOver)
    }

    private mutating func endAndClaim(_ session: Session, _ request: ClaimRequest?) throws
        -> [Lease]
    {
        let endings = writing.compactMap(\.ending)
        let notes = writing.flatMap(\.notes)
        let records = Request.together(writing.flatMap(\.records))
        guard let request else {
            let answers = try queue.end(
                endings, session: session.uuid, notes: notes, records: records)
            try settle(answers, session.uuid)
            return []
        }
        isClaimUnknown = true
        do {
            let (answers, leases) = try queue.endAndClaim(
                session, endings, notes: notes, records: records, request)
            isClaimUnknown = false
            // If the answers cannot be processed, the claimed jobs are released: otherwise they
            // would stay leased, without a slot that runs them, until the next search for orphans.
            do { try settle(answers, session.uuid) } catch {
                _ = try queue.end(
                    leases.map { Ending($0, .unbegun(reason: "\(error)")) },
                    session: session.uuid)
                throw error
            }
            return leases
        } catch {
            isClaimUnknown = (error as? PostgresError)?.isConnectionLoss ?? false
            throw error
        }
    }

    /// Removes the attempts from `writing`, and releases each job whose outcome was refused
    /// (`fenced`). If another worker has the job, the release does nothing. If the lease had
    /// expired and a heartbeat has renewed the session, only this release frees the job.
    private mutating func settle(_ answers: [CompletionAnswer], _ session: String) throws {
        for (one, answer) in zip(writing, answers) {
            if let ending = one.ending { board.count(ending.kind, answer, of: one.held) }
        }
        let fenced = zip(writing, answers).filter { $1 == .fenced }.map(\.0.lease)
        forget { _ in true }
        try giveBack(fenced, session)
    }

    private func giveBack(_ fenced: [Lease], _ session: String) throws {
        if fenced.isEmpty { return }
        let lapsed = Ending.Kind.released(reason: Self.lapsedReason, crashed: false)
        let answers = try queue.end(fenced.map { Ending($0, lapsed) }, session: session)
        for (lease, answer) in zip(fenced, answers) {
            options.report(Self.fenced(options.name, lease.jobID, answer))
        }
    }

    /// Ends an attempt as failed, because the server refused its real outcome. The usage of the
    /// attempt is recorded unless the server refuses the usage too.
    private func fail(_ one: Finished, refused error: PostgresError) throws -> [CompletionAnswer] {
        // A data or constraint error would recur, so the job is not retried. The exception is a
        // foreign key violation: garbage collection removed the bytes of an artifact, and a retry
        // of the job stores the bytes again.
        let isHopeless =
            ["22", "23"].contains(error.sqlState?.prefix(2) ?? "") && error.sqlState != "23503"
        let failed = Ending.Kind.failed(
            error: "its end was refused: \(error.reason)",
            pauseSeconds: isHopeless ? nil : JobQueue.pauseSeconds(one.lease))
        let session = one.lease.sessionUUID
        do {
            return try queue.end(
                [Ending(one.lease, failed, use: one.ending?.use)], session: session)
        } catch let error as PostgresError where !error.isPassing {
            return try queue.end([Ending(one.lease, failed)], session: session)
        }
    }

    /// Writes the outcomes of the attempts for which `isMeant` returns true, one by one. If the
    /// server refuses an outcome, only the job of that attempt fails.
    private mutating func writeOneByOne(_ isMeant: (Finished) -> Bool) throws {
        while let one = writing.first(where: isMeant), let ending = one.ending {
            let (lease, session) = (one.lease, one.lease.sessionUUID)
            var answers: [CompletionAnswer]
            var kind = ending.kind
            do {
                answers = try queue.end(
                    [ending], session: session, notes: one.notes, records: one.records)
            } catch let error as PostgresError where !error.isPassing {
                options.report(
                    "\(options.name): the end of job \(lease.jobID) was refused: \(error)")
                answers = try fail(one, refused: error)
                kind = .failed(error: error.reason, pauseSeconds: nil)
            }
            if let answer = answers.first { board.count(kind, answer, of: one.held) }
            forget { $0.lease.token == lease.token }
            if answers == [.fenced] { try giveBack([lease], session) }
        }
    }
}
