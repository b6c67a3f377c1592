// A run that validates, through the queue: what status tells of it, its plot and its table, and that validating
// changes no bit of the training.
import Foundation
import Postgres
import TestSupport
import Testing

@testable import Jobs
@testable import ofa

@Suite struct PlotCommandTests {
    /// A pipeline of a data set and two phases; `keys` are further keys of the second.
    private func pipeline(_ name: String, _ keys: String) -> String {
        """
        name: \(name)
        seed: 3
        space: fashion-mbv3
        stages:
          data: {kind: import-dataset, dataset: tiny, folder: DATA, held_out: 100}
          full: {kind: train, needs: [data], phase: full, epochs: 0.4, batch: 32, learning_rate: 0.05, resolutions: [20]}
          shrink:
            kind: train
            needs: [full]
            phase: expand
            from: full
            teacher: full
            kernel_sizes: [3, 5, 7]
            expand_ratios: [3, 4, 6]
            depths: [2, 3]
            subnets: 2
            epochs: 1
            batch: 32
            learning_rate: 0.02
            resolutions: [20]
            \(keys)
        """
    }

    private func supernets(_ place: CommandPlace, run: Int) throws -> [String] {
        try place.list("artifacts", "list", "--kind", "supernet").filter {
            $0["run"] as? Int == run
        }.compactMap { $0["digest"] as? String }.sorted()
    }

    @Test(
        "a run with validations ends with the bits of one without; status, plot and table tell of them"
    )
    func watched() throws {
        let place = try CommandPlace(images: true)
        try place.write(pipeline("plain", "momentum: 0.9"))
        #expect(try place.ofa("run", place.pipeline).status == 0)
        try place.write(pipeline("watched", "validate_every: 0.5\n    validate_images: 60"))
        let run = try place.ofa("run", place.pipeline)
        #expect(run.status == 0, "\(run.errors)")
        let digests = try supernets(place, run: 2)
        let plain = try supernets(place, run: 1)
        #expect(digests.count == 2 && digests == plain)

        // 300 images of batch 32: 9 steps an epoch, and a validation every 4 or 5 of them and at the end.
        let status = try place.document("status", "2")
        let stage = try #require((status["training"] as? [[String: Any]])?.first)
        #expect(stage["stage"] as? String == "shrink" && stage["last_step"] as? Int == 9)
        let validations = try #require(stage["validations"] as? [[String: Any]])
        #expect(Set(validations.compactMap { $0["step"] as? Int }) == [5, 9])
        #expect(
            validations.prefix(3).compactMap { $0["network"] as? String }
                == ["largest", "middle", "smallest"])
        #expect(validations.allSatisfy { $0["images"] as? Int == 60 })
        #expect(validations.allSatisfy { ($0["arch"] as? [String: Any])?["r"] as? Int == 20 })
        let text = try place.ofa("status", "2").output
        #expect(text.contains("shrink: loss ") && text.contains("held out at step 9: largest "))
        // Of a run without validations, the loss.
        #expect(try !place.ofa("status", "1").output.contains("held out"))

        let plot = place.folder.appending(path: "training.svg")
        let drawn = try place.ofa("plot", "training", "2", "-o", plot.path)
        #expect(drawn.status == 0 && drawn.output.contains("full, shrink"), "\(drawn.errors)")
        let svg = try String(contentsOf: plot, encoding: .utf8)
        #expect(svg.contains("smallest, held-out images") && svg.contains(">shrink<"))
        #expect(try place.ofa("plot", "training", "2", "-o", plot.path).status == 1)
        let table = try place.ofa("plot", "training", "--csv", "-o", "-").output
        #expect(table.hasPrefix("stage,first_step,") && table.contains("\nshrink,5,5,,"))
        let one = try place.document("plot", "training", "2", "--stage", "full")
        #expect((one["stages"] as? [[String: Any]])?.map { $0["stage"] as? String } == ["full"])
        let unknown = try place.ofa("plot", "training", "2", "--stage", "ful", "--json")
        #expect(unknown.status == 2 && (unknown.output + unknown.errors).contains("full, shrink"))
        let document = try place.document("plot", "training", "2")
        let stages = try #require(document["stages"] as? [[String: Any]])
        #expect(stages.compactMap { $0["stage"] as? String } == ["full", "shrink"])
        let points = try #require(stages[1]["points"] as? [[String: Any]])
        // Every step once.
        let steps = points.flatMap { point -> [Int] in
            guard let first = point["first_step"] as? Int, let last = point["last_step"] as? Int
            else { return [] }
            return Array(first...last)
        }
        #expect(steps == Array(1...9))
        #expect(points.compactMap { $0["networks"] as? Int }.reduce(0, +) == 18)
        #expect(points.allSatisfy { $0["distillation_loss"] is Double })
    }

    @Test(
        "a phase without improvement ends early; its result and its log say so, and the next stage goes on"
    )
    func patience() throws {
        let place = try CommandPlace(images: true)
        // So little is learned that no answer changes.
        let keys = "validate_every: 0.2\n    patience: 2\n    patience_of: smallest"
        try place.write(
            pipeline("early", keys).replacing(
                "learning_rate: 0.02", with: "learning_rate: 0.000001"))
        let run = try place.ofa("run", place.pipeline)
        #expect(run.status == 0, "\(run.errors)")
        let job = try #require(
            try place.list("jobs", "--run", "1").first { $0["stage"] as? String == "shrink" })
        let queue = JobQueue(try place.database.connect())
        let id = Int64(try #require(job["id"] as? Int))
        let result = try #require(try queue.job(id).result)
        #expect(result.contains("\"steps\":6"), "\(result)")
        #expect(result.contains("\"step\":6") && result.contains("smallest network"), "\(result)")
        #expect(try queue.log(of: id).contains { $0.line.hasPrefix("ended after step 6: ") })
    }

    @Test("a call that would write nothing, and a run that has not trained, are refused")
    func refused() throws {
        let place = try CommandPlace()
        let nothing = try place.ofa("plot", "training")
        #expect(nothing.status == 64 && nothing.errors.contains("nothing to write"))
        #expect(try place.ofa("enqueue", place.pipeline).status == 0)
        let early = try place.ofa("plot", "training", "1", "-o", "x.svg")
        #expect(early.status == 2 && early.errors.contains("no stage has trained yet"))
        #expect(!FileManager.default.fileExists(atPath: place.folder.path + "/x.svg"))
        #expect((try place.document("status", "1")["training"] as? [Any])?.isEmpty == true)
    }

    @Test("the line of a stage says which steps the last loss is the mean of")
    func line() {
        var curve = TrainingCurve(job: 1, stage: "full", lastStep: 40)
        func point(_ first: Int, _ last: Int, _ loss: Double?) -> StepMetrics {
            StepMetrics(
                firstStep: first, lastStep: last, skipped: 0, networks: 1, images: 1, seconds: 1,
                learningRate: 0.1, loss: loss, distillationLoss: nil, accuracy: nil,
                gradientNorm: nil)
        }
        curve.points = [point(1, 30, 2), point(31, 40, 1)]
        #expect(TrainingLine.text(curve) == "full: loss █▁ 1.000, mean of steps 31 to 40")
        curve.points = [point(1, 1, .nan)]
        #expect(TrainingLine.text(curve) == "full: loss  not finite at step 1")
    }

    @Test("a sparkline goes from the least to the largest value")
    func sparkline() {
        #expect(TrainingLine.sparkline([8, 1, nil, 4.5, .nan]) == "█▁ ▅ ")
        #expect(TrainingLine.sparkline([2, 2]) == "▁▁" && TrainingLine.sparkline([nil]) == "")
    }
}
