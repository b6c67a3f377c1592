// How the database allocates the energy of machines: exactly, once, and whatever happens to the processes that meter.

import Foundation
import Postgres
import TestSupport
import Testing

@testable import Accounting
@testable import Jobs

@Suite struct AllocationTests {
    /// A database with three running attempts.
    private struct Machine {
        let database: TemporaryDatabase
        let connection: Connection
        let queue: JobQueue
        let leases: [Lease]
        /// A whole second near now, in microseconds since 1970.
        let begin: Int64

        init() throws {
            database = try TemporaryDatabase()
            connection = try database.connect()
            queue = JobQueue(connection)
            let session = try queue.openSession(name: "test")
            _ = try queue.enqueue(
                RunSpec(
                    name: "test", definition: "test", definitionHash: "test",
                    stages: ["a", "b", "c"].map { stage($0) }))
            leases = try queue.claim(session, kinds: ["train"], limit: 3)
            try #require(leases.count == 3)
            begin = Int64(Date().timeIntervalSince1970) * 1_000_000
        }

        /// The use of an attempt from second `from` to second `until`.
        func use(
            _ place: Int, _ from: Double, _ until: Double, reserved: Double, cpu: Double
        ) -> EnergyReport.Use {
            EnergyReport.Use(
                job: leases[place].jobID, token: leases[place].token, fromUs: at(from),
                untilUs: at(until), reservedNs: Int64(reserved * 1e9), cpuNs: Int64(cpu * 1e9))
        }

        /// An interval from second `from` to second `until`, with energies in joules.
        func interval(
            _ from: Double, _ until: Double, capacity: Double, busy: Double, others: Double = 0,
            idle: Double, load: Double
        ) -> EnergyReport.Interval {
            func energy(_ joules: Double) -> AttemptUse.Energy {
                let value = Int64((joules * 1e6).rounded())
                return AttemptUse.Energy(microjoules: value, low: value / 2, high: 2 * value)
            }
            return EnergyReport.Interval(
                fromUs: at(from), untilUs: at(until), capacityNs: Int64(capacity * 1e9),
                busyNs: Int64(busy * 1e9), othersNs: Int64(others * 1e9), idle: energy(idle),
                load: energy(load))
        }

        func at(_ seconds: Double) -> Int64 { begin + Int64((seconds * 1e6).rounded()) }

        @discardableResult
        func report(
            _ process: UUID, until: Double, _ uses: [EnergyReport.Use] = [],
            _ intervals: [EnergyReport.Interval] = [], isLast: Bool = false, dead: [UUID] = []
        ) throws -> EnergyAnswer {
            try queue.add(
                EnergyReport(
                    process: process, untilUs: at(until), isLast: isLast, zone: "world",
                    method: "test", tier: "M", counts: EnergyReport.Counts(), uses: uses,
                    intervals: intervals), dead: dead.map(\.uuidString))
        }

        /// The joules of each attempt, of other programs, and of what was not reserved.
        func joules() throws -> (attempts: [Double?], other: Double, unallocated: Double) {
            let rows = try connection.query(
                Statement(
                    name: "Pieces",
                    sql: """
                        select part, token, sum(energy_uj)::bigint as uj from ofa.energy_piece group by part, token
                        """))
            var (attempts, other, unallocated) = ([Double?](repeating: nil, count: 3), 0.0, 0.0)
            for row in rows {
                let joules = try row.optionalInt64("uj").map { Double($0) / 1e6 }
                switch try row.text("part") {
                case "other": other = joules ?? .nan
                case "unallocated": unallocated = joules ?? .nan
                default:
                    let token = try row.int64("token")
                    attempts[try #require(leases.firstIndex { $0.token == token })] = joules
                }
            }
            return (attempts, other, unallocated)
        }
    }

    @Test("60 s at 40 W, 16 W of them idle: A 1,200 J, B 600 J, other 360 J, unallocated 240 J")
    func handComputed() throws {
        let machine = try Machine()
        try machine.report(
            UUID(), until: 60,
            [
                machine.use(0, 0, 60, reserved: 120, cpu: 60),
                machine.use(1, 0, 60, reserved: 60, cpu: 30),
            ], [machine.interval(0, 60, capacity: 240, busy: 120, idle: 960, load: 1440)])
        let found = try machine.joules()
        #expect(found.attempts == [1200, 600, nil])
        #expect(found.other == 360 && found.unallocated == 240)
        #expect(try machine.queue.audit().isEmpty)
    }

    @Test("nothing is lost when attempts use more than the machine says it worked, or nothing ran")
    func extremes() throws {
        let machine = try Machine()
        let one = UUID()
        try machine.report(
            one, until: 1,
            [
                machine.use(0, 0, 1, reserved: 2, cpu: 3),
                machine.use(1, 0, 1, reserved: 2, cpu: 4),
            ], [machine.interval(0, 1, capacity: 2, busy: 1, idle: 0.000_101, load: 0.001_001)])
        let full = try machine.joules()
        #expect(full.other == 0 && full.unallocated == 0)
        #expect(full.attempts.reduce(0) { $0 + ($1 ?? 0) } == 0.001_102)
        try machine.report(
            one, until: 2, [],
            [machine.interval(1, 2, capacity: 2, busy: 0, idle: 10, load: 5)])
        let found = try machine.joules()
        #expect(found.unallocated == 10 && found.other == 5)
    }

    @Test("the energy of an interval waits for all processes of its machine that are alive")
    func waits() throws {
        let machine = try Machine()
        let (one, other) = (UUID(), UUID())
        let whole = machine.interval(0, 60, capacity: 240, busy: 120, idle: 960, load: 1440)
        try machine.report(one, until: 0)
        try machine.report(other, until: 0)
        #expect(
            try machine.report(
                one, until: 60, [machine.use(0, 0, 60, reserved: 120, cpu: 60)], [whole]
            ).isMeter)
        #expect(try machine.joules().attempts == [nil, nil, nil])
        try machine.report(other, until: 61, [machine.use(1, 0, 61, reserved: 61, cpu: 30.5)])
        let found = try machine.joules()
        #expect(found.attempts == [1200, 600, nil])
        #expect(found.other == 360 && found.unallocated == 240)
        // The rest of the second use belongs to the next interval, and the other process is known to be dead.
        let next = machine.interval(60, 70, capacity: 40, busy: 0.5, idle: 1, load: 3)
        try machine.report(one, until: 70, [], [next])
        #expect(try machine.joules().attempts == [1200, 600, nil])
        try machine.report(one, until: 70, [], [next], dead: [other])
        let later = try machine.joules()
        #expect(later.attempts == [1200, 603.025, nil])
        #expect(later.other == 360 && later.unallocated == 240.975)
        #expect(try machine.queue.audit().isEmpty)
    }

    @Test("random reports of three processes: every interval adds up to the microjoule")
    func exact() throws {
        let machine = try Machine()
        var state: UInt64 = 7
        func next(_ most: Double) -> Double {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Double(state >> 11) / 0x1p53 * most
        }
        let processes = [UUID(), UUID(), UUID()]
        var (now, reported) = (0.0, [0.0, 0.0, 0.0])
        for process in processes { try machine.report(process, until: 0) }
        for _ in 0..<400 {
            var intervals: [EnergyReport.Interval] = []
            for _ in 0..<(1 + Int(next(52))) {
                let until = now + next(8) + 0.001
                intervals.append(
                    machine.interval(
                        now, until, capacity: 4 * (until - now), busy: next(4 * (until - now)),
                        others: next(until - now), idle: next(1000), load: next(9000)))
                now = until
            }
            for (place, process) in processes.enumerated() {
                let until = reported[place] + next(now - reported[place])
                var uses: [EnergyReport.Use] = []
                if next(4) > 1 {
                    let length = until - reported[place]
                    uses = [
                        machine.use(
                            place, reported[place], until, reserved: next(4 * length),
                            cpu: next(5 * length))
                    ]
                }
                reported[place] = until
                try machine.report(process, until: until, uses, place == 0 ? intervals : [])
            }
        }
        for (place, process) in processes.enumerated() {
            try machine.report(process, until: now, isLast: place > 0)
        }
        let sums = try machine.connection.queryOne(
            Statement(
                name: "Sums",
                sql: """
                    select count(*) as intervals, (select count(*) from ofa.energy_interval) as stated,
                      count(*) filter (where pieces is distinct from idle_uj + load_uj) as wrong
                    from ofa.energy_interval as whole cross join lateral (
                      select sum(energy_uj)::bigint as pieces from ofa.energy_piece as piece
                      where piece.started_at = whole.started_at) as cut
                    """))
        #expect(try sums.int("intervals") == (try sums.int("stated")))
        #expect(try sums.int("wrong") == 0)
        #expect(try sums.int("stated") > 10_000)
        // The parts of a use in several intervals have all its processor time.
        let times = try machine.connection.queryOne(
            Statement(
                name: "Times",
                sql: """
                    select (select sum(cpu_ns) from ofa.energy_use)::bigint as used,
                      (select sum(cpu_ns) from ofa.energy_piece where token > 0)::bigint as allocated
                    """))
        #expect(try times.int64("used") == (try times.int64("allocated")))
        #expect(try machine.queue.audit().isEmpty)
    }

    @Test("a second meter of a machine is refused, in the answer and by the table")
    func oneMeter() throws {
        let machine = try Machine()
        let (one, other) = (UUID(), UUID())
        let whole = machine.interval(0, 10, capacity: 20, busy: 0, idle: 5, load: 0)
        #expect(try machine.report(one, until: 10, [], [whole]).isMeter)
        #expect(try !machine.report(other, until: 10, [], [whole]).isMeter)
        let error = #expect(throws: PostgresError.self) {
            try machine.connection.script(
                """
                insert into ofa.energy_interval select host_id, started_at + interval '9 s', ended_at + interval '9 s', zone,
                  method, tier, capacity_ns, busy_ns, others_ns, idle_uj, idle_low_uj, idle_high_uj, load_uj, load_low_uj,
                  load_high_uj
                from ofa.energy_interval
                """)
        }
        #expect(error?.sqlState == "23P01")
        // Its end hands the machine over at once; what the successor had metered in that time counts from there on.
        try machine.report(one, until: 12, isLast: true)
        let more = machine.interval(4, 16, capacity: 24, busy: 0, idle: 12, load: 0)
        #expect(try machine.report(other, until: 16, [], [more]).isMeter)
        let stated = try machine.connection.queryOne(
            Statement(
                name: "Stated",
                sql: "select count(*) as n, sum(idle_uj)::bigint as uj from ofa.energy_interval"))
        #expect(try stated.int("n") == 2 && stated.int64("uj") == 11_000_000)
        #expect(try machine.joules().unallocated == 11)
    }

    @Test(
        "a meter that has died is replaced at once by a process that sees it, else after half a minute"
    )
    func takeover() throws {
        let machine = try Machine()
        let (one, other) = (UUID(), UUID())
        try machine.report(
            one, until: 10, [], [machine.interval(0, 10, capacity: 20, busy: 0, idle: 5, load: 0)])
        let rest = machine.interval(5, 20, capacity: 30, busy: 0, idle: 15, load: 0)
        #expect(try !machine.report(other, until: 20, [], [rest]).isMeter)
        #expect(try machine.report(other, until: 20, [], [rest], dead: [one]).isMeter)
        #expect(try machine.joules().unallocated == 15)
        try machine.connection.script("SET ofa.clock_offset = '31 s'")
        let last = machine.interval(20, 30, capacity: 20, busy: 0, idle: 7, load: 0)
        #expect(try machine.report(one, until: 30, [], [last]).isMeter)
        #expect(try machine.joules().unallocated == 22)
    }

    @Test("time that no meter metered is a gap of the attempts in it, not zero energy")
    func hole() throws {
        let machine = try Machine()
        let one = UUID()
        try machine.report(
            one, until: 10, [machine.use(0, 0, 10, reserved: 10, cpu: 10)],
            [machine.interval(0, 10, capacity: 20, busy: 10, idle: 2, load: 8)])
        try machine.report(
            one, until: 30,
            [
                machine.use(0, 10, 30, reserved: 20, cpu: 20),
                machine.use(1, 22, 30, reserved: 8, cpu: 0),
            ], [machine.interval(20, 30, capacity: 20, busy: 10, idle: 2, load: 8)])
        let costs = try CostLedger(machine.connection).report(
            factors: try FactorSet.load(machine.connection))
        #expect(costs.rows.map(\.label).sorted() == ["a", "b"])
        let a = try #require(costs.rows.first { $0.label == "a" })
        #expect(
            a.gapNs == 10_000_000_000 && a.wallNs == 30_000_000_000 && a.cpuNs == 30_000_000_000)
        #expect(a.isKnown && a.tier == .model)
        #expect(a.methods == ["gap: no meter", "test"])
        #expect(costs.total.energy.microjoules == 18_800_000)
        #expect(try machine.queue.audit().isEmpty)
    }

    @Test("a use that comes after its time was allocated is a gap")
    func late() throws {
        let machine = try Machine()
        let one = UUID()
        let first = machine.interval(0, 10, capacity: 20, busy: 10, idle: 2, load: 8)
        try machine.report(one, until: 10, [], [first])
        let answer = try machine.report(
            UUID(), until: 15, [machine.use(0, 5, 15, reserved: 10, cpu: 10)])
        #expect(answer.late == 1)
        try machine.report(
            one, until: 15, [], [machine.interval(10, 15, capacity: 10, busy: 10, idle: 1, load: 4)]
        )
        let total = try CostLedger(machine.connection).report(
            factors: try FactorSet.load(machine.connection)
        ).total
        #expect(total.gapNs == 5_000_000_000 && total.cpuNs == 10_000_000_000)
        #expect(total.energy.microjoules == 2_500_000)
        #expect(try machine.queue.audit().isEmpty)
    }

    @Test("a machine whose clock is wrong by more than a day is told, and nothing is written")
    func wrongClock() throws {
        let machine = try Machine()
        let error = #expect(throws: PostgresError.self) {
            try machine.report(UUID(), until: 200_000)
        }
        #expect(error?.message.contains("the clock of machine") == true)
        #expect(
            try machine.connection.queryOne(
                Statement(name: "None", sql: "select count(*) as n from ofa.machine_meter")
            ).int("n") == 0)
    }
}
