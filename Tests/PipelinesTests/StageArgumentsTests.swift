// What a job carries survives the queue.
import Artifacts
import Foundation
import Networks
import Testing
import Training

@testable import Pipelines

@Suite struct StageArgumentsTests {
    @Test("the arguments of every stage of two pipelines come back from JSON as they were")
    func roundTrip() throws {
        let stages = try ["fashion-mnist-quick", "ablation-fashion-mnist"].flatMap { name in
            let definition = try PipelineDefinition(
                path: package.appending(path: "pipelines/\(name).yaml").path)
            return Array(zip(definition.stages, try definition.runSpec().stages))
        }
        var kinds: Set<StageKind> = []
        for (stage, spec) in stages {
            let decoded = try JSONText.decode(
                StageArguments.self, from: spec.jobs[0].args, what: "test")
            #expect(
                decoded.stage == stage.name && decoded.kind == stage.kind
                    && decoded.space == .fashion)
            #expect(
                decoded.parameters == stage.parameters && decoded.inputs == stage.inputs
                    && decoded.part == nil)
            #expect(
                decoded.seed == stage.seed && spec.jobs[0].kind == stage.kind.rawValue
                    && spec.needs == stage.needs)
            #expect(try decoded.job().args == spec.jobs[0].args)
            kinds.insert(stage.kind)
        }
        #expect(kinds.union([.fineTune]) == Set(StageKind.allCases))
    }

    @Test("parts of a fan-out, and inputs by artifact, come back too")
    func parts() throws {
        for part in [
            StageArguments.Part.shard(
                index: 3, subnets: [SearchSpace.fashion.largest, SearchSpace.fashion.smallest]),
            .gather,
        ] {
            let arguments = StageArguments(
                stage: "accuracy",
                parameters: .sampleAccuracy(
                    .init(subnets: 20, images: 100, calibrationImages: 50, shards: 2)),
                inputs: [.supernet: .artifact("a12"), .dataset: .stage("data")],
                space: .fashion, seed: .max, part: part)
            let text = try JSONText.encode(arguments)
            #expect(try JSONText.decode(StageArguments.self, from: text, what: "test") == arguments)
            #expect(try JSONText.encode(arguments) == text)
        }
    }

    @Test("a definition of a newer version is refused by name, and the job may be retried")
    func newer() throws {
        var change = SpaceChange()
        change.classes = 7
        let space = SearchSpace.fashion.changed(change, name: "own")
        let arguments = StageArguments(
            stage: "full", parameters: .fitPredictor(.init(method: "ridge")), inputs: [:],
            space: space, seed: 1)
        let text = try JSONText.encode(arguments)
        #expect(try StageArguments.read(text, of: "job 7") == arguments)
        for (part, instead, word) in [
            ("{\"mean_pooling\":", "{\"attention\":", "'attention'"),
            ("\"squeezeExcite\":true", "\"squeezeExcite\":true,\"groups\":2", "groups"),
        ] {
            try #require(text.contains(part))
            let changed = text.replacingOccurrences(of: part, with: instead)
            let error = #expect(throws: PipelineError.self) {
                try StageArguments.read(changed, of: "job 7")
            }
            #expect(error?.code == .newerDefinition)
            #expect(error?.message.hasPrefix("job 7's arguments") == true)
            #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
            #expect(error.map { StageFailure($0) == nil } == true)
        }
    }

    @Test("fields of a newer version are refused wherever they stand, and the job may be retried")
    func newerFields() throws {
        for space in [SearchSpace.fashion, SearchSpace.fashion.changed(SpaceChange(), name: "own")]
        {
            let arguments = StageArguments(
                stage: "full", parameters: .train(Self.train), inputs: [.dataset: .stage("data")],
                space: space, seed: 1)
            let text = try JSONText.encode(arguments)
            #expect(try StageArguments.read(text, of: "job 7") == arguments)
            for (part, instead, field) in [
                ("\"parameters\":", "\"mood\":1,\"parameters\":", "field mood"),
                (
                    "\"batch\":64", "\"batch\":64,\"lookahead\":5",
                    "parameters.train._0.phase.lookahead"
                ),
                ("\"flip\":true", "\"flip\":true,\"mixup\":0.2", "augmentation.mixup"),
            ] {
                try #require(text.contains(part), "\(part)")
                let changed = text.replacing(part, with: instead, maxReplacements: 1)
                let error = #expect(throws: PipelineError.self) {
                    try StageArguments.read(changed, of: "job 7")
                }
                #expect(error?.code == .newerDefinition)
                #expect(error?.message.contains(field) == true, "\(error?.message ?? "")")
                #expect(error.map { StageFailure($0) == nil } == true)
            }
            // Blanks, another order and nulls are no fields.
            let spaced = "{ \"part\": null, " + text.dropFirst()
            #expect(try StageArguments.read(spaced, of: "job 7") == arguments)
        }
    }

    private static let train = StageParameters.Train(
        phase: TrainingPhase(
            name: "full", kernelSizes: [7], expandRatios: [6], depths: [3], resolutions: [28],
            epochs: 1, learningRate: 0.1))

    @Test("a training without later keys has the bytes that the first versions wrote")
    func bytes() throws {
        let text = try JSONText.encode(StageParameters.train(Self.train))
        #expect(
            text == #"{"train":{"_0":{"phase":{"augmentation":{"flip":true,"minArea":1,"shift":0},"#
                + #""batch":64,"depths":[3],"distillation":0,"dropout":0,"epochs":1,"expandRatios":[6],"#
                + #""kernelSizes":[7],"labelSmoothing":0.1,"learningRate":0.1,"momentum":0.9,"#
                + #""name":"full","resolutions":[28],"sampling":"random","sortChannels":false,"#
                + #""subnets":1,"warmupEpochs":0,"weightDecay":3e-05}}}}"#)
    }

    @Test("only a training with later keys requires a worker that knows them")
    func demands() throws {
        func requires(
            _ train: StageParameters.Train, _ inputs: [ArtifactRole: InputReference] = [:],
            _ terms: StageTerms? = nil
        ) throws -> [String] {
            try StageArguments(
                stage: "full", parameters: .train(train), inputs: inputs, space: .fashion, seed: 1,
                terms: terms
            ).job().requires
        }
        #expect(try requires(Self.train, [.supernet: .stage("a"), .dataset: .artifact("3")]) == [])
        #expect(try requires(Self.train, [.supernet: .artifact("3")]) == StageKind.offers)
        let changes: [(inout StageParameters.Train) -> Void] = [
            { $0.newHead = true },
            { $0.validation = ValidationPlan(everyEpochs: 1, images: 100) },
            { $0.phase.inPlaceDistillation = true },
            { $0.phase.distillationLoss = .alphaDivergence },
            { $0.phase.gradientClip = 1 }, { $0.phase.kernelTransform = false },
            { $0.phase.precision = .bfloat16 },
        ]
        for change in changes {
            var train = Self.train
            change(&train)
            #expect(try requires(train) == StageKind.offers, "\(train)")
            #expect(
                try requires(train, [:], StageTerms(requires: ["gpu"])) == ["gpu", "ofa:train-2"])
        }
    }

    @Test("a job that meets a blob of another version is tried again, one that meets damage is not")
    func codec() {
        #expect(StageFailure(ArtifactsError(.codec, "written by a newer ofa")) == nil)
        #expect(StageFailure(ArtifactsError(.corrupt, "damaged")) != nil)
    }

    @Test("JSON of another version is an error that says what it was read for")
    func malformed() {
        for text in ["", "{}", "{\"stage\": 3}", "[]"] {
            let error = #expect(throws: PipelineError.self) {
                try JSONText.decode(StageArguments.self, from: text, what: "job 7's arguments")
            }
            #expect(
                error?.code == .invalidArtifact
                    && error?.message.hasPrefix("job 7's arguments") == true)
        }
    }
}
