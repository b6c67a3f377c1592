// What a train stage does around the trainer: which channels stay in place, what it records of the engines it ran on,
// and what it tells.
import Datasets
import Networks
import Tensors
import TestSupport
import Testing

@testable import Pipelines
@testable import Training

@Suite struct TrainStageTests {
    private func definition(_ stages: String, space: String = "fashion-mbv3") throws
        -> PipelineDefinition
    {
        try PipelineDefinition(
            text: """
                name: small
                space: \(space)
                stages:
                  data: {kind: import-dataset, dataset: d, folder: /data}
                \(stages)
                """, file: "p.yaml")
    }

    @Test(
        "the ratios that keep their channels are those that `from` and the phases before it were trained at"
    )
    func keptRatios() throws {
        let text = """
              full: {kind: train, needs: [data], phase: full, epochs: 1, learning_rate: 0.1}
              one: {kind: train, needs: [full], phase: expand, from: full, expand_ratios: [4, 6], epochs: 1, learning_rate: 0.1}
              two: {kind: train, needs: [one], phase: expand, from: one, expand_ratios: [3, 6], epochs: 1, learning_rate: 0.1}
              own: {kind: train, needs: [two], phase: expand, from: two, expand_ratios: [3, 4, 6], epochs: 1, learning_rate: 0.1, sort_channels: true, keep_ratios: [4]}
            """
        let space = SearchSpace.fashion
        var trained: TrainedDomain?, kept: [[Double]] = [], stated: [[Double]?] = []
        for stage in try definition(text).stages {
            guard case .train(let train) = stage.parameters else { continue }
            kept.append(TrainStage.keptRatios(trained, space))
            stated.append(train.keepRatios)
            trained = TrainStage.trained(train, trained, space)
        }
        // Before `own`, three ratios were trained: the two below the largest stay, the wider first.
        #expect(kept == [[], [], [4], [4, 3]])
        #expect(stated == [nil, nil, nil, [4]])
    }

    @Test("steps are recorded with the instruction set and threads that they were trained with")
    func segments() throws {
        let one = try CPUEngine(threads: 1, instructionSet: .named("scalar"))
        let two = try CPUEngine(threads: 2, instructionSet: .named("scalar"))
        typealias Segment = TrainStage.Segment
        func segment(_ from: Int, _ to: Int, _ threads: Int) -> Segment {
            Segment(
                from: from, to: to, instructionSet: "scalar", blasCore: BLASCore.current,
                threads: threads)
        }
        let first = Segment.appending(10, on: one, to: [])
        #expect(first == [segment(0, 10, 1)])
        // An attempt on the same engine goes on with its segment, one on another begins a new one.
        #expect(Segment.appending(25, on: one, to: first) == [segment(0, 25, 1)])
        let both = Segment.appending(25, on: two, to: first)
        #expect(both == [segment(0, 10, 1), segment(10, 25, 2)])
        // One that trained nothing leaves none.
        #expect(Segment.appending(25, on: one, to: both) == both)
        let metadata = SupernetMetadata(
            space: "fashion-mbv3", phase: "full", steps: 25, skippedSteps: 1,
            normalization: PixelNormalization(mean: [0], deviation: [1]), instructionSet: "scalar",
            blasCore: BLASCore.current, threads: 2, trained: nil, segments: both,
            augmentation: Augmentation(shift: 2))
        let text = try JSONText.encode(metadata)
        #expect(try JSONText.decode(SupernetMetadata.self, from: text, what: "t") == metadata)
    }

    @Test("metrics are means of the steps that moved the weights, and say how many were skipped")
    func figures() throws {
        var figures = TrainFigures(after: 10)
        #expect(figures.metrics(batch: 8, subnets: 2, seconds: 1) == nil)
        figures.add(.init(loss: 2, accuracy: 0.25, gradientNorm: 3), rate: 0.2)
        figures.add(.init(loss: .nan, accuracy: 0, gradientNorm: .nan), rate: 0.1)
        figures.add(.init(loss: 9, accuracy: 1, gradientNorm: .infinity), rate: 0.1)
        figures.add(.init(loss: 1, accuracy: 0.75, gradientNorm: 0.5), rate: 0)
        let metrics = try #require(figures.metrics(batch: 160, subnets: 2, seconds: 1))
        #expect((metrics.firstStep, metrics.lastStep, metrics.skipped) == (11, 14, 2))
        #expect(metrics.networks == 8 && metrics.images == 640)
        #expect(metrics.distillationLoss == nil && metrics.loss == 1.5)
        #expect(
            TrainFigures.words(metrics, skipped: 3)
                == "loss 1.500, accuracy 50.0 %, gradient norm 1.75, rate 0.1000, 640 images/s,"
                + " 3 steps skipped")
        var lost = TrainFigures(after: 0)
        lost.add(.init(loss: .nan, accuracy: 0, gradientNorm: .nan), rate: 0.1)
        let none = try #require(lost.metrics(batch: 64, subnets: 1, seconds: 0.1))
        #expect(none.loss == nil && none.skipped == 1)
        #expect(
            TrainFigures.words(none, skipped: 0)
                == "no finite loss, rate 0.1000, 640 images/s")
        var distilled = TrainFigures(after: 0)
        for part in [1.0, 3.0] {
            distilled.add(
                .init(loss: 4, distillationLoss: part, accuracy: 0, gradientNorm: 1), rate: 0.1)
        }
        #expect(distilled.metrics(batch: 1, subnets: 1, seconds: 1)?.distillationLoss == 2)
    }

    @Test("micro_batch divides batch, or the file is refused with its line")
    func microBatch() throws {
        func train(_ keys: String) throws -> TrainingPhase? {
            let stages = try definition(
                """
                  full:
                    kind: train
                    needs: [data]
                    phase: full
                    epochs: 1
                    learning_rate: 0.1
                    \(keys)
                """
            ).stages
            guard case .train(let train) = stages.last?.parameters else { return nil }
            return train.phase
        }
        let phase = try #require(try train("batch: 2048\n    micro_batch: 32"))
        #expect(phase.imagesPerPass == 32)
        // It is part of the job, and a job without it is as it was.
        let text = try JSONText.encode(phase)
        #expect(try JSONText.decode(TrainingPhase.self, from: text, what: "t") == phase)
        let plain = try #require(try train("batch: 64"))
        #expect(plain.imagesPerPass == 64)
        #expect(!(try JSONText.encode(plain).contains("micro")))
        for wrong in ["48", "128"] {
            let error = #expect(throws: PipelineError.self) { try train("micro_batch: \(wrong)") }
            #expect(
                error?.message.hasPrefix("p.yaml:11: stages.full.micro_batch does not fit:")
                    == true,
                "\(error?.message ?? "")")
        }
    }

    @Test("genes that a coupled space fixes are refused as keys, with their line")
    func coupled() throws {
        func train(_ key: String) -> String {
            """
              full:
                kind: train
                needs: [data]
                phase: full
                epochs: 1
                learning_rate: 0.1
                \(key)
            """
        }
        for (key, name) in [
            ("kernel_sizes: [3]", "kernel_sizes"), ("expand_ratios: [3, 4]", "expand_ratios"),
        ] {
            let error = #expect(throws: PipelineError.self) {
                try definition(train(key), space: "compofa-mbv3-w1.0")
            }
            #expect(
                error?.message.hasPrefix(
                    "p.yaml:11: stages.full.\(name) has no effect: space compofa-mbv3-w1.0 fixes")
                    == true, "\(error?.message ?? "")")
            _ = try definition(train(key))
        }
        _ = try definition(train("depths: [2, 3]"), space: "compofa-mbv3-w1.0")
    }
}
