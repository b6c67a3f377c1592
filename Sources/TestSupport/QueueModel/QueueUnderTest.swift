// QueueUnderTest: the queue's operations as PostgreSQL and the model in memory both offer them, so that one
// suite of facts and one storm of random operations can be run against either.
import Jobs

/// A queue whose sessions, runs and attempts are numbered from 1 in the order they were made, whose jobs are
/// named by their place, and whose clock only moves when it is told to; times are whole seconds.
///
/// The first job of stage `a` of run 1 is `1/a#0`; the second child of its fan-out with a job after it is
/// `1/a#0>#2`.
public protocol QueueUnderTest: AnyObject {
    /// Enqueues a run, or finds the unfinished one.
    func enqueue(_ run: RunSpec) throws -> Int
    /// Opens a session.
    func openSession(ttlSeconds: Int) throws -> Int
    /// Ends a session in good order.
    func close(session: Int) throws
    /// Says that a session lives; nil when it is over.
    func beat(session: Int, holding tokens: [Int]) throws -> BeatAnswer?
    /// Leases jobs; `run` is a run's number here.
    func claim(session: Int, _ request: ClaimRequest) throws -> [Grant]
    /// Ends an attempt.
    func end(token: Int, _ end: AttemptEnd) throws -> CompletionAnswer
    /// Notes that an attempt got further; `step` is new each time.
    func progress(token: Int, step: Int) throws
    /// Frees the jobs of workers that are gone or do not stop.
    func rescue() throws -> Int
    /// Cancels a job.
    func cancel(job: String) throws -> CancelAnswer
    /// Cancels a run.
    func cancel(run: Int) throws
    /// Makes a bad job available again.
    func retry(job: String) throws
    /// Makes all bad jobs of a run available again; returns how many can start now.
    func retry(run: Int) throws -> Int
    /// Stops claims from a queue.
    func pause(queue: String) throws
    /// Allows claims from a queue.
    func resume(queue: String) throws
    /// Sets how many jobs may use a key at once.
    func setPermits(key: String, slots: Int) throws
    /// Lets time pass.
    func pass(seconds: Int) throws
    /// Makes due jobs available.
    func promote() throws
    /// Everything that can be seen.
    func state() throws -> QueueState
    /// What must not be; empty when all is well.
    func audit() throws -> [String]
}

/// What a claim got.
public struct Grant: Hashable, Sendable {
    /// The job.
    public var job: String
    /// The attempt's number among all attempts.
    public var token: Int
    /// The attempt, from 1.
    public var attempt: Int
    /// How many workers died on the job.
    public var crashes: Int

    /// Describes a grant.
    public init(job: String, token: Int, attempt: Int, crashes: Int) {
        self.job = job
        self.token = token
        self.attempt = attempt
        self.crashes = crashes
    }
}

/// How a worker ends an attempt.
public enum AttemptEnd: Equatable, Sendable {
    /// It is done, and may add jobs.
    case completed(FanOut? = nil)
    /// It failed.
    case failed(retry: Bool)
    /// It is given back.
    case released(crashed: Bool)
    /// It stopped on demand.
    case cancelled
}

/// What a beat is told; tokens by number.
public struct BeatAnswer: Hashable, Sendable {
    /// Those that are held.
    public var held: Set<Int> = []
    /// Those to be cancelled.
    public var cancelled: Set<Int> = []
    /// Those over their time.
    public var overdue: Set<Int> = []
    /// Those that stand still.
    public var stalled: Set<Int> = []

    /// An answer that says nothing.
    public init() {}
}

/// Everything that can be seen of a queue, as lines by name.
public struct QueueState: Equatable, Sendable {
    /// Runs, groups, jobs, permits and the order of what is available.
    public var lines: [String: String] = [:]

    /// A queue of which nothing is known.
    public init() {}

    /// The lines that differ.
    public func differences(from other: QueueState) -> [String] {
        Set(lines.keys).union(other.lines.keys).sorted().compactMap { name in
            let (one, two) = (lines[name] ?? "–", other.lines[name] ?? "–")
            return one == two ? nil : "\(name): \(one) | \(two)"
        }
    }

    /// A run as a line.
    public static func run(state: String, cancelRequested: Bool) -> String {
        state + (cancelRequested ? ", to be cancelled" : "")
    }

    /// A group as a line.
    public static func group(
        pending: Int, ok: Int, bad: Int, dependencies: Int, isReleased: Bool, good: Bool?
    ) -> String {
        let fired = good.map { $0 ? ", fired well" : ", fired badly" } ?? ""
        return "\(pending) pending, \(ok) ok, \(bad) bad, waits for \(dependencies)"
            + (isReleased ? ", released" : "") + fired
    }

    /// A job as a line.
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
