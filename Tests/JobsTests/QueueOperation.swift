// QueueOperation: one operation on a queue as a value: drawn at random, printed, and played again.
import Foundation
import TestSupport

@testable import Jobs

/// One operation; one whose session, attempt or job does not exist does nothing.
enum QueueOperation: CustomStringConvertible {
    case enqueue(shape: Int, copy: Int)
    case open(ttl: Int)
    case close(session: Int)
    case beat(session: Int)
    case claim(session: Int, limit: Int, run: Int?, kinds: [String], threads: Int?, alone: Bool)
    case end(token: Int, AttemptEnd)
    case progress(token: Int, step: Int)
    case rescue
    case cancel(job: String)
    case cancelRun(Int)
    case retry(job: String)
    case retryRun(Int)
    case pause(String)
    case resume(String)
    case permits(String, Int)
    case pass(Int)
    case promote

    var description: String {
        switch self {
        case .end(let token, .completed(let fanOut?)):
            let then = fanOut.then == nil ? "" : ", then \(fanOut.rule) \(fanOut.onBad)"
            return "end(\(token), completed with \(fanOut.children.count) children\(then))"
        case .end(let token, let end): return "end(\(token), \(end))"
        case .enqueue(let shape, let copy): return "enqueue(shape \(shape), copy \(copy))"
        case .cancel(let job): return "cancel(\(job))"
        case .retry(let job): return "retry(\(job))"
        default: return Self.plain(self)
        }
    }

    private static func plain(_ operation: QueueOperation) -> String {
        switch operation {
        case .open(let ttl): "open(ttl \(ttl))"
        case .close(let session): "close(\(session))"
        case .beat(let session): "beat(\(session))"
        case .claim(let session, let limit, let run, let kinds, let threads, let alone):
            "claim(\(session), limit \(limit), run \(run ?? 0), \(kinds.joined(separator: "+")), "
                + "threads \(threads.map { "\($0)" } ?? "any"), alone \(alone))"
        case .progress(let token, let step): "progress(\(token), step \(step))"
        case .cancelRun(let run): "cancel(run \(run))"
        case .retryRun(let run): "retry(run \(run))"
        case .pause(let queue): "pause(\(queue))"
        case .resume(let queue): "resume(\(queue))"
        case .permits(let key, let slots): "permits(\(key), \(slots))"
        case .pass(let seconds): "pass(\(seconds) s)"
        case .promote: "promote"
        default: "rescue"
        }
    }

    /// What was done and how that went, without numbers: what stories are counted by.
    func kind(of answer: String) -> String {
        let name = description.prefix { $0 != "(" }
        let isNumber = answer.allSatisfy(\.isNumber)
        switch self {
        case .claim: return "claim \(answer.isEmpty ? "none" : "some")"
        case .beat: return "beat \(answer == "over" ? "over" : "heard")"
        default:
            return "\(name) \(isNumber ? (answer == "0" ? "none" : "some") : answer)"
        }
    }

    /// Plays it; the answer is what both queues must agree on.
    func play(on queue: any QueueUnderTest, _ known: inout Known) throws -> String {
        do { return try answer(queue, &known) } catch let error as JobsError {
            return "refused: \(error.code)"
        }
    }

    /// What has been made so far.
    struct Known {
        var sessions = 0
        /// The sessions of all attempts.
        var attempts: [Int] = []
    }

    private func answer(_ queue: any QueueUnderTest, _ known: inout Known) throws -> String {
        switch self {
        case .enqueue(let shape, let copy):
            return "\(try queue.enqueue(QueueShapes.run(shape, copy: copy)))"
        case .open(let ttl):
            known.sessions = try queue.openSession(ttlSeconds: ttl)
        case .close(let session) where session <= known.sessions:
            try queue.close(session: session)
        case .beat(let session) where session <= known.sessions:
            let tokens = known.attempts.indices.filter { known.attempts[$0] == session }
            let beat = try queue.beat(session: session, holding: tokens.map { $0 + 1 })
            guard let beat else { return "over" }
            return "\(beat.held.sorted()) cancel \(beat.cancelled.sorted()) "
                + "overdue \(beat.overdue.sorted()) stalled \(beat.stalled.sorted())"
        case .claim(let session, let limit, let run, let kinds, let threads, let alone)
        where session <= known.sessions:
            let request = ClaimRequest(
                kinds: kinds, run: run.map(Int64.init), limit: limit, threads: threads,
                alone: alone)
            let grants = try queue.claim(session: session, request)
            known.attempts += grants.map { _ in session }
            return grants.map { "\($0.token): \($0.job) \($0.attempt)/\($0.crashes)" }
                .joined(separator: ", ")
        case .end(let token, let end) where token <= known.attempts.count:
            return try queue.end(token: token, end).rawValue
        case .progress(let token, let step) where token <= known.attempts.count:
            try queue.progress(token: token, step: step)
        case .rescue: return "\(try queue.rescue())"
        case .cancel(let job): return try queue.cancel(job: job).rawValue
        case .cancelRun(let run): try queue.cancel(run: run)
        case .retry(let job): try queue.retry(job: job)
        case .retryRun(let run): return "\(try queue.retry(run: run))"
        case .pause(let name): try queue.pause(queue: name)
        case .resume(let name): try queue.resume(queue: name)
        case .permits(let key, let slots): try queue.setPermits(key: key, slots: slots)
        case .pass(let seconds): try queue.pass(seconds: seconds)
        case .promote: try queue.promote()
        default: return "nothing to do it with"
        }
        return "ok"
    }
}

/// The runs that are drawn from: every rule, every edge, keys, delays, limits.
enum QueueShapes {
    private static let backoff = RetryPolicy(baseSeconds: 20, factor: 2, maxSeconds: 60, jitter: 0)

    static let plain = JobSpec(kind: "work", maxAttempts: 2, maxCrashes: 1, backoff: backoff)

    static func job(_ change: (inout JobSpec) -> Void) -> JobSpec {
        var spec = plain
        change(&spec)
        return spec
    }

    private static let keyed = job { $0.key = "gpu" }
    private static let licensed = job {
        ($0.key, $0.priority, $0.threads) = ("licence", 1, 2)
    }
    private static let unique = job { $0.uniqueKey = "one" }
    private static let other = job { ($0.kind, $0.queue, $0.priority) = ("other", "side", -1) }
    private static let slow = job { ($0.timeoutSeconds, $0.stallSeconds) = (70, 40) }
    private static let late = job { ($0.delaySeconds, $0.threads) = (50, 1) }

    /// Jobs that a fan-out may add.
    static let children = [plain, keyed, licensed, unique, other, slow, late]

    private static let shapes: [[StageSpec]] = [
        [StageSpec(name: "a", jobs: [plain, keyed, keyed, other])],
        [
            StageSpec(name: "a", jobs: [plain, slow, licensed], rule: .quorum(2)),
            StageSpec(name: "b", jobs: [keyed, late], needs: ["a"], rule: .allDone),
            StageSpec(name: "c", job: plain, needs: ["a", "b"], onBad: ["a": .run]),
        ],
        [
            StageSpec(name: "a", job: unique), StageSpec(name: "b", job: slow),
            StageSpec(
                name: "c", jobs: [plain, other], needs: ["a", "b"],
                onBad: ["a": .block, "b": .cancel]),
            StageSpec(name: "d", job: licensed, needs: ["c"], onBad: ["c": .run]),
        ],
        [
            StageSpec(name: "a", jobs: [late, plain], rule: .quorum(3)),
            StageSpec(name: "b", job: keyed, needs: ["a"], rule: .quorum(1)),
            StageSpec(name: "c", jobs: [plain, unique], needs: ["b"], onBad: ["b": .block]),
        ],
        [
            StageSpec(name: "a", jobs: [plain, plain, plain], rule: .allDone),
            StageSpec(name: "b", job: plain, needs: ["a"]),
            StageSpec(name: "c", job: slow, needs: ["b", "a"], onBad: ["b": .run, "a": .run]),
        ],
    ]

    static func run(_ shape: Int, copy: Int) -> RunSpec {
        let index = shape % shapes.count
        return RunSpec(
            name: "shape \(index)", definition: "", definitionHash: "\(copy)",
            stages: shapes[index])
    }
}
