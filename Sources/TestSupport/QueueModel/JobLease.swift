// JobLease: the state machine of one job and its leases as a value, without database and clock. JobLease answers every
// event with `done`, `already` or `fenced`, and lists the actions to take. QueueModel uses JobLease.
import Jobs

/// One job from enqueuing to its end.
public struct JobLease: Hashable, Sendable {
    /// The limits given when the job was enqueued; times are whole seconds.
    public struct Limits: Hashable, Sendable {
        /// How many attempts may fail; the last of these failures discards the job.
        public var maxAttempts: Int
        /// How many workers may crash on the job; the next crash discards the job.
        public var maxCrashes: Int
        /// The longest time that an attempt may take.
        public var timeout: Int?
        /// The longest time that an attempt may go without progress.
        public var stall: Int?

        /// Takes the limits; nil means no time limit.
        public init(
            maxAttempts: Int = 3, maxCrashes: Int = 5, timeout: Int? = nil, stall: Int? = nil
        ) {
            self.maxAttempts = maxAttempts
            self.maxCrashes = maxCrashes
            self.timeout = timeout
            self.stall = stall
        }
    }

    /// The lease of a running attempt.
    public struct Hold: Hashable, Sendable {
        /// The attempt's token.
        public let token: Int
        /// The session that holds the lease.
        public let session: Int
        /// When the attempt times out; nil for never.
        public var deadline: Int?
        /// When the attempt counts as stalled; nil for never.
        public var stallAt: Int?
        /// Whether cancellation was requested.
        public var isCancelled = false

        /// The earlier of `deadline` and `stallAt`; nil if neither is set.
        public var limit: Int? { [deadline, stallAt].compactMap { $0 }.min() }
    }

    /// The state of the job.
    public enum State: Hashable, Sendable {
        /// The job waits for other jobs.
        case blocked
        /// The job can be claimed.
        case available
        /// The job waits for its start time.
        case scheduled(due: Int)
        /// An attempt failed, and the job waits for its next attempt.
        case retryable(due: Int)
        /// A worker runs the job under this lease.
        case running(Hold)
        /// The job is done.
        case completed
        /// The job ended on request, or because a dependency failed.
        case cancelled
        /// The job failed permanently or too often, or crashed too many workers.
        case discarded
    }

    /// The credentials that a worker gives with every write.
    public struct Fence: Hashable, Sendable {
        /// The attempt's token.
        public var token: Int
        /// The worker's session.
        public var session: Int
        /// Whether the session has not expired.
        public var isValid: Bool

        /// Takes the credentials; by default the session is valid.
        public init(token: Int, session: Int, isValid: Bool = true) {
            self.token = token
            self.session = session
            self.isValid = isValid
        }
    }

    /// An event of the job.
    public enum Event: Hashable, Sendable {
        /// The job's dependencies have ended; the job may start at `notBefore` or later.
        case free(now: Int, notBefore: Int?)
        /// The job's start time is due.
        case promote(now: Int)
        /// A valid session claims the job with a new token.
        case claim(token: Int, session: Int, now: Int)
        /// The worker sends a heartbeat.
        case beat(Fence)
        /// The worker reports progress.
        case progress(token: Int, now: Int)
        /// The worker completes the job.
        case complete(Fence)
        /// The attempt failed; the job is retried after `pause` seconds, or not at all if `pause` is nil.
        case fail(Fence, now: Int, pause: Int?)
        /// The worker releases the job.
        case release(Fence, crashed: Bool)
        /// The worker stopped on request.
        case finishCancelled(Fence)
        /// Cancellation is requested.
        case cancel
        /// Another worker checks whether the attempt's session has expired.
        case rescue(isOver: Bool)
        /// Another worker checks whether a time limit of the attempt passed more than `ttl`, the session's term, ago.
        case deadline(now: Int, ttl: Int, pause: Int?)
        /// The job is retried manually.
        case retry
    }

    /// An action that must follow an event.
    public enum Action: Hashable, Sendable {
        /// Takes a permit for this token.
        case takePermit(token: Int)
        /// Frees the permit of this token.
        case freePermit(token: Int)
        /// Records the outcome of an attempt.
        case record(token: Int, AttemptOutcome)
        /// The job takes its place behind all jobs that are queued already.
        case queue
        /// The job has ended: its group counts it as ended, and its unique key becomes free.
        case count(isOk: Bool)
        /// The job is unfinished again: its group counts it as pending, and the job holds its unique key again.
        case uncount
        /// The worker must stop, for this reason.
        case stop(JobInterruption)
    }

    /// An attempt that has ended: its token, session and outcome.
    public struct Ended: Hashable, Sendable {
        /// The attempt's token.
        public let token: Int
        /// The attempt's session.
        public let session: Int
        /// How the attempt ended.
        public let outcome: AttemptOutcome
    }

    /// An answer and its actions.
    public typealias Step = (answer: CompletionAnswer, actions: [Action])

    /// The limits of the job.
    public let limits: Limits
    /// The state.
    public private(set) var state: State = .blocked
    /// The number of attempts, without released and lost attempts; 0 after the job's end.
    public private(set) var attempt = 0
    /// How many workers crashed on the job; 0 after the job's end.
    public private(set) var crashes = 0
    /// The attempts that have ended, oldest first.
    public private(set) var ended: [Ended] = []

    /// Makes a job, which is blocked at first.
    public init(_ limits: Limits = Limits()) { self.limits = limits }

    /// The lease while the job runs, else nil.
    public var hold: Hold? {
        if case .running(let hold) = state { hold } else { nil }
    }

    /// Whether the job has ended.
    public var hasEnded: Bool {
        switch state {
        case .completed, .cancelled, .discarded: true
        default: false
        }
    }

    /// Applies an event and returns the answer with its actions. An event answered with `fenced` or `already` changes
    /// nothing.
    public mutating func apply(_ event: Event) -> Step {
        switch event {
        case .free(let now, let notBefore): return free(now, notBefore)
        case .promote(let now): return promote(now)
        case .claim(let token, let session, let now): return claim(token, session, now)
        case .beat(let fence): return beat(fence)
        case .progress(let token, let now):
            guard var hold, hold.token == token else { return (.fenced, []) }
            hold.stallAt = limits.stall.map { now + $0 }
            state = .running(hold)
            return (.done, [])
        case .complete(let fence): return end(fence, .completed, late: false) { _ in .completed }
        case .fail(let fence, let now, let pause):
            return end(fence, .failed, late: false) { $0.afterFailure(now, pause) }
        case .release(let fence, let crashed):
            return end(fence, .released, late: true) { $0.givenBack(crashed: crashed) }
        case .finishCancelled(let fence):
            return end(fence, .cancelled, late: false) { _ in .cancelled }
        case .cancel: return cancel()
        case .rescue(let isOver):
            guard let hold, isOver else { return (.fenced, []) }
            return end(hold, .lost) { $0.givenBack(crashed: true) }
        case .deadline(let now, let ttl, let pause):
            guard let hold, let limit = hold.limit, limit + ttl < now else { return (.fenced, []) }
            return end(hold, .failed) { $0.afterFailure(now, pause) }
        case .retry:
            guard state == .cancelled || state == .discarded else { return (.fenced, []) }
            (state, attempt, crashes) = (.blocked, 0, 0)
            return (.done, [.uncount])
        }
    }

    // MARK: Before an attempt

    private mutating func free(_ now: Int, _ notBefore: Int?) -> Step {
        guard state == .blocked else { return (hasEnded ? .fenced : .already, []) }
        if let notBefore, notBefore > now {
            state = .scheduled(due: notBefore)
        } else {
            state = .available
        }
        return (.done, [.queue])
    }

    private mutating func promote(_ now: Int) -> Step {
        switch state {
        case .scheduled(let due) where due <= now, .retryable(let due) where due <= now:
            state = .available
            return (.done, [.queue])
        default: return (.fenced, [])
        }
    }

    private mutating func claim(_ token: Int, _ session: Int, _ now: Int) -> Step {
        guard state == .available else { return (.fenced, []) }
        attempt += 1
        state = .running(
            Hold(
                token: token, session: session, deadline: limits.timeout.map { now + $0 },
                stallAt: limits.stall.map { now + $0 }))
        return (.done, [.takePermit(token: token)])
    }

    private mutating func cancel() -> Step {
        if hasEnded { return (.already, []) }
        guard var hold else {
            (state, attempt, crashes) = (.cancelled, 0, 0)
            return (.done, [.count(isOk: false)])
        }
        if hold.isCancelled { return (.already, []) }
        hold.isCancelled = true
        state = .running(hold)
        return (.done, [.stop(.cancelled)])
    }

    // MARK: An attempt and its end

    private func beat(_ fence: Fence) -> Step {
        guard let hold, hold.token == fence.token, hold.session == fence.session, fence.isValid
        else { return (.fenced, [.stop(.fenced)]) }
        return (.done, hold.isCancelled ? [.stop(.cancelled)] : [])
    }

    /// Ends the attempt of a worker; with `late`, also after the worker's session has expired.
    private mutating func end(
        _ fence: Fence, _ outcome: AttemptOutcome, late: Bool, _ next: (inout JobLease) -> State
    ) -> Step {
        guard let hold, hold.token == fence.token, hold.session == fence.session,
            fence.isValid || late
        else {
            let before = Ended(token: fence.token, session: fence.session, outcome: outcome)
            return (ended.contains(before) ? .already : .fenced, [])
        }
        return end(hold, outcome, next)
    }

    private mutating func end(
        _ hold: Hold, _ outcome: AttemptOutcome, _ next: (inout JobLease) -> State
    ) -> Step {
        var after = next(&self)
        // A job to be cancelled is not retried.
        if hold.isCancelled, outcome != .completed { after = .cancelled }
        state = after
        ended.append(Ended(token: hold.token, session: hold.session, outcome: outcome))
        var actions: [Action] = [
            .record(token: hold.token, outcome), .freePermit(token: hold.token),
        ]
        if hasEnded {
            (attempt, crashes) = (0, 0)
            actions.append(.count(isOk: after == .completed))
        } else if after == .available {
            actions.append(.queue)
        }
        return (.done, actions)
    }

    private mutating func afterFailure(_ now: Int, _ pause: Int?) -> State {
        guard let pause, attempt < limits.maxAttempts else { return .discarded }
        return .retryable(due: now + pause)
    }

    private mutating func givenBack(crashed: Bool) -> State {
        if crashed { crashes += 1 }
        if crashes > limits.maxCrashes { return .discarded }
        attempt -= 1
        return .available
    }
}
