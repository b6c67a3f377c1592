// A run that reaches its budget stops at a checkpoint, and goes on to the same bits once the budget is lifted.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

@Suite(.serialized) struct HeldRunTests {
    @Test(
        "a training whose budget is used up stops at a checkpoint; lifted, it ends with the same weights, bit for bit"
    )
    func held() throws {
        let pipeline = try TinyPipeline(epochs: 20), database = try TemporaryDatabase()
        let environment = pipeline.environment(database.url)
        let first = try pipeline.start(database.url)
        try pipeline.wait(until: 0.2, first, database.url)
        // What the stages before it used is metered already, and is more than this.
        let set = try CommandRun(
            ["budget", "set", "1", "--max-kwh", "1e-9"], environment: environment)
        #expect(set.status == 0, "\(set.errors)")
        #expect(first.wait() == 1)
        #expect(first.errors.contains("run 1 is held: it used "), "\(first.errors)")
        #expect(first.errors.contains("of 0.000000001 kWh"), "\(first.errors)")

        let connection = try database.connect(), queue = JobQueue(connection)
        let job = try #require(try queue.jobs().first { $0.stage == "shrink" })
        #expect(job.state == .scheduled)
        #expect(try queue.attempts(of: job.id).map(\.outcome) == [.released])
        let saved = try #require(try queue.checkpoints(job.id, name: "training").first).seq
        #expect(
            try queue.log(of: job.id).map(\.line).contains {
                $0.contains("the run's budget is used up: ")
            })
        let status = try CommandRun(["status", "1", "--json"], environment: environment)
        #expect(status.output.contains("\"held\" : \"") || status.output.contains("\"held\":\""))
        // The same command goes no further.
        let again = try CommandRun(["run", pipeline.path], environment: environment)
        #expect(again.status == 1 && again.errors.contains("is held"), "\(again.errors)")
        #expect(try queue.attempts(of: job.id).count == 1)

        let lift = try CommandRun(["budget", "lift", "1"], environment: environment)
        #expect(lift.status == 0, "\(lift.errors)")
        let second = try CommandRun(["run", pipeline.path], environment: environment)
        #expect(second.status == 0, "\(second.errors)")
        #expect(
            try queue.log(of: job.id).map(\.line).contains("resumed at step \(saved) of 400"))
        let other = try TinyPipeline(epochs: 20), quiet = try TemporaryDatabase()
        let undisturbed = try CommandRun(
            ["run", other.path], environment: other.environment(quiet.url))
        #expect(undisturbed.status == 0, "\(undisturbed.errors)")
        #expect(
            try TinyPipeline.supernets(connection) == TinyPipeline.supernets(try quiet.connect()))
        #expect(try queue.audit() == [])
    }
}
