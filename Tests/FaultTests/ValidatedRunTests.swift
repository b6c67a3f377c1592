// A training that validates after every other step, so that kills and stops most likely come inside a validation.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

@Suite(.serialized) struct ValidatedRunTests {
    /// The payload of a checkpoint.
    private struct Saved: Decodable {
        struct Validations: Decodable {
            let step: Int
        }
        let step: Int
        let validations: Validations
    }

    private func job(_ queue: JobQueue) throws -> JobDetails {
        try #require(try queue.jobs().first { $0.stage == "shrink" })
    }

    /// How often an attempt of the job went on from a checkpoint.
    private func resumptions(_ queue: JobQueue, _ job: JobID) throws -> Int {
        try queue.log(of: job).count { $0.line.hasPrefix("resumed at step") }
    }

    @Test(
        "killed and stopped in validations, a run ends with the bits of one without validations, and knows each step once"
    )
    func disturbed() throws {
        let pipeline = try TinyPipeline(
            keys: "validate_every: 0.1\n    validate_images: 80\n    patience: 1000")
        let database = try TemporaryDatabase()
        let first = try pipeline.start(database.url)
        try pipeline.wait(until: 0.2, first, database.url)
        first.killNow()
        let queue = JobQueue(try database.connect())
        let id = try job(queue).id
        // Stopped until it is in a validation: its step is saved, and the validation after that step is not.
        var isInside = false, stops = 0
        while !isInside, stops < 8 {
            let known = try resumptions(queue, id)
            let run = try pipeline.start(database.url)
            while run.isRunning, try resumptions(queue, id) == known {
                Thread.sleep(forTimeInterval: 0.05)
            }
            run.terminate()
            _ = run.wait()
            stops += 1
            let checkpoint = try #require(try queue.latestCheckpoint(id, name: "training"))
            let saved = try JSONDecoder().decode(Saved.self, from: Data(checkpoint.payload.utf8))
            isInside = saved.step % 2 == 0 && saved.validations.step < saved.step
        }
        #expect(isInside)
        #expect(
            try queue.attempts(of: id).map(\.outcome)
                == [.lost] + Array(repeating: .released, count: stops))

        let last = try CommandRun(
            ["run", pipeline.path], environment: pipeline.environment(database.url))
        #expect(last.status == 0, "\(last.errors)")
        #expect(try TinyPipeline.supernets(queue.connection) == TinyPipeline.undisturbed())
        let curves = try queue.trainingCurves(run: try job(queue).runID, points: 10_000)
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

    @Test(
        "a phase whose patience ends does so after the same step and with the same bits, also if it was killed"
    )
    func patience() throws {
        // So little is learned that no answer changes: it ends after twelve more validations than the first.
        let pipeline = try TinyPipeline(
            epochs: 3, learningRate: 0.000001,
            keys: "validate_every: 0.1\n    validate_images: 80\n    patience: 12")
        let calm = try TemporaryDatabase(), database = try TemporaryDatabase()
        let whole = try CommandRun(
            ["run", pipeline.path], environment: pipeline.environment(calm.url))
        try #require(whole.status == 0, "\(whole.errors)")
        let first = try pipeline.start(database.url)
        try pipeline.wait(until: 0.1, first, database.url)
        first.killNow()
        let again = try CommandRun(
            ["run", pipeline.path], environment: pipeline.environment(database.url))
        try #require(again.status == 0, "\(again.errors)")
        let (one, other) = (
            JobQueue(try calm.connect()), JobQueue(try database.connect())
        )
        let results = try [one, other].map { try $0.job(job($0).id).result }
        #expect(results[0] == results[1] && results[0]?.contains("in 12 validations") == true)
        #expect(
            try TinyPipeline.supernets(one.connection) == TinyPipeline.supernets(other.connection))
        #expect(try other.attempts(of: job(other).id).map(\.outcome) == [.lost, .completed])
    }

    /// The mean accuracy of every validation of a stage, by step.
    private func means(_ queue: JobQueue) throws -> [(step: Int, accuracy: Double)] {
        let curve = try #require(
            try queue.trainingCurves(run: try job(queue).runID, points: 10_000).last)
        return Dictionary(grouping: curve.validations, by: \.step).map { step, all in
            (step, all.map(\.accuracy).reduce(0, +) / Double(all.count))
        }.sorted { $0.step < $1.step }
    }

    @Test(
        "a phase ends at the first validation that has its accuracy, with the same bits if it was killed before"
    )
    func accuracy() throws {
        func pipeline(_ more: String) throws -> TinyPipeline {
            try TinyPipeline(
                learningRate: 0.002, keys: "validate_every: 0.1\n    validate_images: 80" + more)
        }
        // What the phase reaches without the key; the validations change no bit of it.
        let open = try TemporaryDatabase(), whole = try pipeline("")
        let first = try CommandRun(
            ["run", whole.path], environment: whole.environment(open.url))
        try #require(first.status == 0, "\(first.errors)")
        let course = try means(JobQueue(try open.connect()))
        #expect(course.count == 100)
        // An accuracy between the best before and that of a later validation.
        var best = 0.0, aim: (step: Int, accuracy: Double)?
        for one in course {
            if one.accuracy > best + 1e-6, one.step >= 60, aim == nil {
                aim = (one.step, (best + one.accuracy) / 2)
            }
            best = max(best, one.accuracy)
        }
        let found = try #require(aim, "no validation after step 60 was the best so far: \(course)")
        let aimed = try pipeline("\n    until_accuracy: \(found.accuracy)")
        let calm = try TemporaryDatabase(), database = try TemporaryDatabase()
        let undisturbed = try CommandRun(
            ["run", aimed.path], environment: aimed.environment(calm.url))
        try #require(undisturbed.status == 0, "\(undisturbed.errors)")
        let killed = try aimed.start(database.url)
        try aimed.wait(until: 0.1, killed, database.url)
        killed.killNow()
        let again = try CommandRun(
            ["run", aimed.path], environment: aimed.environment(database.url))
        try #require(again.status == 0, "\(again.errors)")
        let (one, other) = (JobQueue(try calm.connect()), JobQueue(try database.connect()))
        let results = try [one, other].map { try $0.job(job($0).id).result ?? "" }
        #expect(results[0] == results[1] && results[0].contains(#""isReached":true"#))
        #expect(results[0].contains(#""steps":\#(found.step)"#), "\(results[0])")
        #expect(
            try TinyPipeline.supernets(one.connection) == TinyPipeline.supernets(other.connection))
        #expect(try other.attempts(of: job(other).id).map(\.outcome) == [.lost, .completed])
        let log = try one.log(of: job(one).id).map(\.line)
        #expect(log.contains { $0.hasPrefix("ended after step \(found.step): the mean accuracy") })
    }
}
