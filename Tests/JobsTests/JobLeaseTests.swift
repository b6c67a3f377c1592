// Tests of JobLease, the lease's rules without a database: every sequence of events up to a depth.
import Jobs
import TestSupport
import Testing

@Suite("JobLease")
struct JobLeaseTests {
    private typealias Fence = JobLease.Fence

    /// A job with everything that was ever said of it, as its surroundings would keep it.
    private struct Watched: Hashable {
        var lease: JobLease
        var lastToken = 0
        var permit: Int?
        var isCounted: Bool?
        var recorded: [Int] = []
        var wasAsked = false

        /// Applies an event; returns what is wrong with the answer or with what follows.
        mutating func apply(_ event: JobLease.Event) -> String? {
            let before = lease
            let step = lease.apply(event)
            if step.answer != .done {
                if before != lease { return "changed by what was \(step.answer)" }
                if step.actions.contains(where: { if case .stop = $0 { false } else { true } }) {
                    return "acts on what was \(step.answer): \(step.actions)"
                }
            }
            for action in step.actions {
                if let problem = follow(action) { return problem }
            }
            if case .claim(let token, _, _) = event, step.answer == .done { lastToken = token }
            return problem(before)
        }

        private mutating func follow(_ action: JobLease.Action) -> String? {
            switch action {
            case .takePermit(let token):
                if permit != nil { return "two permits" }
                permit = token
                wasAsked = false
            case .freePermit(let token):
                if permit != token { return "frees a permit that \(permit ?? 0) holds" }
                permit = nil
            case .record(let token, _):
                if recorded.contains(token) { return "token \(token) ended twice" }
                recorded.append(token)
            case .count(let isOk):
                if isCounted != nil { return "counted twice" }
                isCounted = isOk
            case .uncount:
                if isCounted != false { return "a retry of what did not end badly" }
                isCounted = nil
            case .stop(.cancelled): wasAsked = true
            case .stop, .queue: break
            }
            return nil
        }

        private func problem(_ before: JobLease) -> String? {
            if (lease.hold != nil) != (permit != nil) { return "a permit without an attempt" }
            if lease.hold.map(\.token) != permit { return "the permit is another attempt's" }
            if lease.hasEnded != (isCounted != nil) { return "ended and not counted, or reverse" }
            if lease.attempt > lease.limits.maxAttempts { return "too many attempts" }
            if lease.crashes > lease.limits.maxCrashes { return "too many crashes" }
            if lease.attempt < 0 || lease.hold != nil && lease.attempt < 1 { return "no attempt" }
            if lease.ended.map(\.token) != recorded { return "attempts and records differ" }
            if before.state == .completed, lease != before { return "changed after it was done" }
            if before.hold != nil, wasAsked, lease.hold == nil,
                lease.state != .cancelled, lease.state != .completed
            {
                return "asked to end, and goes on"
            }
            if lease.ended.filter({ $0.outcome == .completed }).count
                != (lease.state == .completed ? 1 : 0)
            {
                return "done and not completed once"
            }
            return nil
        }
    }

    /// Everything that may happen next; time stands at 0 and 100, well before and after every limit.
    private static func events(_ watched: Watched) -> [JobLease.Event] {
        let newest = watched.lastToken
        var events: [JobLease.Event] = [
            .free(now: 0, notBefore: nil), .free(now: 0, notBefore: 50), .promote(now: 100),
            .promote(now: 0), .claim(token: newest + 1, session: 1, now: 0),
            .claim(token: newest + 1, session: 2, now: 0), .cancel, .rescue(isOver: true),
            .rescue(isOver: false), .deadline(now: 100, ttl: 10, pause: 5),
            .deadline(now: 15, ttl: 10, pause: 5), .retry,
        ]
        for token in Set([newest, max(1, newest - 1)]) where token > 0 {
            events.append(.progress(token: token, now: 1))
            for session in 1...2 {
                for isValid in [true, false] {
                    let fence = Fence(token: token, session: session, isValid: isValid)
                    events += [
                        .complete(fence), .fail(fence, now: 0, pause: 5),
                        .fail(fence, now: 0, pause: nil), .release(fence, crashed: false),
                        .release(fence, crashed: true), .finishCancelled(fence), .beat(fence),
                    ]
                }
            }
        }
        return events
    }

    @Test(
        "whatever happens in whatever order, an attempt ends once, a job is counted once, and late words change nothing"
    )
    func everySequence() {
        let limits = JobLease.Limits(maxAttempts: 2, maxCrashes: 1, timeout: 10, stall: 20)
        // Sequences that lead to the same value, with the same history, have the same futures: each value is
        // gone through once, which covers every sequence up to the depth.
        var reached: Set<Watched> = [Watched(lease: JobLease(limits))]
        var edge = reached
        var steps = 0
        for depth in 1...11 {
            var next: Set<Watched> = []
            for watched in edge {
                for event in Self.events(watched) {
                    var after = watched
                    steps += 1
                    if let problem = after.apply(event) {
                        Issue.record("depth \(depth), \(watched.lease) + \(event): \(problem)")
                        return
                    }
                    if reached.insert(after).inserted { next.insert(after) }
                }
            }
            edge = next
        }
        #expect(steps > 100_000)
    }

    // MARK: Single facts

    /// A running job of session 1, token 1.
    private func running(_ limits: JobLease.Limits = .init()) -> JobLease {
        var lease = JobLease(limits)
        #expect(lease.apply(.free(now: 0, notBefore: nil)).answer == .done)
        #expect(lease.apply(.claim(token: 1, session: 1, now: 0)).answer == .done)
        return lease
    }

    @Test("the same end again is answered with already, another one is fenced")
    func already() {
        var lease = running()
        let fence = Fence(token: 1, session: 1)
        #expect(lease.apply(.complete(fence)).answer == .done)
        #expect(lease.apply(.complete(fence)).answer == .already)
        #expect(lease.apply(.complete(Fence(token: 1, session: 2))).answer == .fenced)
        #expect(lease.apply(.fail(fence, now: 0, pause: 1)).answer == .fenced)
        #expect(lease.apply(.cancel).answer == .already)
        #expect(lease.apply(.retry).answer == .fenced)
    }

    @Test("after its term a worker may give its job back, and nothing else")
    func late() {
        var lease = running()
        let fence = Fence(token: 1, session: 1, isValid: false)
        #expect(lease.apply(.complete(fence)).answer == .fenced)
        #expect(lease.apply(.fail(fence, now: 0, pause: 1)).answer == .fenced)
        #expect(lease.apply(.finishCancelled(fence)).answer == .fenced)
        #expect(lease.apply(.release(fence, crashed: false)).answer == .done)
        #expect(lease.state == .available && lease.attempt == 0)
    }

    @Test("crashes and attempts have limits of their own")
    func limits() {
        var lease = running(.init(maxAttempts: 2, maxCrashes: 1))
        #expect(lease.apply(.rescue(isOver: true)).actions.contains(.record(token: 1, .lost)))
        #expect(lease.crashes == 1 && lease.attempt == 0)
        _ = lease.apply(.claim(token: 2, session: 2, now: 0))
        _ = lease.apply(.fail(Fence(token: 2, session: 2), now: 0, pause: 7))
        #expect(lease.state == .retryable(due: 7))
        #expect(lease.apply(.promote(now: 6)).answer == .fenced)
        #expect(lease.apply(.promote(now: 7)).answer == .done)
        _ = lease.apply(.claim(token: 3, session: 2, now: 7))
        _ = lease.apply(.fail(Fence(token: 3, session: 2), now: 7, pause: 7))
        #expect(lease.state == .discarded)
    }

    @Test("progress pushes the stall limit, not the deadline")
    func stall() {
        var lease = running(.init(timeout: 100, stall: 10))
        #expect(lease.apply(.deadline(now: 25, ttl: 5, pause: 1)).answer == .done)
        lease = running(.init(timeout: 100, stall: 10))
        #expect(lease.apply(.progress(token: 1, now: 20)).answer == .done)
        #expect(lease.apply(.progress(token: 2, now: 90)).answer == .fenced)
        #expect(lease.apply(.deadline(now: 35, ttl: 5, pause: 1)).answer == .fenced)
        #expect(lease.apply(.deadline(now: 36, ttl: 5, pause: 1)).answer == .done)
    }
}
