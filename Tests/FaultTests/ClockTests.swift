// Fault 8: clocks that are wrong and clocks that are set. A worker lives by a clock that nobody sets; the
// queue lives by the database's, and when that is set, leases may be lost but nothing is done twice.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

@Suite("Fault 8: clocks", .serialized)
struct ClockTests {
    private static let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"

    /// The environment of a process whose time of day is what `file` says, and whose other clocks are right.
    private func wrongClock(_ file: String) -> [String: String] {
        [
            "LD_PRELOAD": Self.library, "FAKETIME_TIMESTAMP_FILE": file, "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        ]
    }

    /// The time of day as such a process sees it, in seconds from ours.
    private func error(of environment: [String: String]) throws -> Double {
        let process = Process(), output = Pipe()
        process.executableURL = URL(filePath: "/bin/date")
        process.arguments = ["+%s"]
        process.environment = environment
        process.standardOutput = output
        try process.run()
        process.waitUntilExit()
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let seen = try #require(Double(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        return seen - Date().timeIntervalSince1970
    }

    /// Starts a worker process whose time of day is what a file says.
    ///
    /// By way of `env`, which has its environment extended by the library; done to a Swift program, that
    /// hides its arguments from it.
    private func start(_ url: String, clock file: String) throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            CommandRun.binary(named: "ofa-fault-worker").path(), "--ttl-seconds", "3",
            "--until-idle", "--name", (file as NSString).lastPathComponent,
        ]
        process.environment = wrongClock(file).merging(["OFA_DATABASE_URL": url]) { $1 }
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        return process
    }

    @Test("workers whose time of day is an hour off, or jumps by two hours, lose no lease")
    func workerClock() throws {
        guard access(Self.library, R_OK) == 0 else {
            print("worker clock: skipped, \(Self.library) is missing (apt-get install faketime)")
            return
        }
        let folder = try TemporaryFolder.make(prefix: "ofa-clock")
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(atPath: folder) } }
        let files = ["ahead", "behind", "jumping"].map { folder + "/" + $0 }
        for (file, offset) in zip(files, ["+3600", "-3600", "+3600"]) {
            try "\(offset)s\n".write(toFile: file, atomically: true, encoding: .utf8)
        }
        // 10 s: the two clocks are not read at the same moment, on a busy machine.
        #expect(abs(try error(of: wrongClock(files[0])) - 3600) < 10)
        #expect(abs(try error(of: wrongClock(files[1])) + 3600) < 10)

        let database = try TemporaryDatabase(), queue = JobQueue(try database.connect())
        let seconds = ScaledForm.seconds ?? 4
        // One job outlasts its worker's term; the others keep the workers coming back for more.
        let long = JobSpec(kind: "sleep", args: #"{"seconds":\#(seconds)}"#)
        let short = JobSpec(kind: "sleep", args: #"{"seconds":0.02}"#)
        let count = Int(seconds * 30)
        let run = try queue.enqueue(
            .flat(
                "clocks", Array(repeating: long, count: 2) + Array(repeating: short, count: count)))
        let workers = try files.map { try start(database.url, clock: $0) }
        defer { for worker in workers where worker.isRunning { worker.terminate() } }
        var jumps = 0
        while try queue.run(run).state == .running {
            jumps += 1
            let offset = jumps % 2 == 0 ? "+3600" : "-3600"
            try "\(offset)s\n".write(toFile: files[2], atomically: true, encoding: .utf8)
            Thread.sleep(forTimeInterval: 0.3)
        }
        for worker in workers {
            worker.waitUntilExit()
            #expect(worker.terminationStatus == 0)
        }
        #expect(jumps > 3)
        let jobs = try queue.jobs(run: run, limit: 10_000)
        #expect(jobs.count == count + 2)
        #expect(jobs.allSatisfy { $0.state == .completed && $0.attempts == 1 })
        try QueueProof.expect(queue, after: jumps, "jumps of two hours", "8 worker clock")
    }

    /// Gives the database a clock that the test sets for everybody at once.
    private func setClock(_ control: Connection) throws {
        try control.script(
            """
            create table public.clock (ahead interval not null);
            insert into public.clock values ('0');
            create or replace function ofa.now() returns timestamptz language sql stable as $$
              select statement_timestamp() + (select ahead from public.clock)
            $$;
            """)
    }

    private func step(_ control: Connection, _ seconds: Double) throws {
        try control.script("update public.clock set ahead = '\(seconds) s'")
    }

    @Test(
        "while the database's clock is set forth and back, nothing is lost and nothing is done twice"
    )
    func databaseClock() throws {
        let seed = ScaledForm.seed("database clock")
        var random = StormRandom(seed)
        let database = try TemporaryDatabase(), control = try database.connect()
        try setClock(control)
        let queue = JobQueue(control)
        let seconds = ScaledForm.seconds ?? 4
        let steps = #"{"seconds":0.02,"steps":10}"#
        let job = JobSpec(kind: "checkpoints", args: steps, maxCrashes: 1000)
        let run = try queue.enqueue(
            RunSpec(
                name: "clock", definition: "", definitionHash: "1",
                stages: [
                    StageSpec(name: "a", jobs: Array(repeating: job, count: Int(seconds * 10))),
                    StageSpec(
                        name: "b",
                        job: JobSpec(kind: "plan", args: #"{"children":20}"#, maxCrashes: 1000),
                        needs: ["a"]),
                ]))
        let workers = try (0..<2).map { index in
            try RunningCommand(
                program: "ofa-fault-worker",
                [
                    "--ttl-seconds", "2", "--until-idle", "--workers", "2", "--name",
                    "clock \(index)",
                ],
                environment: ["OFA_DATABASE_URL": database.url])
        }
        var jumps = 0
        let end = ContinuousClock.now + .seconds(seconds)
        while try queue.run(run).state == .running {
            Thread.sleep(forTimeInterval: 0.35)
            if ContinuousClock.now > end { continue }
            jumps += 1
            let hours = [-1.0, 0, 1][Int.random(in: 0..<3, using: &random)]
            try step(control, hours * 3600)
        }
        for worker in workers { #expect(worker.wait() == 0, "\(worker.errors)") }
        let jobs = try queue.jobs(run: run, limit: 100_000)
        #expect(try queue.run(run).state == .completed)
        #expect(jobs.filter { $0.stage == "a" }.allSatisfy { $0.result == "55" })
        let lost = jobs.reduce(0) { $0 + $1.lost }
        try QueueProof.expect(
            queue, after: jumps, "jumps, \(lost) leases lost", "8 database clock")
    }

    @Test("a worker that dies before the clock is set back is missed at once, not an hour later")
    func setBackAfterDeath() throws {
        let database = try TemporaryDatabase(), control = try database.connect()
        try setClock(control)
        try step(control, 3600)
        let queue = JobQueue(control)
        let run = try queue.enqueue(
            .flat("back", [JobSpec(kind: "poison", args: #"{"times":1}"#)]))
        let environment = ["OFA_DATABASE_URL": database.url]
        let first = try RunningCommand(
            program: "ofa-fault-worker", ["--ttl-seconds", "2"], environment: environment)
        _ = first.wait()
        try step(control, 0)
        let second = try RunningCommand(
            program: "ofa-fault-worker", ["--ttl-seconds", "2", "--until-idle"],
            environment: environment)
        let deadline = ContinuousClock.now + .seconds(120)
        while second.isRunning {
            try #require(ContinuousClock.now < deadline, "the job waits for a clock to come again")
            Thread.sleep(forTimeInterval: 0.02)
        }
        #expect(try queue.run(run).state == .completed)
        #expect(try queue.jobs(run: run).map(\.lost) == [1])
        try QueueProof.expect(queue, after: 1, "death before a jump", "8 clock set back")
    }
}
