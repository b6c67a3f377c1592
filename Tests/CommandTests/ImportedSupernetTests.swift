// A supernet trained elsewhere goes the way of one trained here: sampled, predicted, searched, cut, specialised,
// evaluated and exported, with its file in the lineage.
import Artifacts
import Foundation
import Jobs
import Postgres
import Search
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
        // The model's metadata are texts within its bytes.
        let model = Data(try place.bytes("network.onnx"))
        #expect(model.range(of: Data(#""deviation":[0.25],"mean":[0.3"#.utf8)) != nil)
        try otherNormalisation(place, dataset, bytes, arch, network)
    }

    /// The same weights with other constants are measured on other pixels, in a sample and in an evaluation: neither takes
    /// the constants of the data set, which are the same for both.
    private func otherNormalisation(
        _ place: CommandPlace, _ dataset: Int, _ bytes: [UInt8], _ arch: [String: Any],
        _ network: Int
    ) throws {
        func imported(_ mean: String, _ std: String) throws -> Int {
            try #require(
                try place.document(
                    "import", "supernet", "other.safetensors", "--space", "fashion-mbv3", "--mean",
                    mean, "--std", std, "--resolutions", "20,28", "--kernel-sizes", "3,5")[
                        "artifact"] as? Int)
        }
        let genes = String(
            decoding: try JSONSerialization.data(withJSONObject: arch), as: UTF8.self)
        func loss(_ artifact: Int, _ more: [String]) throws -> Double {
            try #require(
                try place.document(
                    ["evaluate", "\(artifact)", "--dataset", "\(dataset)", "--images", "50"] + more)[
                        "loss"] as? Double)
        }
        let (one, far) = (try imported("0.3", "0.25"), try imported("3", "0.5"))
        let cut = ["--arch", genes, "--calibration-images", "32"]
        #expect(try loss(one, cut) == loss(one, cut))
        #expect(try loss(one, cut) != loss(far, cut))
        // A network is measured with its own statistics and the constants that it records.
        let before = try loss(network, [])
        let copy = try place.copy("\(network)", as: "far") { fields in
            var input = fields["input"] as? [String: Any] ?? [:]
            input["normalization"] = ["mean": [3], "deviation": [0.5]]
            fields["input"] = input
        }
        #expect(try loss(Int(copy.rawValue), []) != before)
        var samples: [[Double]] = []
        for supernet in [one, far] {
            try place.write(
                """
                name: samples
                space: fashion-mbv3
                seed: 3
                stages:
                  accuracy:
                    kind: sample-accuracy
                    dataset: artifact:\(dataset)
                    supernet: artifact:\(supernet)
                    subnets: 12
                    images: 50
                    calibration_images: 32
                    shards: 1
                """)
            #expect(try place.ofa("run", "tiny.yaml").status == 0)
            let made = try #require(
                try place.list("artifacts", "list", "--kind", "accuracy-samples").last?["id"])
            #expect(
                try place.ofa("artifacts", "get", "\(made)", "-o", "s.json", "--force").status == 0)
            let table = try JSONDecoder().decode(
                AccuracySamples.self, from: Data(try place.bytes("s.json")))
            samples.append(table.samples.map(\.accuracy))
        }
        #expect(samples[0].count == 12 && samples[0] != samples[1])
    }

    @Test("an imported supernet as teacher and as start: images are normalised as it knows them")
    func teacher() throws {
        let place = try CommandPlace(images: true)
        try Data(try ImportCommandTests.supernet()).write(
            to: place.folder.appending(path: "s.safetensors"))
        func imported(_ mean: String) throws -> Int {
            try #require(
                try place.document(
                    "import", "supernet", "s.safetensors", "--space", "fashion-mbv3", "--mean",
                    mean,
                    "--std", "0.25")["artifact"] as? Int)
        }
        let (one, other) = (try imported("0.3"), try imported("0.7"))
        func stage(_ name: String, _ keys: String...) -> String {
            "  \(name): {kind: train, phase: \(name), epochs: 0.1, learning_rate: 0.01, batch: 32, \(keys.joined(separator: ", "))}\n"
        }
        func run(_ stages: String...) throws -> CommandRun {
            try place.write(
                "name: t\nspace: fashion-mbv3\nstages:\n"
                    + "  data: {kind: import-dataset, dataset: tiny, folder: DATA, held_out: 100}\n"
                    + stages.joined())
            return try place.ofa("run", "tiny.yaml")
        }
        func mean(_ stage: String) throws -> Double? {
            let artifact = try place.artifact("fashion-mbv3-\(stage)")
            let fields = try JSONSerialization.jsonObject(with: Data(artifact.metadataJSON.utf8))
            let normalization = (fields as? [String: Any])?["normalization"] as? [String: Any]
            return (normalization?["mean"] as? [Double])?.first
        }
        let good = try run(
            stage("fresh", "needs: [data]", "teacher: artifact:\(one)"),
            stage("on", "needs: [data]", "from: artifact:\(other)", "teacher: artifact:\(other)"),
            stage("own", "needs: [data]"))
        #expect(good.status == 0, "\(good.errors)")
        #expect(try mean("fresh") == 0.3 && mean("on") == 0.7)
        let own = try #require(try mean("own"))
        #expect(own != 0.3 && own != 0.7)
        // Both are recorded: refused before anything runs.
        let jobs = try place.list("jobs").count
        let apart = try run(
            stage("apart", "needs: [data]", "from: artifact:\(one)", "teacher: artifact:\(other)"))
        #expect(apart.status != 0 && apart.errors.contains("stages.apart.teacher was trained on"))
        #expect(try place.list("jobs").count == jobs)
        // The images of fresh weights are normalised by their own statistics, which only the stage knows.
        let late = try run(
            stage("first", "needs: [data]"),
            stage("second", "needs: [first]", "from: first", "teacher: artifact:\(other)"))
        #expect(late.status == 1, "\(late.errors)")
        let text = late.errors + late.output
        #expect(text.contains("the teacher, artifact \(other), was trained on images"), "\(text)")
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
