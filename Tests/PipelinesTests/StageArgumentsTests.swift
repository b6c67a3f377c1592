// What a job carries survives the queue.
import Artifacts
import Foundation
import Networks
import Testing

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
