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

    @Test(
        "pictures-other-classes.yaml goes on with its supernet, in a space that differs in classes only"
    )
    func otherClasses() throws {
        let first = try read()
        let other = try PipelineDefinition(
            path: package.appending(path: "pipelines/pictures-other-classes.yaml").path)
        #expect(try other.space.apart(from: first.space, besidesClasses: true) == nil)
        #expect(try other.space.apart(from: first.space, besidesClasses: false) != nil)
        let full = try #require(other.stages.first { $0.name == "full" })
        guard case .train(let train) = full.parameters else {
            Issue.record("it does not train")
            return
        }
        #expect(train.newHead == true)
        // The supernet is named as the last phase of pictures.yaml names it.
        let phases = first.stages.filter { $0.kind == .train }.map(\.name)
        #expect(full.inputs[.supernet] == .artifact("\(first.space.name)-\(phases.last ?? "")"))
    }

    @Test("every shipped file can be read")
    func shipped() throws {
        let folder = package.appending(path: "pipelines")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter {
            $0.hasSuffix(".yaml")
        }
        #expect(files.count >= 7)
        for file in files {
            let definition = try PipelineDefinition(path: folder.appending(path: file).path)
            #expect(try definition.runSpec().stages.count == definition.stages.count)
        }
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
