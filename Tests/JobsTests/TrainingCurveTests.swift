// The metrics of training jobs: each step once, whatever attempts trained it, thinned out by the server.
import Foundation
import Postgres
import TestSupport
import Testing

@testable import Jobs

@Suite struct TrainingCurveTests {
    /// The metrics of a range of steps, whose loss is the number of its attempt.
    private func metrics(_ first: Int, _ last: Int, loss: Double?, skipped: Int = 0) -> StepMetrics
    {
        StepMetrics(
            firstStep: first, lastStep: last, skipped: skipped, networks: 2 * (last - first + 1),
            images: 16 * (last - first + 1), seconds: 0.25 * Double(last - first + 1),
            learningRate: 0.5, loss: loss, distillationLoss: nil, accuracy: loss.map { _ in 0.5 },
            gradientNorm: loss.map { _ in 2 })
    }

    private func validation(_ step: Int, _ network: String, _ accuracy: Double) -> ValidationMetrics
    {
        ValidationMetrics(
            step: step, network: network, arch: #"{"r":28}"#, accuracy: accuracy, loss: 1,
            images: 100)
    }

    @Test("steps that a later attempt trained again are read once, from that attempt")
    func trainedAgain() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        let run = try fixture.enqueueOne()
        let session = try queue.openSession(name: "a", ttlSeconds: 30)
        let first = try fixture.claimOne(session)
        #expect(try queue.trainingCurves(run: run, points: 100) == [])
        // A checkpoint after step 20, then steps that are lost.
        let before = TrainingRows(
            steps: [
                metrics(1, 10, loss: 1), metrics(11, 20, loss: 1), metrics(21, 30, loss: 1),
                metrics(31, 40, loss: 1),
            ], validations: [validation(20, "largest", 0.5), validation(40, "largest", 0.6)])
        try queue.record(first, before)
        // Written again, as with a checkpoint, they are there once.
        try queue.record(first, before)
        let whole = try #require(try queue.trainingCurves(run: run, points: 1000).first)
        #expect(whole.stage == "only" && whole.job == first.jobID && whole.lastStep == 40)
        #expect(whole.points == before.steps && whole.validations == before.validations)

        // The worker is lost, and another one resumes after step 20.
        try fixture.advance(to: 60)
        #expect(try queue.rescue() == 1)
        let later = try queue.openSession(name: "b", ttlSeconds: 30)
        let second = try fixture.claimOne(later)
        #expect(second.token != first.token)
        try queue.record(
            second,
            TrainingRows(
                steps: [metrics(21, 25, loss: 2)], validations: [validation(25, "largest", 0.7)]))
        // The lost worker does not know it yet: what it goes on to write does not show.
        try queue.record(
            first,
            TrainingRows(
                steps: [metrics(41, 50, loss: 1)], validations: [validation(50, "largest", 0.1)]))
        func curve(_ points: Int = 1000) throws -> TrainingCurve {
            try #require(try queue.trainingCurves(run: run, points: points).first)
        }
        #expect(try curve().lastStep == 25)
        #expect(try curve().points.map(\.firstStep) == [1, 11, 21])
        #expect(try curve().points.map(\.loss) == [1, 1, 2])
        #expect(try curve().validations.map(\.step) == [20, 25])
        #expect(try curve().lastValidation.map(\.accuracy) == [0.7])

        // A third begins before: its checkpoint was the only intact one.
        try fixture.advance(to: 120)
        #expect(try queue.rescue() == 1)
        let third = try fixture.claimOne(try queue.openSession(name: "c", ttlSeconds: 30))
        try queue.record(
            third,
            TrainingRows(
                steps: [metrics(11, 25, loss: 3)], validations: [validation(25, "largest", 0.8)]))
        #expect(try curve().points.map(\.loss) == [1, 3])
        #expect(try curve().points.map(\.lastStep) == [10, 25])
        // The measurement after step 20 was made by an attempt whose step 20 does not count.
        #expect(try curve().validations.map(\.accuracy) == [0.8])
        try fixture.expectSound()
    }

    @Test(
        "an attempt that validates and trains nothing is read; what it measured counts until it is trained again"
    )
    func onlyValidated() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        let run = try fixture.enqueueOne()
        let first = try fixture.claimOne(try queue.openSession(name: "a", ttlSeconds: 30))
        let steps = [metrics(1, 20, loss: 1), metrics(21, 40, loss: 1)]
        try queue.record(
            first, TrainingRows(steps: steps, validations: [validation(20, "largest", 0.5)]))
        func next(_ name: String, at time: Double) throws -> Lease {
            try fixture.advance(to: time)
            #expect(try queue.rescue() == 1)
            return try fixture.claimOne(try queue.openSession(name: name, ttlSeconds: 30))
        }
        // It resumes after the last step, whose validation the first attempt did not end.
        let second = try next("b", at: 60)
        try queue.record(
            second, TrainingRows(validations: [validation(40, "largest", 0.75)]))
        func curve() throws -> TrainingCurve {
            try #require(try queue.trainingCurves(run: run, points: 1000).first)
        }
        #expect(try curve().lastStep == 40 && curve().points == steps)
        #expect(try curve().validations.map(\.step) == [20, 40])
        #expect(try curve().lastValidation.map(\.accuracy) == [0.75])
        // A third attempt finds that checkpoint damaged and begins after step 20.
        let third = try next("c", at: 120)
        try queue.record(third, TrainingRows(steps: [metrics(21, 30, loss: 3)]))
        #expect(try curve().points.map(\.loss) == [1, 3] && curve().lastStep == 30)
        #expect(try curve().validations.map(\.step) == [20])
    }

    @Test("values that are not finite are read as missing")
    func notFinite() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        let run = try fixture.enqueueOne()
        let lease = try fixture.claimOne(try queue.openSession(name: "a", ttlSeconds: 30))
        let diverged = ValidationMetrics(
            step: 10, network: "largest", arch: "{}", accuracy: 0.1, loss: .nan, images: 5)
        #expect(diverged.loss == nil && metrics(1, 1, loss: .infinity).loss == nil)
        try queue.record(
            lease,
            TrainingRows(
                steps: [metrics(1, 10, loss: .infinity)],
                validations: [diverged, validation(10, "smallest", 0.5)]))
        // An older version writes what it measured.
        try queue.connection.script(
            "update ofa.training_metrics set gradient_norm = 'NaN', loss = 'Infinity'")
        let curve = try #require(try queue.trainingCurves(run: run, points: 10).first)
        #expect(curve.validations.map(\.loss) == [nil, 1])
        #expect(curve.points[0].loss == nil && curve.points[0].gradientNorm == nil)
        #expect(try String(decoding: JSONEncoder().encode(curve.points), as: UTF8.self).count > 0)
    }

    @Test(
        "log lines and metrics are written together: if the metrics fail, no line is written twice")
    func together() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        let run = try fixture.enqueueOne()
        let lease = try fixture.claimOne(try queue.openSession(name: "a", ttlSeconds: 30))
        let signal = AttemptSignal(lastBeat: 0, termSeconds: 1) { 0 }
        signal.log("a line")
        signal.record(TrainingRows(steps: [metrics(1, 10, loss: 1)]))
        func rename(_ from: String, _ to: String) throws {
            try queue.connection.script("alter table ofa.\(from) rename to \(to)")
        }
        try rename("training_metrics", "elsewhere")
        for _ in 0..<2 {
            #expect(throws: PostgresError.self) {
                try LeaseKeeper.writeNotes(queue, lease, signal)
            }
        }
        try rename("elsewhere", "training_metrics")
        try LeaseKeeper.writeNotes(queue, lease, signal)
        try LeaseKeeper.writeNotes(queue, lease, signal)
        #expect(try queue.log(of: lease.jobID).map(\.line) == ["a line"])
        #expect(try queue.trainingCurves(run: run, points: 10).first?.lastStep == 10)
    }

    @Test(
        "the server thins out a curve: sums, and means weighted by the steps that were not skipped")
    func thinned() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        let run = try fixture.enqueueOne()
        let lease = try fixture.claimOne(try queue.openSession(name: "a", ttlSeconds: 30))
        try queue.record(
            lease,
            TrainingRows(steps: [
                metrics(1, 10, loss: 1), metrics(11, 20, loss: 4, skipped: 5),
                metrics(21, 30, loss: nil, skipped: 10), metrics(31, 40, loss: nil, skipped: 10),
            ]))
        let points = try #require(try queue.trainingCurves(run: run, points: 2).first).points
        #expect(points.map(\.firstStep) == [1, 21] && points.map(\.lastStep) == [20, 40])
        #expect(points.map(\.skipped) == [5, 20] && points.map(\.networks) == [40, 40])
        #expect(points.map(\.images) == [320, 320] && points.map(\.seconds) == [5, 5])
        #expect(points.map(\.loss) == [2, nil])
        #expect(points[0].imagesPerSecond == 64 && points[0].learningRate == 0.5)
        #expect(points.map(\.distillationLoss) == [nil, nil])
    }

    @Test("of several stages, only those that are asked for are read, or the last that trained")
    func stages() throws {
        let fixture = try QueueFixture(), queue = fixture.queue
        let run = try fixture.enqueueChain(["data", "full", "kernel"])
        let session = try queue.openSession(name: "a", ttlSeconds: 30)
        for stage in ["data", "full", "kernel"] {
            let lease = try fixture.claimOne(session)
            #expect(lease.stage == stage)
            if stage != "data" {
                try queue.record(lease, TrainingRows(steps: [metrics(1, 4, loss: 1)]))
            }
            #expect(try queue.complete(lease, result: "{}") == .done)
        }
        func stages(_ wanted: Set<String>?) throws -> [String] {
            try queue.trainingCurves(run: run, points: 10, stages: wanted).map(\.stage)
        }
        #expect(try stages(nil) == ["full", "kernel"])
        #expect(try stages(["full"]) == ["full"] && stages([]) == ["kernel"])
    }

    @Test("what a handler records is written beside it, and the last rows with the job's end")
    func worker() throws {
        let fixture = try QueueFixture()
        let run = try fixture.enqueueOne()
        let worker = try testWorker(fixture.database.url) { context in
            for step in 1...3 {
                context.record(
                    TrainingRows(steps: [
                        StepMetrics(
                            firstStep: step, lastStep: step, skipped: 0, networks: 1, images: 8,
                            seconds: 1, learningRate: 0.1, loss: 1, distillationLoss: 0.5,
                            accuracy: 0.25, gradientNorm: 3)
                    ]))
            }
            context.record(
                TrainingRows(validations: [
                    ValidationMetrics(
                        step: 3, network: "smallest", arch: "{}", accuracy: 0.5, loss: 2, images: 4)
                ]))
            return JobOutput(result: "{}")
        }
        try worker.run()
        let curve = try #require(try fixture.queue.trainingCurves(run: run, points: 10).first)
        #expect(curve.points.map(\.lastStep) == [1, 2, 3] && curve.validations.count == 1)
        #expect(curve.points[0].distillationLoss == 0.5 && curve.points[0].gradientNorm == 3)
    }

    @Test("rows that wait for a database that is away are bounded: the oldest go")
    func bounded() {
        var rows = TrainingRows()
        for step in 1...TrainingRows.most + 1 {
            rows.append(TrainingRows(steps: [metrics(step, step, loss: 1)]))
        }
        #expect(rows.steps.count == TrainingRows.most / 2)
        #expect(rows.steps.last?.lastStep == TrainingRows.most + 1)
        #expect(rows.steps.first?.firstStep == TrainingRows.most / 2 + 2)
    }
}
