// A training that validates after every other step, so that a kill and a stop most likely come inside a validation.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

@Suite(.serialized) struct ValidatedRunTests {
    @Test(
        "killed and stopped between validations, a run ends with the bits of one without validations, and knows each step once"
    )
    func disturbed() throws {
        let pipeline = try TinyPipeline(
            keys: "validate_every: 0.1\n    validate_images: 80\n    patience: 1000")
        let database = try TemporaryDatabase()
        let first = try pipeline.start(database.url)
        try pipeline.wait(until: 0.2, first, database.url)
        first.killNow()
        let second = try pipeline.start(database.url)
        try pipeline.wait(until: 0.5, second, database.url)
        second.terminate()
        _ = second.wait()
        let queue = JobQueue(try database.connect())
        let job = try #require(try queue.jobs().first { $0.stage == "shrink" })
        #expect(try queue.attempts(of: job.id).map(\.outcome) == [.lost, .released])

        let last = try CommandRun(
            ["run", pipeline.path], environment: pipeline.environment(database.url))
        #expect(last.status == 0, "\(last.errors)")
        #expect(try TinyPipeline.supernets(queue.connection) == TinyPipeline.undisturbed())
        let curves = try queue.trainingCurves(run: job.runID, points: 10_000)
        let curve = try #require(curves.last)
        #expect(curve.stage == "shrink" && curve.lastStep == 200)
        // Nothing is missing that was trained before the kill, and nothing is there twice.
        #expect(curve.points.flatMap { Array($0.firstStep...$0.lastStep) } == Array(1...200))
        let expected = (1...100).flatMap { step in
            ["largest", "middle", "smallest"].map { "\(2 * step) \($0)" }
        }
        #expect(curve.validations.map { "\($0.step) \($0.network)" } == expected)
        #expect(try queue.audit() == [])
    }
}
