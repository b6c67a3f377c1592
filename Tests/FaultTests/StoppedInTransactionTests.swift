// Fault 3: a worker that stands still inside an open transaction, with the locks of its job, its run and its group.
// The server ends the transaction after a while; until then everybody else goes on, and keeps their sessions.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

extension FaultTests {
    @Test(
        "3: a worker stopped inside a transaction holds up its own run for a while, and nobody else"
    )
    func stoppedInTransaction() throws {
        let place = try FaultPlace.onSharedServer()
        let rounds = FaultLength.count(short: 1, perSecond: 1.0 / 20)
        for round in 0..<rounds { try stopInside(place, round) }
        try place.expectSound()
        try place.report("3 stopped in transaction", disturbances: 2 * rounds, of: "stops, kills")
    }

    private func stopInside(_ place: FaultPlace, _ round: Int) throws {
        let ttl = 3.0
        // The planner's run has a second job, whose worker dies: whoever frees it needs the run's lock.
        let run = try place.enqueue(
            "shared \(round)",
            [
                JobSpec(kind: "plan", args: #"{"children":3}"#),
                JobSpec(kind: "poison", args: #"{"times":1}"#),
            ])
        let barrier = try Barrier(place, table: "ofa.job_group", when: "new.owner_job is not null")
        let planner = try place.startWorker(
            "planner", ttlSeconds: ttl,
            [
                "--kinds", "plan", "--until-idle", "--idle-in-transaction-timeout-seconds",
                "\(4 * ttl)",
            ])
        try place.wait("the planner is in its fan-out") { try barrier.isReached() }
        planner.stop()
        try barrier.open()
        let poisoned = try place.startWorker("poisoned", ttlSeconds: ttl, ["--kinds", "poison"])
        try place.wait("the poisoned worker died") { !poisoned.isRunning }

        let others = try (0..<2).map {
            try place.startWorker("other \(round) \($0)", ttlSeconds: ttl)
        }
        // Others' runs go on while the lock is held …
        let free = try place.enqueue(
            "free \(round)", Array(repeating: JobSpec(kind: "noop"), count: 50))
        try place.wait("another run ended") { try place.queue.run(free).state == .completed }
        let held = try place.ask(
            """
            select count(*) as n from pg_stat_activity
            where state = 'idle in transaction' and datname = current_database()
            """)
        // Another worker may just be between two statements of its own.
        #expect(try held.int("n") >= 1, "the stopped transaction should still be open")
        // … and the shared run when the server has ended the transaction.
        try place.waitForRuns()
        planner.goOn()
        #expect(planner.wait() == 0, "\(planner.errors)")
        for worker in others { worker.terminate() }
        for worker in others { #expect(worker.wait() == 0, "\(worker.errors)") }
        // A keeper that waited for the stopped transaction would have lost its own session.
        let sessions = try place.ask(
            "select count(*) as n from ofa.session where name like $1",
            [.text("other \(round) %")])
        #expect(try sessions.int("n") == 2)
        let children = try place.queue.jobs(run: run).filter { $0.kind == "noop" }
        #expect(children.count == 3 && children.allSatisfy { $0.state == .completed })
    }
}
