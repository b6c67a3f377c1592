// Fault 14: a training stage whose process is killed after each of its steps, always between the moment when
// the blob of a checkpoint was put and the moment when its row is written.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

@Suite("Fault 14: killed at step boundaries", .serialized)
struct StepBoundaryTests {
    /// Holds whoever writes a checkpoint beyond a step of the test, before its row is there.
    private static let holdCheckpoints = """
        create table public.hold (step bigint);
        insert into public.hold values (0);
        create function public.hold() returns trigger language plpgsql as $$
        begin
          if new.seq > (select step from public.hold) then
            perform pg_advisory_xact_lock(\(RaceMatrix.hold));
          end if;
          return new;
        end $$;
        create trigger hold before insert on ofa.checkpoint for each row execute function public.hold();
        """
    private static let held = Statement(
        name: "HeldCheckpoint",
        sql: """
            select pid from pg_stat_activity where datname = current_database()
              and wait_event = 'advisory' and pid <> pg_backend_pid()
            """)
    private static let saved = Statement(
        name: "SavedCheckpoint", sql: "select coalesce(max(seq), 0) as seq from ofa.checkpoint")

    @Test(
        "killed at step after step, a stage repeats one interval each time and ends with the same bits"
    )
    func everyBoundary() throws {
        // A checkpoint after every step.
        let pipeline = try TinyPipeline(epochs: 1, checkpointSeconds: 0)
        let calm = try TemporaryDatabase()
        let reference = try CommandRun(
            ["run", pipeline.path], environment: pipeline.environment(calm.url))
        try #require(reference.status == 0, "\(reference.errors)")

        let database = try TemporaryDatabase(), control = try database.connect()
        try control.script(Self.holdCheckpoints)
        let queue = JobQueue(try database.connect())
        try queue.connection.script("set ofa.clock_offset = '3600 s'")
        var resumedAt: [Int] = []
        // 20 steps: the last ends the stage and has no checkpoint.
        for step in stride(from: 1, through: 18, by: ScaledForm.pick(3, 1)) {
            try control.script("update public.hold set step = \(step)")
            try control.script("select pg_advisory_lock(\(RaceMatrix.hold))")
            let run = try pipeline.start(database.url)
            try waitForHeld(control, run)
            try waitForLog(queue, resumedAt.count, run)
            run.killNow()
            // The blob is there, its row is not.
            let saved = try control.queryOne(Self.saved).int("seq")
            if saved > 0 { resumedAt.append(saved) }
            try control.script("select pg_advisory_unlock(\(RaceMatrix.hold))")
            // The transaction ends when its server finds nobody to answer.
            try waitForRescue(queue)
            try control.script("update ofa.live set max_crashes = 1000")
            #expect(try control.queryOne(Self.saved).int("seq") == saved)
        }
        try control.script("update public.hold set step = 1000000")
        let last = try CommandRun(
            ["run", pipeline.path], environment: pipeline.environment(database.url))
        try #require(last.status == 0, "\(last.errors)")

        let same = try TinyPipeline.supernets(try calm.connect())
        #expect(try TinyPipeline.supernets(control) == same)
        let job = try #require(try queue.jobs().first { $0.stage == "shrink" })
        let log = try resumptions(queue)
        // Each went on at the last row: what was lost is what came after it, one interval.
        #expect(log == resumedAt.map { "resumed at step \($0) of 20" }, "\(log)")
        #expect(resumedAt.count >= 5 && resumedAt == resumedAt.sorted())
        let attempts = try queue.attempts(of: job.id)
        #expect(attempts.dropLast().allSatisfy { $0.outcome == .lost })
        try QueueProof.expect(
            queue, after: resumedAt.count, "kills at steps", "14 step boundaries")
    }

    private func waitForHeld(_ control: Connection, _ run: RunningCommand) throws {
        while try control.query(Self.held).isEmpty {
            try #require(run.isRunning, "it ended before a checkpoint was held: \(run.errors)")
            Thread.sleep(forTimeInterval: 0.01)
        }
    }

    private func resumptions(_ queue: JobQueue) throws -> [String] {
        guard let job = try queue.jobs().first(where: { $0.stage == "shrink" }) else { return [] }
        return try queue.log(of: job.id).map(\.line).filter { $0.hasPrefix("resumed at step ") }
    }

    /// What a job says is written down a moment later, by a thread that is not held.
    private func waitForLog(_ queue: JobQueue, _ count: Int, _ run: RunningCommand) throws {
        while try resumptions(queue).count < count {
            try #require(run.isRunning, "it ended while it was held: \(run.errors)")
            Thread.sleep(forTimeInterval: 0.01)
        }
    }

    private func waitForRescue(_ queue: JobQueue) throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try queue.rescue() == 0 {
            try #require(ContinuousClock.now < deadline, "nothing was rescued")
            Thread.sleep(forTimeInterval: 0.01)
        }
    }
}
