// JobQueueConformance: what every queue must do, run against PostgreSQL and against the model in memory.
import Foundation
import TestSupport
import Testing

@testable import Jobs

/// The queues that the facts hold for.
enum Implementation: String, CaseIterable, CustomTestStringConvertible {
    case postgres = "PostgreSQL"
    case model = "the model in memory"

    var testDescription: String { rawValue }

    func make() throws -> any QueueUnderTest {
        switch self {
        case .postgres: try PostgresQueue()
        case .model: QueueModel()
        }
    }
}

extension QueueUnderTest {
    /// Leases up to `limit` jobs of kind `work`.
    func claim(_ session: Int, _ limit: Int = 1) throws -> [Grant] {
        try claim(session: session, ClaimRequest(kinds: ["work"], limit: limit))
    }

    /// Leases exactly one job or fails the test.
    func claimOne(_ session: Int) throws -> Grant { try #require(try claim(session).first) }

    /// One line of what can be seen.
    func line(_ name: String) throws -> String { try state().lines[name] ?? "nothing" }

    /// A run of stages.
    func enqueue(_ stages: [StageSpec], name: String = "r") throws -> Int {
        try enqueue(
            RunSpec(name: name, definition: "", definitionHash: name, stages: stages))
    }
}

@Suite("JobQueueConformance")
struct JobQueueConformance {
    private static let pause = RetryPolicy(baseSeconds: 20, factor: 2, maxSeconds: 100, jitter: 0)
    private let job = JobSpec(kind: "work", maxAttempts: 2, maxCrashes: 1, backoff: pause)

    private func stage(_ name: String, needs: [String] = [], onBad: OnBad? = nil) -> StageSpec {
        StageSpec(
            name: name, job: job, needs: needs,
            onBad: Dictionary(
                uniqueKeysWithValues: needs.compactMap { need in
                    onBad.map { (need, $0) }
                }))
    }

    @Test(
        "stages run in their order, and the run ends with the last",
        arguments: Implementation.allCases)
    func stages(implementation: Implementation) throws {
        let queue = try implementation.make()
        let run = try queue.enqueue([stage("b", needs: ["a"]), stage("a")])
        #expect(try queue.enqueue([stage("b", needs: ["a"]), stage("a")]) == run)
        let session = try queue.openSession(ttlSeconds: 10)
        for name in ["1/a#0", "1/b#0"] {
            let grant = try queue.claimOne(session)
            #expect(grant.job == name)
            #expect(try queue.claim(session).isEmpty)
            #expect(try queue.end(token: grant.token, .completed()) == .done)
            #expect(try queue.end(token: grant.token, .completed()) == .already)
            #expect(try queue.end(token: grant.token, .failed(retry: true)) == .fenced)
        }
        #expect(try queue.line("run 1") == "completed")
        #expect(try queue.enqueue([stage("b", needs: ["a"]), stage("a")]) == 2)
        #expect(try queue.audit() == [])
    }

    @Test(
        "a bad end cancels, frees or blocks the stage after, and a retry brings it right",
        arguments: Implementation.allCases, OnBad.allCases)
    func edges(implementation: Implementation, onBad: OnBad) throws {
        let queue = try implementation.make()
        _ = try queue.enqueue([stage("a"), stage("b", needs: ["a"], onBad: onBad)])
        let session = try queue.openSession(ttlSeconds: 10)
        let grant = try queue.claimOne(session)
        #expect(try queue.end(token: grant.token, .failed(retry: false)) == .done)
        let state = [OnBad.cancel: "cancelled", .run: "available", .block: "blocked"][onBad] ?? ""
        #expect(try queue.line("job 1/b#0").hasPrefix(state))
        #expect(try queue.line("run 1") == (onBad == .cancel ? "failed" : "running"))
        #expect(try queue.audit() == [])
        try queue.retry(job: "1/a#0")
        for _ in 0..<2 {
            #expect(try queue.end(token: queue.claimOne(session).token, .completed()) == .done)
        }
        #expect(try queue.claim(session).isEmpty)
        #expect(try queue.line("run 1") == "completed")
        #expect(try queue.audit() == [])
    }

    @Test(
        "a group fires by its rule, once",
        arguments: Implementation.allCases, [GroupRule.allOk, .allDone, .quorum(2), .quorum(4)])
    func rules(implementation: Implementation, rule: GroupRule) throws {
        let queue = try implementation.make()
        _ = try queue.enqueue([
            StageSpec(name: "a", jobs: [job, job, job], rule: rule), stage("b", needs: ["a"]),
        ])
        let session = try queue.openSession(ttlSeconds: 10)
        let grants = try queue.claim(session, 3)
        #expect(grants.map(\.job) == ["1/a#0", "1/a#1", "1/a#2"])
        _ = try queue.end(token: grants[0].token, .completed())
        _ = try queue.end(token: grants[1].token, .completed())
        #expect(
            try queue.line("job 1/b#0").hasPrefix(rule == .quorum(2) ? "available" : "blocked"))
        _ = try queue.end(token: grants[2].token, .failed(retry: false))
        let isGood = rule == .allDone || rule == .quorum(2)
        #expect(try queue.line("job 1/b#0").hasPrefix(isGood ? "available" : "cancelled"))
        #expect(try queue.audit() == [])
        // Nothing is left waiting by a retry, also where the quorum can never be reached.
        #expect(try queue.retry(run: 1) == 1)
        while let next = try queue.claim(session).first {
            _ = try queue.end(token: next.token, .completed())
        }
        #expect(try queue.line("run 1") == (rule == .quorum(4) ? "failed" : "completed"))
        #expect(try queue.audit() == [])
    }

    @Test(
        "the job after a fan-out comes when its children have ended by their rule",
        arguments: Implementation.allCases)
    func fanOut(implementation: Implementation) throws {
        let queue = try implementation.make()
        _ = try queue.enqueue([stage("a"), stage("b", needs: ["a"])])
        let session = try queue.openSession(ttlSeconds: 10)
        let fanOut = FanOut(children: [job, job, job], then: job, rule: .quorum(2))
        let planner = try queue.claimOne(session)
        #expect(try queue.end(token: planner.token, .completed(fanOut)) == .done)
        #expect(try queue.end(token: planner.token, .completed(fanOut)) == .already)
        let children = try queue.claim(session, 9)
        #expect(children.map(\.job) == ["1/a#0>#1", "1/a#0>#2", "1/a#0>#3"])
        _ = try queue.end(token: children[0].token, .failed(retry: false))
        _ = try queue.end(token: children[1].token, .completed())
        #expect(try queue.line("job 1/a#1").hasPrefix("blocked"))
        _ = try queue.end(token: children[2].token, .completed(FanOut(children: [job])))
        let rest = try queue.claim(session, 9)
        #expect(rest.map(\.job) == ["1/a#0>#4", "1/a#1"])
        for grant in rest { _ = try queue.end(token: grant.token, .completed()) }
        #expect(try queue.end(token: queue.claimOne(session).token, .completed()) == .done)
        #expect(try queue.line("run 1") == "completed")
        #expect(try queue.audit() == [])
    }

    @Test("only so many jobs of a key run at once", arguments: Implementation.allCases)
    func permits(implementation: Implementation) throws {
        let queue = try implementation.make()
        var keyed = job
        keyed.key = "gpu"
        _ = try queue.enqueue([StageSpec(name: "a", jobs: [keyed, keyed, job, keyed])])
        let session = try queue.openSession(ttlSeconds: 10)
        let first = try queue.claim(session, 9)
        #expect(first.map(\.job) == ["1/a#0", "1/a#2"])
        #expect(try queue.line("permits gpu") == "1 of 1")
        try queue.setPermits(key: "gpu", slots: 2)
        #expect(try queue.claim(session, 9).map(\.job) == ["1/a#1"])
        try queue.setPermits(key: "gpu", slots: 1)
        #expect(try queue.end(token: first[0].token, .failed(retry: true)) == .done)
        #expect(try queue.claim(session, 9).isEmpty)
        #expect(try queue.line("permits gpu") == "1 of 1")
        try queue.pass(seconds: 11)
        #expect(try queue.rescue() == 2)
        #expect(try queue.line("permits gpu") == "0 of 1")
        #expect(try queue.audit() == [])
    }

    @Test(
        "what waits ends at once when it is cancelled, what runs is asked and not tried again",
        arguments: Implementation.allCases)
    func cancel(implementation: Implementation) throws {
        let queue = try implementation.make()
        _ = try queue.enqueue([
            StageSpec(name: "a", jobs: [job, job]), stage("b", needs: ["a"], onBad: .block),
        ])
        let session = try queue.openSession(ttlSeconds: 10)
        let grant = try queue.claimOne(session)
        #expect(try queue.cancel(job: "1/a#1") == .cancelled)
        #expect(try queue.cancel(job: "1/a#1") == .alreadyEnded)
        #expect(try queue.cancel(job: "1/a#0") == .requested)
        let beat = try #require(try queue.beat(session: session, holding: [grant.token]))
        #expect(beat.held == [grant.token] && beat.cancelled == [grant.token])
        #expect(try queue.end(token: grant.token, .failed(retry: true)) == .done)
        #expect(try queue.line("job 1/a#0") == "cancelled, attempt 0, crashes 0, tried failed")
        #expect(try queue.line("job 1/b#0").hasPrefix("blocked"))
        try queue.cancel(run: 1)
        #expect(try queue.line("run 1") == "cancelled, to be cancelled")
        #expect(try queue.retry(run: 1) == 2)
        #expect(try queue.line("run 1") == "running")
        #expect(throws: JobsError.self) { try queue.retry(job: "1/a#0") }
        #expect(throws: JobsError.self) { try queue.cancel(run: 7) }
        #expect(try queue.audit() == [])
    }

    @Test(
        "failures, crashes and limits of time are counted apart, and a lost worker writes nothing",
        arguments: Implementation.allCases)
    func rescue(implementation: Implementation) throws {
        let queue = try implementation.make()
        var limited = job
        limited.stallSeconds = 30
        limited.uniqueKey = "one"
        _ = try queue.enqueue([StageSpec(name: "a", job: limited)])
        let lost = try queue.openSession(ttlSeconds: 10)
        let zombie = try queue.claimOne(lost)
        try queue.pass(seconds: 10)
        #expect(try queue.rescue() == 0)
        #expect(try queue.end(token: zombie.token, .completed()) == .fenced)
        try queue.pass(seconds: 1)
        #expect(try queue.rescue() == 1)
        #expect(try queue.beat(session: lost, holding: [zombie.token]) == nil)
        #expect(try queue.end(token: zombie.token, .released(crashed: false)) == .fenced)

        let deaf = try queue.openSession(ttlSeconds: 50)
        let grant = try queue.claimOne(deaf)
        #expect(grant == Grant(job: "1/a#0", token: 2, attempt: 1, crashes: 1))
        try queue.pass(seconds: 25)
        try queue.progress(token: grant.token, step: 1)
        try queue.pass(seconds: 30)
        let beat = try #require(try queue.beat(session: deaf, holding: [grant.token]))
        #expect(beat.stalled == [grant.token])
        try queue.pass(seconds: 49)
        _ = try queue.beat(session: deaf, holding: [])
        #expect(try queue.rescue() == 0)
        try queue.pass(seconds: 2)
        #expect(try queue.rescue() == 1)
        #expect(
            try queue.line("job 1/a#0")
                == "retryable, attempt 1, crashes 1, due 137, tried lost failed, holds its key")
        #expect(throws: JobsError.self) {
            try queue.enqueue([StageSpec(name: "a", job: limited)], name: "other")
        }
        try queue.pass(seconds: 20)
        let last = try queue.openSession(ttlSeconds: 10)
        let third = try queue.claimOne(last)
        #expect(try queue.end(token: third.token, .released(crashed: true)) == .done)
        #expect(try queue.line("run 1") == "failed")
        try queue.retry(job: "1/a#0")
        #expect(try queue.claimOne(last).crashes == 0)
        #expect(try queue.audit() == [])
    }
}
