// A run whose process is killed, and a run whose database goes away: both end with the bits of a run left alone.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

@Suite(.serialized) struct KilledRunTests {
    @Test(
        "killed in the middle of a phase, the same command goes on and ends with the same weights, bit for bit"
    )
    func killed() throws {
        let pipeline = try TinyPipeline(), database = try TemporaryDatabase()
        let first = try pipeline.start(database.url)
        try pipeline.wait(until: 0.3, first, database.url)
        first.killNow()

        let second = try CommandRun(
            ["run", pipeline.path], environment: pipeline.environment(database.url))
        #expect(second.status == 0, "\(second.errors)")
        #expect(second.errors.contains("resuming"))
        let connection = try database.connect(), queue = JobQueue(connection)
        let runs = try queue.runs()
        #expect(runs.count == 1 && runs[0].state == .completed)
        let status = try queue.runStatus(runs[0].id)
        let shrink = try #require(status.stages.first { $0.name == "shrink" })
        #expect(shrink.lost == 1 && shrink.attempts == 2 && shrink.failures == 0)
        // What was done before was not done again.
        #expect(status.stages.filter { $0.name != "shrink" }.allSatisfy { $0.attempts == 1 })
        let jobs = try queue.jobs(run: runs[0].id)
        let job = try #require(jobs.first { $0.stage == "shrink" })
        let log = try queue.log(of: job.id).map(\.line)
        #expect(log.contains { $0.hasPrefix("resumed at step ") }, "\(log)")
        #expect(try TinyPipeline.supernets(connection) == TinyPipeline.undisturbed())
        #expect(try queue.audit() == [])
    }

    @Test("killed after a checkpoint that is a delta, a training resumes from it, bit for bit")
    func killedAfterDelta() throws {
        // Steps this small leave most bits of the weights, so that deltas pay.
        func slow() throws -> TinyPipeline {
            try TinyPipeline(epochs: 2, learningRate: 1e-6, checkpointSeconds: 0)
        }
        let pipeline = try slow(), database = try TemporaryDatabase()
        let newest = Statement(
            name: "NewestCheckpoint",
            sql: """
                select seq, filter = 'xor' as is_delta, stored_bytes, raw_bytes
                from ofa.checkpoint join ofa.blob on blob.digest = checkpoint.digest
                join ofa.job on job.id = checkpoint.job_id
                where job.stage = 'shrink' order by seq desc limit 1
                """)
        let active = Statement(
            name: "ActiveSessions",
            sql: """
                select count(*) as n from pg_stat_activity
                where datname = current_database() and state = 'active' and pid <> pg_backend_pid()
                  and wait_event_type is distinct from 'Client'
                """)
        let first = try pipeline.start(database.url)
        try pipeline.wait(until: 0.3, first, database.url)
        let connection = try database.connect(), queue = JobQueue(connection)
        var seq: Int64 = 0
        while first.isRunning {
            first.stop()
            // A statement that was sent before the stop may still commit a checkpoint. One that was sent in part waits
            // for the rest from the stopped program, and commits nothing.
            while try connection.queryOne(active).int("n") > 0 {
                Thread.sleep(forTimeInterval: 0.01)
            }
            let row = try connection.queryOne(newest)
            seq = try row.int64("seq")
            if try row.bool("is_delta") {
                #expect(try row.int("stored_bytes") < row.int("raw_bytes"))
                break
            }
            first.goOn()
            Thread.sleep(forTimeInterval: 0.02)
        }
        first.killNow()

        let second = try CommandRun(
            ["run", pipeline.path], environment: pipeline.environment(database.url))
        #expect(second.status == 0, "\(second.errors)")
        let job = try #require(try queue.jobs().first { $0.stage == "shrink" })
        let log = try queue.log(of: job.id).map(\.line)
        #expect(log.contains("resumed at step \(seq) of 40"), "\(log)")

        let other = try slow(), quiet = try TemporaryDatabase()
        let undisturbed = try CommandRun(
            ["run", other.path], environment: other.environment(quiet.url))
        #expect(undisturbed.status == 0, "\(undisturbed.errors)")
        #expect(
            try TinyPipeline.supernets(connection) == TinyPipeline.supernets(try quiet.connect()))
    }

    @Test(
        "asked to stop, a training waits for the checkpoint under way, saves where it is, and goes on there"
    )
    func stopped() throws {
        let pipeline = try TinyPipeline(), database = try TemporaryDatabase()
        let first = try pipeline.start(database.url)
        try pipeline.wait(until: 0.3, first, database.url)
        first.terminate()
        _ = first.wait()
        let connection = try database.connect(), queue = JobQueue(connection)
        let job = try #require(try queue.jobs().first { $0.stage == "shrink" })
        let saved = try queue.checkpoints(job.id, name: "training")
        // 200 steps, of which it had done more than three tenths.
        #expect((saved.first?.seq ?? 0) > 60 && saved.count <= 2, "\(saved.map(\.seq))")
        #expect(try queue.attempts(of: job.id).map(\.outcome) == [.released])

        let second = try CommandRun(
            ["run", pipeline.path], environment: pipeline.environment(database.url))
        #expect(second.status == 0, "\(second.errors)")
        let log = try queue.log(of: job.id).map(\.line)
        #expect(log.contains("resumed at step \(saved.first?.seq ?? 0) of 200"), "\(log)")
        #expect(try TinyPipeline.supernets(connection) == TinyPipeline.undisturbed())
        let left = Statement(
            name: "Left",
            sql: """
                select (select count(*) from ofa.checkpoint)
                  + (select count(*) from ofa.blob where class = 'checkpoint') as n
                """)
        #expect(try connection.queryOne(left).int("n") == 0)
    }

    @Test(
        "a database that goes away in the middle of a phase and comes back costs time and nothing else"
    )
    func databaseRestarted() throws {
        let home = try TemporaryFolder.make(prefix: "ofa-fault-server")
        let server = PrivateServer(home: home, settings: ["fsync = off"])
        try TestServer.watch(home: home, server: try server.status())
        let url = try server.start(), pipeline = try TinyPipeline()
        let run = try pipeline.start(url)
        try pipeline.wait(until: 0.3, run, url)
        // An immediate shutdown: no goodbye to anybody, recovery at the next start.
        let process = try #require(try server.status().process)
        #expect(kill(pid_t(process), SIGQUIT) == 0)
        while try server.status().state == .running { Thread.sleep(forTimeInterval: 0.05) }
        #expect(try server.start() == url)

        #expect(run.wait() == 0, "\(run.errors)")
        let connection = try Connection(url: url, applicationName: "test"),
            queue = JobQueue(connection)
        let runs = try queue.runs()
        #expect(runs.count == 1 && runs[0].state == .completed)
        #expect(try TinyPipeline.supernets(connection) == TinyPipeline.undisturbed())
        #expect(try queue.audit() == [])
        connection.close()
        try server.stop()
    }
}
