// Tests of a worker with slots: what it takes of the server, and what becomes of a slot or a duty that fails.
import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Jobs

@Suite("Worker: slots and duties")
struct WorkerSlotsTests {
    /// What a worker reports.
    private final class Reports: Sendable {
        private let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        func containing(_ text: String) -> [String] {
            lines.withLock { $0.filter { $0.contains(text) } }
        }
    }

    /// Runs a worker beside `body`, then asks it to go.
    private func withWorker(
        _ fixture: QueueFixture, _ options: WorkerOptions, kind: String = "work",
        observer: (any AttemptObserver)? = nil, handler: ClosureHandler,
        _ body: () throws -> Void
    ) throws {
        let worker = try Worker(
            databaseURL: fixture.database.url, registry: [kind: handler], options: options,
            observer: observer)
        let thread = JoinableThread(name: "worker", stackBytes: 1 << 20) { try worker.run() }
        let outcome = Result { try body() }
        worker.requestDrain()
        try thread.join()
        try outcome.get()
    }

    private static let connections = Statement(
        name: "Connections",
        sql: """
            select count(*) as n from pg_stat_activity where datname = current_database()
              and application_name like 'ofa %'
            """)
    private static let historyDone = Statement(
        name: "HistoryDone",
        sql: "select count(*) as n from ofa.duty where name = 'history' and done_at > '-infinity'")

    @Test(
        "a process with eight idle slots takes two connections, and one more for a handler that asks"
    )
    func connections() throws {
        let fixture = try QueueFixture(), connection = fixture.queue.connection
        let goOn = DispatchSemaphore(value: 0)
        let handler = ClosureHandler { context in
            if context.lease.args == "1" { _ = try context.checkpoints() }
            goOn.wait()
            return JobOutput()
        }
        let options = WorkerOptions(slots: 8, ttlSeconds: 30, report: { _ in })
        try withWorker(fixture, options, handler: handler) {
            func count() throws -> Int { try connection.queryOne(Self.connections).int("n") }
            // Its days made, it rests.
            try fixture.wait { try connection.queryOne(Self.historyDone).int("n") == 1 }
            try fixture.wait { try count() == 2 }
            _ = try fixture.enqueueMany(7)
            try fixture.wait { try fixture.queue.jobs(state: .running).count == 7 }
            #expect(try count() == 2)
            _ = try fixture.enqueueOne(JobSpec(kind: "work", args: "1"))
            try fixture.wait { try count() == 3 }
            for _ in 0..<8 { goOn.signal() }
            try fixture.wait { try fixture.queue.jobs(state: .completed).count == 8 }
        }
        try fixture.expectSound()
    }

    @Test("a slot that stops is reported, gives its job back, and starts again")
    func deadSlot() throws {
        /// Fails once, as a meter may whose counters have gone.
        final class Broken: AttemptObserver {
            struct Gone: Error {}
            private let failures = Mutex(1)
            func start(_ lease: Lease) {}
            func end(_ lease: Lease, outcome: AttemptOutcome) throws -> AttemptUse? {
                try failures.withLock { left in
                    left -= 1
                    if left == 0 { throw Gone() }
                }
                return nil
            }
        }
        let fixture = try QueueFixture(), reports = Reports()
        _ = try fixture.enqueueMany(3)
        let options = WorkerOptions(slots: 2, ttlSeconds: 30, report: { reports.add($0) })
        try withWorker(
            fixture, options, observer: Broken(), handler: ClosureHandler { _ in JobOutput() }
        ) {
            try fixture.wait { try fixture.queue.jobs(state: .completed).count == 3 }
            let slots = Statement(
                name: "Slots", sql: "select slots, working_slots from ofa.session")
            #expect(try fixture.queue.connection.queryOne(slots).int("slots") == 2)
        }
        let told = reports.containing("stopped")
        #expect(told.count == 1, "\(told)")
        #expect(told.first?.contains("of 2 stopped: Gone(); job ") == true, "\(told)")
        #expect(told.first?.contains("goes back to the queue, and it starts again in 1 s") == true)
        try fixture.expectSound()
    }

    @Test("a report of energy that is refused or cannot be made is told, and stops no job")
    func refusedReport() throws {
        struct Observer: AttemptObserver {
            struct Gone: Error {}
            let fails: Bool
            func start(_ lease: Lease) {}
            func end(_ lease: Lease, outcome: AttemptOutcome) -> AttemptUse? {
                .inPieces(zone: "world")
            }
            func report(isLast: Bool) throws -> EnergyReport? {
                if fails { throw Gone() }
                // The machine's clock stands at the begin of 1970.
                return EnergyReport(
                    process: UUID(), untilUs: 0, isLast: isLast, zone: "world", method: "test",
                    tier: "M", counts: EnergyReport.Counts(), uses: [], intervals: [])
            }
        }
        for fails in [false, true] {
            let fixture = try QueueFixture(), reports = Reports()
            let run = try fixture.enqueueOne(JobSpec(kind: "work"))
            try Worker(
                databaseURL: fixture.database.url,
                // A job with a transaction of its own ends on the slot's connection.
                registry: ["work": ClosureHandler { _ in JobOutput(inTransaction: { _ in }) }],
                options: WorkerOptions(untilIdle: true, report: { reports.add($0) }),
                observer: Observer(fails: fails)
            ).run()
            #expect(try fixture.states(run) == ["only": "completed"])
            let told = reports.containing("what was metered is not written")
            #expect(!told.isEmpty)
            #expect(told.allSatisfy { $0.contains(fails ? "Gone()" : "the clock of machine") })
            try fixture.expectSound()
        }
    }

    @Test("a duty that fails is said once, and stops neither the others nor the slots")
    func failingDuty() throws {
        struct Broken: Error {}
        let fixture = try QueueFixture(), reports = Reports()
        let tries = DispatchSemaphore(value: 0)
        let duty = Duty(name: "broken", everySeconds: 0.01) { _ in
            tries.signal()
            throw Broken()
        }
        let options = WorkerOptions(
            duties: [duty], ttlSeconds: 30, untilIdle: false, report: { reports.add($0) })
        // A lane that is never empty: what is due comes only through the duty.
        _ = try fixture.enqueueOne(JobSpec(kind: "work", delaySeconds: 0.2), name: "later")
        let gone = try fixture.queue.openSession(name: "gone", ttlSeconds: 0.01)
        try withWorker(fixture, options, handler: ClosureHandler { _ in JobOutput() }) {
            for _ in 0..<2 { #expect(tries.wait(timeout: .now() + 25) == .success) }
            try fixture.wait { try fixture.queue.jobs(state: .completed).count == 1 }
            try fixture.wait { try fixture.queue.beat(gone) == nil }
        }
        let told = reports.containing("duty broken failed")
        #expect(told.count == 1 && told[0].contains("Broken()"), "\(told)")
        try fixture.expectSound()
    }

    @Test("a duty is one session's until it stops renewing it, or goes in good order")
    func election() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        let names = ["history", "rescue"]
        let first = try queue.openSession(name: "a", ttlSeconds: 100, duties: names)
        let second = try queue.openSession(name: "b", ttlSeconds: 100, duties: names)
        func duties(_ session: Session) throws -> Set<String>? {
            try queue.beat(session, duties: names, dutySeconds: 5)?.duties
        }
        #expect(try duties(first) == Set(names))
        #expect(try duties(second) == [])
        try fixture.advance(to: 4)
        #expect(try duties(first) == Set(names))
        try fixture.advance(to: 8)
        #expect(try duties(second) == [])
        // The first is gone without a word.
        try fixture.advance(to: 10)
        #expect(try duties(second) == Set(names))
        #expect(try duties(first) == [])
        try queue.close(second)
        #expect(try duties(first) == Set(names))
        // One that hangs in its duties bids for none, and loses them.
        #expect(try queue.beat(first, duties: [])?.duties == [])
    }

    @Test("a server that takes no writes is waited for and said once")
    func readOnly() throws {
        let fixture = try QueueFixture(), reports = Reports()
        let name = try fixture.queue.connection.queryOne(
            Statement(name: "Name", sql: "select current_database() as name")
        ).text("name")
        let admin = try fixture.database.connect()
        func set(readOnly: Bool) throws {
            try admin.script(
                "alter database \(name) set default_transaction_read_only = \(readOnly ? "on" : "off")"
            )
            try admin.script(
                """
                select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity
                where datname = current_database() and application_name like 'ofa %'
                """)
        }
        let options = WorkerOptions(
            slots: 2, pollSeconds: 0.05, ttlSeconds: 30,
            reconnectPolicy: ReconnectPolicy(maxDelaySeconds: 0.1), report: { reports.add($0) })
        try withWorker(fixture, options, handler: ClosureHandler { _ in JobOutput() }) {
            _ = try fixture.enqueueOne(name: "before")
            try fixture.wait { try fixture.queue.jobs(state: .completed).count == 1 }
            try set(readOnly: true)
            _ = try fixture.enqueueOne(name: "meanwhile")
            try fixture.wait { !reports.containing("waiting for it").isEmpty }
            try set(readOnly: false)
            try fixture.wait { try fixture.queue.jobs(state: .completed).count == 2 }
            // The keeper may find out a beat later.
            try fixture.wait {
                let count = reports.containing("is back").count
                return count > 0 && count == reports.containing("waiting for it").count
            }
        }
        let waits = reports.containing("waiting for it"), back = reports.containing("is back")
        #expect(waits.count == back.count && waits.count <= 3, "\(waits) \(back)")
        #expect(reports.containing("stopped").isEmpty)
        try fixture.expectSound()
    }
}
