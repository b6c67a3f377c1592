// FanInModel: what each child of a fan-out must answer and become, told by a model in memory. What is done
// to one job goes through its model one after the other; the jobs share their group, their run and the locks.
import Synchronization
import Testing

@testable import Jobs

/// One child as the model knows it.
final class ChildModel: Sendable {
    enum Phase: String, Sendable {
        /// Available, retryable or leased.
        case live
        case completed, cancelled, discarded
    }

    struct State: Sendable {
        var phase = Phase.live
        var attempts = 0
        var isCancelAsked = false
        var stale: Lease?
    }

    /// The model's state; whoever acts on the job holds it.
    let state = Mutex(State())

    /// What a thread does with a lease, at random; false answers are recorded by the caller's expectations.
    func work(
        _ lease: Lease, _ queue: JobQueue, calm: Bool, _ random: inout StormRandom
    ) throws {
        let choice = calm ? 0 : Int.random(in: 0..<100, using: &random)
        try state.withLock { (state: inout State) throws in
            #expect(state.phase == .live, "job \(lease.jobID) was claimed and is \(state.phase)")
            state.attempts += 1
            if let stale = state.stale, choice % 3 == 0 {
                #expect(try queue.complete(stale, result: "-1") == .fenced)
            }
            switch choice {
            case 0..<60:
                #expect(try queue.complete(lease, result: Self.result(lease)) == .done)
                state.phase = .completed
            case 60..<66:
                #expect(try queue.complete(lease, result: Self.result(lease)) == .done)
                #expect(try queue.complete(lease, result: Self.result(lease)) == .already)
                state.phase = .completed
            case 66..<72:
                #expect(try queue.complete(lease, result: Self.result(lease)) == .done)
                #expect(try queue.fail(lease, error: "late") == .fenced)
                #expect(try queue.release(lease, reason: "late") == .fenced)
                state.phase = .completed
            case 72..<84:
                #expect(try queue.fail(lease, error: "broken") == .done)
                state.end(lease.attempt >= lease.maxAttempts ? .discarded : .live)
            case 84..<92:
                #expect(try queue.fail(lease, error: "hopeless", retry: false) == .done)
                #expect(try queue.fail(lease, error: "hopeless", retry: false) == .already)
                state.end(.discarded)
            default:
                #expect(try queue.release(lease, reason: "going") == .done)
                state.end(.live)
            }
            state.stale = lease
        }
    }

    /// Cancels the job, whatever it is doing.
    func cancel(_ job: JobID, _ queue: JobQueue) throws {
        try state.withLock { (state: inout State) throws in
            switch try queue.cancel(job: job) {
            case .cancelled:
                #expect(state.phase == .live)
                state.phase = .cancelled
            case .requested:
                #expect(state.phase == .live)
                state.isCancelAsked = true
            case .alreadyEnded: #expect(state.phase != .live)
            }
        }
    }

    /// Retries the job where it ended badly, and hears that it cannot where it did not.
    func retry(_ job: JobID, _ queue: JobQueue) throws {
        try state.withLock { (state: inout State) throws in
            if state.phase == .cancelled || state.phase == .discarded {
                try queue.retry(job: job)
                state.phase = .live
            } else {
                let error = #expect(throws: JobsError.self) { try queue.retry(job: job) }
                #expect(error?.code == .wrongState)
            }
        }
    }

    /// The result of a child says which one it is.
    static func result(_ lease: Lease) -> String { lease.args }
}

extension ChildModel.State {
    /// An attempt ended without completing the job.
    fileprivate mutating func end(_ phase: ChildModel.Phase) {
        self.phase = isCancelAsked ? .cancelled : phase
        isCancelAsked = false
    }
}
