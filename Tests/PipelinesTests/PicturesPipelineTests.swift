// pipelines/pictures.yaml: what a user sets for pictures of their own.
import Datasets
import Foundation
import Networks
import Testing

@testable import Pipelines

@Suite struct PicturesPipelineTests {
    private func read(_ set: [String] = []) throws -> PipelineDefinition {
        try PipelineDefinition(
            path: package.appending(path: "pipelines/pictures.yaml").path, overrides: set)
    }

    private func data(_ definition: PipelineDefinition) throws -> StageParameters.ImportDataset {
        guard case .importDataset(let data) = definition.stages[0].parameters else {
            throw PipelineError(.invalidValue, "the first stage imports nothing")
        }
        return data
    }

    @Test("it learns the twenty classes that ops/pictures.sh draws into .ofa of the package")
    func standard() throws {
        let definition = try read()
        let data = try data(definition)
        #expect(data.folder == package.appending(path: ".ofa/pictures").standardizedFileURL.path)
        #expect(data.classes == 20 && definition.space.classes == 20)
        #expect(definition.space.resolutions == [96, 128, 160])
        #expect(definition.space.inputChannels == 3)
        #expect(definition.devices.count == 3)
    }

    @Test("folder and number of classes are each one --set; a flip of the phases is another")
    func own() throws {
        let definition = try read([
            "stages.data.folder=/birds", "space.classes=37",
            "stages.full.augmentation={flip: false}",
        ])
        let data = try data(definition)
        #expect(data.folder == "/birds" && data.classes == 37)
        #expect(definition.space.classes == 37)
        guard case .train(let full) = definition.stages[1].parameters else {
            Issue.record("the second stage trains")
            return
        }
        #expect(!full.phase.augmentation.flip)
        let wrong = #expect(throws: PipelineError.self) { try read(["space.clases=37"]) }
        #expect(wrong?.message.contains("classes") == true, "\(wrong?.message ?? "")")
    }
}
