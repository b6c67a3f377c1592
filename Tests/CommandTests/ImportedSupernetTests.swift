// A supernet trained elsewhere goes the way of one trained here: sampled, predicted, searched, cut, specialised,
// evaluated and exported, with its file in the lineage.
import Artifacts
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

@testable import Pipelines

@Suite struct ImportedSupernetTests {
    /// The stages of a run with the supernet of the stage `full`, which is replaced by an imported one.
    private static let text = """
        name: imported
        seed: 3
        space: fashion-mbv3
        devices:
          box: {kind: phone, max_macs: 6000000}
        stages:
          data: {kind: import-dataset, dataset: tiny, folder: DATA, held_out: 100}
          full:
            kind: train
            needs: [data]
            phase: full
            kernel_sizes: [3, 5, 7]
            expand_ratios: [3, 4, 6]
            depths: [2, 3]
            resolutions: [20, 24, 28]
            epochs: 1
            learning_rate: 0.1
          accuracy:
            kind: sample-accuracy
            needs: [full]
            subnets: 12
            images: 50
            calibration_images: 32
            shards: 2
          predictor: {kind: fit-predictor, needs: [accuracy]}
          search: {kind: search, needs: [predictor], device: box}
          network: {kind: materialise, needs: [search], device: box, calibration_images: 32}
          own:
            kind: materialise
            needs: [full]
            network: "{'ks': [3,3,3,3,3,3,3,3,3], 'e': [3,3,4,3,3,3,3,3,3], 'd': [3,2,2], 'r': 20}"
            calibration_images: 32

        """

    /// Enqueues the stages from `accuracy` on, with artifacts for those before.
    private func enqueue(_ artifacts: [ArtifactRole: Int], _ place: CommandPlace) throws {
        let definition = try PipelineDefinition(text: Self.text, file: place.pipeline)
        let given = ["data", "full"]
        let stages = try definition.stages.filter { !given.contains($0.name) }.map { stage in
            var arguments = StageArguments(
                stage: stage.name, parameters: stage.parameters, inputs: stage.inputs,
                space: definition.space, seed: definition.seed)
            for (role, source) in stage.inputs {
                guard case .stage(let name) = source, given.contains(name) else { continue }
                arguments.inputs[role] = .artifact("\(try #require(artifacts[role]))")
            }
            return StageSpec(
                name: stage.name, job: try arguments.job(),
                needs: stage.needs.filter { !given.contains($0) })
        }
        _ = try JobQueue(try place.database.connect()).enqueue(
            RunSpec(
                name: "imported", definition: definition.text, definitionHash: definition.hash,
                stages: stages))
    }

    @Test("every stage and command after training works on an imported supernet")
    func whole() throws {
        let place = try CommandPlace(images: true)
        let data = Self.text.components(separatedBy: "  full:")[0]
        try place.write(data)
        #expect(try place.ofa("run", "tiny.yaml").status == 0)
        let bytes = try ImportCommandTests.supernet()
        try Data(bytes).write(to: place.folder.appending(path: "other.safetensors"))
        let supernet = try #require(
            try place.document(
                "import", "supernet", "other.safetensors", "--space", "fashion-mbv3", "--mean",
                "0.3", "--std", "0.25", "--resolutions", "20,28", "--kernel-sizes", "3,5")[
                    "artifact"]
                as? Int)
        func first(_ kind: String) throws -> Int {
            try #require(try place.list("artifacts", "list", "--kind", kind).first?["id"] as? Int)
        }
        let dataset = try first("dataset")
        try enqueue(
            [.dataset: dataset, .testImages: try first("test-images"), .supernet: supernet], place)
        #expect(try place.ofa("worker", "--until-idle").status == 0)
        let networks = try place.list("artifacts", "list", "--kind", "subnet")
        let network = try #require(
            networks.first { $0["stage"] as? String == "network" }?["id"] as? Int)
        let own = try #require(networks.first { $0["stage"] as? String == "own" }?["id"] as? Int)
        let given = try place.document("artifacts", "show", "\(own)")["metadata"] as? [String: Any]
        #expect((given?["arch"] as? [String: Any])?["d"] as? [Int] == [3, 2, 2])
        let figures = try #require(
            try place.document("artifacts", "show", "\(network)")["metadata"] as? [String: Any])
        // Only trained genes and sizes are searched, and images are normalised as the supernet knows them.
        let arch = try #require(figures["arch"] as? [String: Any])
        #expect(try #require(arch["ks"] as? [Int]).contains(7) == false)
        #expect([20, 28].contains(try #require(arch["r"] as? Int)))
        let input = try #require(figures["input"] as? [String: Any])
        let normalization = try #require(input["normalization"] as? [String: Any])
        #expect(normalization["deviation"] as? [Double] == [0.25])
        let lineage = try place.ofa("lineage", "up", "\(network)")
        #expect(
            lineage.output.contains("from other.safetensors, SHA-256 \(Digest.of(bytes).hex)"),
            "\(lineage.output)")
        try specialised(place, supernet)
        try evaluated(place, supernet, dataset, arch)
        let export = try place.ofa("export", "\(network)", "-o", "network.onnx")
        #expect(export.status == 0, "\(export.errors)")
    }

    private func specialised(_ place: CommandPlace, _ supernet: Int) throws {
        _ = try place.ofa("device", "add", "watch", "--kind", "phone", "--max-macs", "4000000")
        let run = try place.ofa(
            "specialize", "--device", "watch", "--supernet", "\(supernet)", "--wait")
        #expect(run.status == 0, "\(run.errors)")
        #expect(try place.list("artifacts", "list", "--kind", "subnet").count == 3)
    }

    private func evaluated(
        _ place: CommandPlace, _ supernet: Int, _ dataset: Int, _ arch: [String: Any]
    ) throws {
        let genes =
            "{'ks': [3, 3, 5, 3, 3, 3, 3, 3, 3], 'e': (3, 4, 6, 3, 3, 3, 3, 3, 3), 'd': [3, 2, 2]}"
        try Data(genes.utf8).write(to: place.folder.appending(path: "genes.txt"))
        let answer = try place.document(
            "evaluate", "\(supernet)", "--arch", "genes.txt", "--resolution", "28", "--dataset",
            "\(dataset)", "--images", "50", "--calibration-images", "32")
        #expect(answer["images"] as? Int == 50)
        #expect((answer["arch"] as? [String: Any])?["r"] as? Int == 28)
    }
}
