// QueueUnderTest: the operations that the PostgreSQL queue and the in-memory model share, so that
// the same tests and random operations run against either.
import Jobs

/// A queue whose clock advances only on request; times are whole seconds. Sessions, runs and attempts are numbered from
/// 1 in order of creation; jobs are named by position.
///
/// The first job of stage `a` of run 1 is `1/a#0`. If this job fans out with a continuation, its children are
/// `1/a#0>#1`, `1/a#0>#2` and so on.
public protocol QueueUnderTest: AnyObject {
    /// Enqueues a run and returns its number; if a run of the same name and definition is
    /// unfinished, returns that run's number.
    func enqueue(_ run: RunSpec) throws -> Int
    /// Opens a session and returns its number.
    func openSession(ttlSeconds: Int) throws -> Int
    /// Closes a session.
    func close(session: Int) throws
    /// Records a heartbeat and returns which of `tokens` are held, cancelled, overdue or stalled;
    /// nil if the session is over.
    func beat(session: Int, holding tokens: [Int]) throws -> BeatAnswer?
    /// Leases jobs; the request's `run` is a run's number here.
    func claim(session: Int, _ request: ClaimRequest) throws -> [Grant]
    /// Ends the attempt `token` and returns the answer.
    func end(token: Int, _ end: AttemptEnd) throws -> CompletionAnswer
    /// Records progress of an attempt; `step` must differ each time.
    func progress(token: Int, step: Int) throws
    /// Ends the attempts whose session has expired, and the attempts that are more than their session's `ttlSeconds`
    /// past a time limit; returns how many attempts it ended.
    func rescue() throws -> Int
    /// Cancels a job.
    func cancel(job: String) throws -> CancelAnswer
    /// Cancels a run.
    func cancel(run: Int) throws
    /// Makes a cancelled or discarded job available again, and reopens the jobs that were cancelled because of this
    /// job.
    func retry(job: String) throws
    /// Reopens all cancelled and discarded jobs of a run; returns how many can start now.
    func retry(run: Int) throws -> Int
    /// Stops claims from a queue.
    func pause(queue: String) throws
    /// Allows claims from a queue.
    func resume(queue: String) throws
    /// Sets how many jobs may use a concurrency key at once.
    func setPermits(key: String, slots: Int) throws
    /// Advances the clock.
    func pass(seconds: Int) throws
    /// Promotes due jobs.
    func promote() throws
    /// Returns the whole visible state.
    func state() throws -> QueueState
    /// Returns the violated invariants; empty if there are none.
    func audit() throws -> [String]
}

/// A claimed job.
public struct Grant: Hashable, Sendable {
    /// The name of the job.
    public var job: String
    /// The attempt's number among all attempts.
    public var token: Int
    /// The attempt's number among the job's attempts, from 1.
    public var attempt: Int
    /// The job's crash count.
    public var crashes: Int

    /// Takes the fields; `token` is counted from 1.
    public init(job: String, token: Int, attempt: Int, crashes: Int) {
        self.job = job
        self.token = token
        self.attempt = attempt
        self.crashes = crashes
    }
}

/// How a worker ends an attempt.
public enum AttemptEnd: Equatable, Sendable {
    /// The attempt completed and may add jobs.
    case completed(FanOut? = nil)
    /// The attempt failed.
    case failed(retry: Bool)
    /// The attempt was released.
    case released(crashed: Bool)
    /// The attempt stopped on request.
    case cancelled
}

/// The response to a heartbeat; attempts are named by their tokens.
public struct BeatAnswer: Hashable, Sendable {
    /// Tokens whose attempts are still running.
    public var held: Set<Int> = []
    /// Tokens of attempts to cancel.
    public var cancelled: Set<Int> = []
    /// Tokens of attempts past their timeout.
    public var overdue: Set<Int> = []
    /// Tokens of stalled attempts.
    public var stalled: Set<Int> = []

    /// Makes an answer of empty sets.
    public init() {}
}

/// The visible state of a queue: a line of text for each object, by name.
public struct QueueState: Equatable, Sendable {
    /// Runs, groups, jobs, permits and the order of available jobs.
    public var lines: [String: String] = [:]

    /// Makes a state without lines.
    public init() {}

    /// Returns the lines that differ between the two states.
    public func differences(from other: QueueState) -> [String] {
        Set(lines.keys).union(other.lines.keys).sorted().compactMap { name in
            let (one, two) = (lines[name] ?? "–", other.lines[name] ?? "–")
            return one == two ? nil : "\(name): \(one) | \(two)"
        }
    }

    /// Returns a run as a line.
    public static func run(state: String, cancelRequested: Bool) -> String {
        state + (cancelRequested ? ", to be cancelled" : "")
    }

    /// Returns a group as a line.
    public static func group(
        pending: Int, ok: Int, bad: Int, dependencies: Int, isReleased: Bool, good: Bool?
    ) -> String {
        let fired = good.map { $0 ? ", fired well" : ", fired badly" } ?? ""
        return "\(pending) pending, \(ok) ok, \(bad) bad, waits for \(dependencies)"
            + (isReleased ? ", released" : "") + fired
    }

    /// Returns a job as a line.
    public static func job(
        state: String, attempt: Int, crashes: Int, due: Int?, token: Int?, isCancelled: Bool,
        tried: [String], hasKey: Bool
    ) -> String {
        "\(state), attempt \(attempt), crashes \(crashes)" + (due.map { ", due \($0)" } ?? "")
            + (token.map { ", token \($0)" } ?? "") + (isCancelled ? ", to be cancelled" : "")
            + (tried.isEmpty ? "" : ", tried \(tried.joined(separator: " "))")
            + (hasKey ? ", holds its key" : "")
    }
}
