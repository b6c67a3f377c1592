// Fault 16: what attempts used is in the ledger, whatever happens to their workers, and the energy of the machine is
// divided to the microjoule.
import Foundation
import Postgres
import TestSupport
import Testing

@testable import Jobs

extension FaultTests {
    @Test("16: a killed attempt keeps its energy but for that since the last report")
    func killedKeepsItsEnergy() throws {
        let place = try FaultPlace.onSharedServer()
        // In the long form of a minute, reports come every ten seconds, as from workers with the usual lease.
        let seconds = FaultLength.seconds(short: 6)
        let lease = min(10, seconds / 3)
        let run = try place.enqueue(
            "killed", [JobSpec(kind: "spin", args: #"{"seconds":3600}"#, maxCrashes: 9)])
        let worker = try place.startWorker("first", ttlSeconds: lease, ["--meter"])
        try place.wait("the attempt is \(seconds) s old", seconds: seconds + 60) {
            try place.ask(
                """
                select coalesce(max(extract(epoch from ofa.now() - started_at)), 0)::float8 as age
                from ofa.live where state = 'running'
                """
            ).double("age") >= seconds
        }
        let token = try place.ask("select token from ofa.live").int64("token")
        worker.killNow()
        let kept = try energy(place, of: token)
        print("killed after \(seconds) s: \(Double(kept.ns) / 1e9) s, \(kept.uj) µJ in the ledger")
        #expect(Double(kept.ns) / 1e9 >= seconds - 1.5 * lease)
        #expect(kept.uj > 0)

        let second = try place.startWorker("second", ttlSeconds: lease, ["--meter"])
        try place.wait("the next attempt has energy", seconds: 4 * lease + 60) {
            try place.ask(
                "select count(*) as n from ofa.energy_piece where token > \(token) and energy_uj > 0"
            ).int("n") > 0
        }
        try place.queue.cancel(run: run)
        try place.waitForRuns()
        second.terminate()
        #expect(second.wait() == 0, "\(second.errors)")
        let job = try #require(try place.queue.jobs(run: run).first)
        #expect(try place.queue.attempts(of: job.id).map(\.outcome) == [.lost, .cancelled])
        try expectEnergyAdds(place)
        #expect(try energy(place, of: token) == kept)
    }

    @Test("16: kills, retries, cancellations and two processes of one machine: all energy adds up")
    func energyAddsUp() throws {
        let place = try FaultPlace.onSharedServer()
        func job(_ kind: String, _ args: String) -> JobSpec {
            JobSpec(
                kind: kind, args: args, maxCrashes: 99,
                backoff: RetryPolicy(baseSeconds: 0.05, factor: 1, maxSeconds: 0.05))
        }
        let rounds = FaultLength.count(short: 1, perSecond: 1.0 / 15)
        let two = try place.startWorker("two", ["--meter", "--workers", "2"])
        for round in 0..<rounds {
            let work = try place.enqueue(
                "work \(round)",
                Array(repeating: job("spin", #"{"seconds":0.4}"#), count: 8)
                    + Array(repeating: job("fail", #"{"times":1}"#), count: 3)
                    + [job("poison", #"{"times":1}"#)])
            let long = try place.enqueue(
                "long \(round)", [job("spin", #"{"seconds":3600}"#)])
            let victim = try place.startWorker("victim", ["--meter"])
            try place.wait("half of the work is done") {
                try place.queue.results(run: work, stage: "only").count >= 4
            }
            victim.killNow()
            let other = try place.startWorker("other", ["--meter"])
            let third = try place.startWorker("third", ["--meter"])
            try place.wait("the work is done", seconds: 120) {
                try place.queue.run(work).state != .running
            }
            try place.queue.cancel(run: long)
            try place.waitForRuns()
            for worker in [other, third] { worker.terminate() }
            for worker in [other, third] { _ = worker.wait() }
        }
        two.terminate()
        _ = two.wait()
        try expectEnergyAdds(place)
        let outcomes = try place.ask(
            """
            select count(*) filter (where outcome = 'lost') as lost,
              count(*) filter (where outcome = 'cancelled') as cancelled,
              count(*) filter (where outcome = 'failed') as failed
            from ofa.attempt
            """)
        #expect(try outcomes.int("lost") > 0 && outcomes.int("failed") >= 3)
        try place.report("16 energy", disturbances: 3 * rounds, of: "kills and cancellations")
    }

    private struct Kept: Equatable {
        let ns, uj: Int64
    }

    /// The time and the energy of an attempt in the ledger.
    private func energy(_ place: FaultPlace, of token: Int64) throws -> Kept {
        let row = try place.ask(
            """
            select coalesce(sum(used_ns) filter (where energy_uj is not null), 0)::bigint as ns,
              coalesce(sum(energy_uj), 0)::bigint as uj
            from ofa.energy_piece where token = \(token)
            """)
        return Kept(ns: try row.int64("ns"), uj: try row.int64("uj"))
    }

    /// Expects that all intervals are allocated, that the parts of each add up to it, and that the ledger has their sum.
    private func expectEnergyAdds(_ place: FaultPlace) throws {
        // Half a minute later nothing waits for a process any more.
        try place.queue.connection.script("SET ofa.clock_offset = '40 s'")
        defer {
            do { try place.queue.connection.script("RESET ofa.clock_offset") } catch {
                Issue.record(error)
            }
        }
        // The server may still finish the last report of a process that has ended.
        try place.wait("all intervals are allocated") {
            try place.queue.allocateEnergy()
            return try place.ask(
                """
                select (select count(*) from ofa.machine_meter where allocated_until < metered_until)
                  + (select count(*) from pg_stat_activity where datname = current_database()
                    and state = 'active' and pid <> pg_backend_pid()) as busy
                """
            ).int("busy") == 0
        }
        let sums = try place.ask(
            """
            select count(*) as intervals, count(*) filter (where parts is distinct from idle_uj + load_uj) as wrong,
              (select count(*) from ofa.machine_meter where allocated_until < metered_until) as waiting,
              (select count(*) from ofa.machine_meter) as machines,
              sum(idle_uj + load_uj)::bigint as stated,
              (select sum(energy_uj)::bigint from ofa.energy_hour) as booked
            from ofa.energy_interval as whole cross join lateral (
              select sum(energy_uj)::bigint as parts from ofa.energy_piece as piece
              where piece.host_id = whole.host_id and piece.started_at = whole.started_at
                and piece.method <> 'gap: reported too late') as cut
            """)
        print(
            "\(try sums.int("intervals")) intervals, \(try sums.int64("stated")) µJ stated, \(try sums.int64("booked")) booked"
        )
        #expect(try sums.int("intervals") > 0 && sums.int("machines") == 1)
        #expect(try sums.int("wrong") == 0 && sums.int("waiting") == 0)
        #expect(try sums.int64("stated") == (try sums.int64("booked")))
        #expect(try place.queue.audit() == [])
    }
}
