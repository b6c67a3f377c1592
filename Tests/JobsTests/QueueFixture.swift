// QueueFixture: a database of its own and a queue on it, with a clock that can be moved.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

/// A queue on a fresh database.
final class QueueFixture {
    let database: TemporaryDatabase
    let queue: JobQueue

    init() throws {
        database = try TemporaryDatabase()
        queue = JobQueue(try database.connect())
    }

    /// Another connection's view of the queue.
    func another() throws -> JobQueue { JobQueue(try database.connect()) }

    /// Moves the clock of a queue's connection this many seconds ahead.
    func advance(_ queue: JobQueue? = nil, to seconds: Double) throws {
        try (queue ?? self.queue).connection.script("SET ofa.clock_offset = '\(seconds) s'")
    }

    /// A run of one stage with one job.
    func enqueueOne(_ spec: JobSpec = JobSpec(kind: "work"), name: String = "one") throws -> RunID {
        try queue.enqueue(
            RunSpec(
                name: name, definition: "", definitionHash: name,
                stages: [StageSpec(name: "only", job: spec)]))
    }

    /// A run of these stages.
    func enqueue(_ stages: [StageSpec], name: String = "run") throws -> RunID {
        try queue.enqueue(
            RunSpec(name: name, definition: "", definitionHash: name, stages: stages))
    }

    /// A run of one stage with so many jobs that are alike.
    func enqueueMany(_ count: Int, _ spec: JobSpec = JobSpec(kind: "work")) throws -> RunID {
        try enqueue([StageSpec(name: "only", jobs: Array(repeating: spec, count: count))])
    }

    /// Leases jobs one after the other and ends each: true completes it, false discards it.
    func finish(_ session: Session, _ ends: [Bool]) throws {
        for isOk in ends {
            let lease = try claimOne(session)
            let answer =
                try isOk
                ? queue.complete(lease, result: "{}") : queue.fail(lease, error: "x", retry: false)
            #expect(answer == .done)
        }
    }

    /// Stages `a`, `b` needing `a`, and so on, each of one job.
    func enqueueChain(_ names: [String]) throws -> RunID {
        let stages = names.enumerated().map { index, name in
            StageSpec(
                name: name, job: JobSpec(kind: "work", args: #"{"stage":"\#(name)"}"#),
                needs: index == 0 ? [] : [names[index - 1]])
        }
        return try queue.enqueue(
            RunSpec(name: "chain", definition: "", definitionHash: "chain", stages: stages))
    }

    /// Leases exactly one job or fails the test.
    func claimOne(_ session: Session, _ queue: JobQueue? = nil) throws -> Lease {
        try #require(try (queue ?? self.queue).claim(session, kinds: ["work"]).first)
    }

    /// The states of a run's jobs, by stage; several jobs of a stage are joined.
    func states(_ run: RunID) throws -> [String: String] {
        Dictionary(
            try queue.jobs(run: run).map { ($0.stage, $0.state.rawValue) },
            uniquingKeysWith: { "\($0),\($1)" })
    }

    /// Waits until something is so, for 30 seconds at most.
    func wait(
        sourceLocation: SourceLocation = #_sourceLocation, until isSo: () throws -> Bool
    ) throws {
        let begun = ContinuousClock.now
        while try !isSo() {
            try #require(
                ContinuousClock.now - begun < .seconds(30), "it did not come to be",
                sourceLocation: sourceLocation)
            Thread.sleep(forTimeInterval: 0.005)
        }
    }

    /// Fails the test when the recount of the queue finds anything.
    func expectSound(sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(try queue.audit() == [], sourceLocation: sourceLocation)
    }
}
