// The gate of the queue: what a run may be called, what a job may carry and return, and that one bad text takes nothing
// else with it.
import Foundation
import Intake
import Jobs
import Postgres
import TestSupport
import Testing

@Suite struct SpecRulesTests {
    let fixture: QueueFixture
    private var queue: JobQueue { fixture.queue }

    init() throws { fixture = try QueueFixture() }

    private func rows(_ table: String) throws -> Int64 {
        let sql = "select count(*) as rows from ofa.\(table)"
        return try queue.connection.queryOne(Statement(name: sql, sql: sql)).int64("rows")
    }

    private static let long = String(repeating: "n", count: 6000)

    @Test(
        "names outside the rules are refused by name, before anything is written",
        arguments: ["", "  ", "a\0b", "a\nb", "\u{1B}[31m", long])
    func names(name: String) throws {
        func check(_ change: (inout RunSpec) -> Void) throws {
            var run = RunSpec(
                name: "run", definition: "", definitionHash: "h",
                stages: [StageSpec(name: "only", job: JobSpec(kind: "work"))])
            change(&run)
            let error = #expect(throws: JobsError.self) { try queue.enqueue(run) }
            #expect(error?.code == .invalidRun, "\(error?.message ?? "")")
            #expect(throws: JobsError.self) { try queue.recur(run, everySeconds: 60) }
        }
        try check { $0.name = name }
        try check { $0.stages[0].name = name }
        try check { $0.stages[0].jobs[0].kind = name }
        try check { $0.stages[0].jobs[0].queue = name }
        try check { $0.stages[0].jobs[0].key = name }
        try check { $0.stages[0].jobs[0].uniqueKey = name }
        let paused = #expect(throws: JobsError.self) { try queue.pause(queue: name) }
        #expect(paused?.code == .invalidText)
        #expect(throws: JobsError.self) { try queue.setPermits(key: name, slots: 1) }
        for table in ["run", "job", "lane", "permit_key", "recurring", "paused_queue"] {
            #expect(try rows(table) == 0, "\(table)")
        }
    }

    @Test(
        "arguments are JSON that the database can hold, of at most 64 KiB",
        arguments: [
            "", "{", "{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}", "{\"a\":1e99999}", "\0",
            "{\"a\":\"" + String(repeating: "x", count: 65_536) + "\"}",
        ])
    func arguments(args: String) throws {
        let error = #expect(throws: JobsError.self) {
            try fixture.enqueueOne(JobSpec(kind: "work", args: args))
        }
        #expect(error?.code == .invalidRun)
        #expect(error?.message.contains("stage only: the arguments of a job: the text") == true)
        #expect(try rows("run") == 0)
    }

    @Test("numbers that the columns cannot hold are refused by name")
    func numbers() throws {
        for (what, job) in [
            ("priority", JobSpec(kind: "work", priority: .max)),
            ("maxAttempts", JobSpec(kind: "work", maxAttempts: 0)),
            ("threads", JobSpec(kind: "work", threads: -1)),
            ("memoryMB", JobSpec(kind: "work", memoryMB: .max)),
            ("timeoutSeconds", JobSpec(kind: "work", timeoutSeconds: 0)),
            ("stallSeconds", JobSpec(kind: "work", stallSeconds: .infinity)),
            ("delaySeconds", JobSpec(kind: "work", delaySeconds: 1e300)),
            ("delaySeconds", JobSpec(kind: "work", delaySeconds: .nan)),
        ] {
            let error = #expect(throws: JobsError.self) { try fixture.enqueueOne(job) }
            #expect(error?.message.contains("\(what) of a job is") == true)
        }
    }

    @Test("a name in decomposed characters is the same name")
    func normal() throws {
        let first = try fixture.enqueueOne(
            JobSpec(kind: "work", key: "caf\u{E9}"), name: "caf\u{E9}")
        let second = try fixture.enqueueOne(
            JobSpec(kind: "work", key: "cafe\u{301}"), name: "cafe\u{301}")
        // The hash is the name here, so this is the unfinished run.
        #expect(first == second)
        try queue.setPermits(key: "cafe\u{301}", slots: 2)
        #expect(try queue.permits().map(\.slots) == [2])
    }

    @Test("one result that is not JSON fails its own job; the other ends of the batch are written")
    func batch() throws {
        _ = try fixture.enqueueMany(4)
        let session = try queue.openSession(name: "w")
        let leases = try queue.claim(
            session, ClaimRequest(kinds: ["work"], limit: 4))
        let results = ["{}", "not JSON", "{\"a\":\"\\u0000\"}", "[1]"]
        let answers = try queue.end(
            zip(leases, results).map { Ending($0, .completed(result: $1)) }, session: session.uuid)
        #expect(answers == [.done, .done, .done, .done])
        let jobs = try leases.map { try queue.job($0.jobID) }
        #expect(jobs.map(\.state) == [.completed, .discarded, .discarded, .completed])
        #expect(jobs[1].reason?.contains("the result of the job: the text is not JSON") == true)
        #expect(jobs[2].reason?.contains("\\u0000") == true)
        #expect(try queue.audit().isEmpty)
    }

    @Test("a result that is not JSON completes nothing")
    func complete() throws {
        _ = try fixture.enqueueOne()
        let session = try queue.openSession(name: "w")
        let lease = try fixture.claimOne(session)
        let error = #expect(throws: JobsError.self) { try queue.complete(lease, result: "{") }
        #expect(error?.code == .invalidText)
        #expect(throws: JobsError.self) {
            try queue.saveCheckpoint(lease, name: "c", seq: 1, payload: "\"\\u0000\"")
        }
        #expect(try queue.complete(lease, result: "{}") == .done)
    }

    @Test("a handler's bad result or fan-out is its job's permanent end, and the worker goes on")
    func worker() throws {
        struct Handler: JobHandler {
            func run(_ job: JobContext) throws -> JobOutput {
                job.log("a\0b\u{1B}[31mc")
                switch job.lease.args {
                case "1": return JobOutput(result: "{\"a\":")
                case "2":
                    let child = JobSpec(kind: "work", args: "\"\\u0000\"")
                    return JobOutput(result: "{}", fanOut: FanOut(children: [child]))
                default: return JobOutput(result: "{}")
                }
            }
        }
        let run = try fixture.enqueue([
            StageSpec(name: "only", jobs: ["1", "2", "3"].map { JobSpec(kind: "work", args: $0) })
        ])
        let worker = try Worker(
            databaseURL: fixture.database.url, registry: ["work": Handler()],
            options: WorkerOptions(untilIdle: true))
        try worker.run()
        let jobs = try queue.jobs(run: run, limit: 10).sorted { $0.id < $1.id }
        #expect(jobs.map(\.state) == [.discarded, .discarded, .completed])
        #expect(jobs.map(\.attempts) == [1, 1, 1])
        #expect(jobs[1].reason?.contains("a job of its fan-out") == true)
        #expect(try queue.log(of: jobs[0].id).map(\.line) == ["a\\u{0}b\\u{1B}[31mc"])
    }

    @Test("a stored policy that cannot be read stops no claim")
    func policy() throws {
        _ = try fixture.enqueueOne()
        try queue.connection.script("update ofa.job set backoff = '{\"baseSeconds\":\"\\u0000\"}'")
        let lease = try fixture.claimOne(try queue.openSession(name: "w"))
        #expect(lease.backoff == RetryPolicy())
    }

    @Test("what this gate accepts, jsonb accepts")
    func oracle() throws {
        let corpus = [
            "{\"a\": [1, -2.5e+3, \"a\\n\\u00e9\", {\"b\": false}], \"c\": null}",
            "[\"\\ud83d\\ude00\", \"\\\\u0000\", 1e308]",
            "\"a long text in which most mutations do no harm: the quick brown fox jumps over it\"",
        ]
        let sql = "select $1::jsonb is not null as sound"
        let statement = Statement(name: "JSONProbe", sql: sql)
        var accepted = 0
        try Mutations("json", of: corpus).run(
            Mutations.cases(share: 0.02), throwing: InputFault.self
        ) {
            let text = String(decoding: $0, as: UTF8.self)
            try JSONRule.result.check(text)
            accepted += 1
            #expect(try queue.connection.queryOne(statement, [.text(text)]).bool("sound"))
        }
        #expect(accepted > 0)
    }
}
