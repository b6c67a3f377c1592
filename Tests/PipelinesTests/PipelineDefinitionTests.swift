// Pipeline files: everything wrong with one is an error with file, line and key before anything is enqueued.
import Datasets
import Foundation
import Networks
import Testing

@testable import Pipelines

/// The folder of the package.
let package: URL = {
    var folder = URL(filePath: #filePath)
    for _ in 0..<3 { folder.deleteLastPathComponent() }
    return folder
}()

@Suite struct PipelineDefinitionTests {
    /// A small correct pipeline; tests replace lines of it.
    private static let good = """
        name: small
        seed: 7
        space: fashion-mbv3
        devices:
          box: {kind: phone, max_macs: 6000000}
          pc: {kind: computer, max_latency_ms: 2}
        stages:
          data: {kind: import-dataset, dataset: d, folder: /data}
          full: {kind: train, needs: [data], phase: full, epochs: 1, learning_rate: 0.1}
          kernel:
            kind: train
            needs: [full]
            phase: kernel
            from: full
            teacher: full
            kernel_sizes: [3, 5, 7]
            epochs: 0.5
            learning_rate: 0.05
          accuracy: {kind: sample-accuracy, needs: [kernel]}
          predictor: {kind: fit-predictor, needs: [accuracy]}
          search: {kind: search, needs: [predictor], device: box}
          network: {kind: materialise, needs: [search], device: box}
        """

    private func read(_ text: String, set: [String] = []) throws -> PipelineDefinition {
        try PipelineDefinition(text: text, file: "p.yaml", overrides: set)
    }

    /// The error of the good pipeline with `old` replaced by `new`.
    private func problem(_ old: String, _ new: String, set: [String] = []) throws -> PipelineError {
        try #require(Self.good.contains(old), "the pipeline has no '\(old)'")
        let text = Self.good.replacingOccurrences(of: old, with: new)
        return try #require(throws: PipelineError.self) { try read(text, set: set) }
    }

    @Test("a good pipeline is read: defaults, order, and where every input comes from")
    func good() throws {
        let definition = try read(Self.good)
        #expect(
            definition.name == "small" && definition.seed == 7
                && definition.space.name == "fashion-mbv3")
        #expect(
            definition.stages.map(\.name) == [
                "data", "full", "kernel", "accuracy", "predictor", "search", "network",
            ])
        #expect(definition.stages[1].inputs == [.dataset: .stage("data")])
        #expect(
            definition.stages[2].inputs == [
                .dataset: .stage("data"), .supernet: .stage("full"), .teacher: .stage("full"),
            ])
        #expect(definition.stages[5].inputs == [.predictor: .stage("predictor")])
        #expect(
            definition.stages[6].inputs == [
                .choice: .stage("search"), .supernet: .stage("kernel"), .dataset: .stage("data"),
                .testImages: .stage("data"),
            ])
        guard case .train(let train) = definition.stages[2].parameters else {
            return #expect(Bool(false))
        }
        #expect(
            train.phase.kernelSizes == [3, 5, 7] && train.phase.expandRatios == [6]
                && train.phase.depths == [3])
        #expect(
            train.phase.distillation == 1 && train.phase.epochs == 0.5
                && train.checkpointSeconds == nil)
        guard case .train(let full) = definition.stages[1].parameters else {
            return #expect(Bool(false))
        }
        #expect(full.phase.distillation == 0 && full.from == nil)
    }

    @Test(
        "the keys of an augmentation are read; left out, nothing is changed",
        arguments: [
            ("{}", Augmentation()),
            ("{flip: false, shift: 2}", Augmentation(flip: false, shift: 2)),
            ("{crop: resized}", Augmentation(minArea: 0.08, cropStyle: .resized)),
            (
                "{crop: resized, min_area: 0.3, max_aspect: 2}",
                Augmentation(minArea: 0.3, cropStyle: .resized, maxAspect: 2)
            ),
            (
                "{min_area: 0.5, brightness: 0.125, saturation: 0.5}",
                Augmentation(minArea: 0.5, brightness: 0.125, saturation: 0.5)
            ),
        ])
    func augmentation(text: String, expected: Augmentation) throws {
        let pipeline = Self.good.replacingOccurrences(
            of: "phase: kernel", with: "phase: kernel\n    augmentation: \(text)")
        guard case .train(let train) = try read(pipeline).stages[2].parameters else {
            return #expect(Bool(false))
        }
        #expect(train.phase.augmentation == expected)
        let json = try JSONEncoder().encode(train)
        #expect(try JSONDecoder().decode(StageParameters.Train.self, from: json) == train)
    }

    @Test(
        "a senseless augmentation is an error at its key",
        arguments: [
            ("{crop: centre}", "crop is 'centre'"), ("{brightness: 2}", "brightness is 2"),
            ("{saturation: -1}", "saturation is -1"), ("{max_aspect: 0.5}", "max_aspect is 0.5"),
        ])
    func wrongAugmentation(text: String, expected: String) throws {
        let error = try problem("phase: kernel", "phase: kernel\n    augmentation: \(text)")
        #expect(
            error.message.hasPrefix("p.yaml:14: stages.kernel.augmentation.\(expected)"),
            "\(error.message)")
    }

    @Test(
        "an unknown key names its line and those that are known",
        arguments: [
            ("seed: 7", "sead: 7", "p.yaml:2: sead "),
            ("max_macs: 6000000", "max_mac: 1", "p.yaml:5: devices.box.max_mac "),
            ("    epochs: 0.5", "    epoch: 0.5\n    epochs: 1", "p.yaml:17: stages.kernel.epoch "),
            (
                "phase: kernel", "phase: kernel\n    augmentation: {min_aera: 1}",
                "p.yaml:14: stages.kernel.augmentation.min_aera "
            ),
        ])
    func unknownKeys(old: String, new: String, start: String) throws {
        let error = try problem(old, new)
        #expect(error.code == .invalidValue)
        #expect(
            error.message.hasPrefix(start) && error.message.contains("known are"),
            "\(error.message)")
    }

    @Test(
        "a wrong type, a wrong value and a missing key name line and key",
        arguments: [
            ("seed: 7", "seed: many", "p.yaml:2: seed is 'many'; write a whole number"),
            ("seed: 7", "seed: [1]", "p.yaml:2: seed must be a whole number, not a list"),
            ("seed: 7", "seed: -1", "p.yaml:2: seed is -1"),
            (
                "epochs: 0.5", "epochs: half",
                "p.yaml:17: stages.kernel.epochs is 'half'; write a decimal number"
            ),
            ("epochs: 0.5", "epochs: .nan", "p.yaml:17: stages.kernel.epochs is '.nan'"),
            ("epochs: 0.5", "epochs: 0", "p.yaml:17: stages.kernel.epochs does not fit"),
            (
                "kernel_sizes: [3, 5, 7]", "kernel_sizes: 3",
                "p.yaml:16: stages.kernel.kernel_sizes must be a list"
            ),
            (
                "kernel_sizes: [3, 5, 7]", "kernel_sizes: [3, x]",
                "p.yaml:16: stages.kernel.kernel_sizes holds an entry that is 'x'"
            ),
            (
                "kernel_sizes: [3, 5, 7]", "kernel_sizes: [3, 4]",
                "p.yaml:16: stages.kernel.kernel_sizes does not fit"
            ),
            (
                "kernel_sizes: [3, 5, 7]", "resolutions: [21]",
                "p.yaml:16: stages.kernel.resolutions does not fit"
            ),
            (
                "kernel_sizes: [3, 5, 7]", "depths: [9]",
                "p.yaml:16: stages.kernel.depths does not fit"
            ),
            (
                "kernel_sizes: [3, 5, 7]", "sort_channels: 3",
                "p.yaml:16: stages.kernel.sort_channels must be true or false"
            ),
            ("kernel_sizes: [3, 5, 7]", "batch: 1", "p.yaml:16: stages.kernel.batch is 1"),
            (
                "kernel_sizes: [3, 5, 7]", "sampling: all",
                "p.yaml:16: stages.kernel.sampling is 'all'"
            ),
            (
                "    teacher: full\n", "    distillation: 1\n",
                "p.yaml:15: stages.kernel.distillation needs a teacher"
            ),
            ("space: fashion-mbv3", "space: fashion", "p.yaml:3: space is 'fashion'"),
            (
                "kind: fit-predictor", "kind: fit",
                "p.yaml:20: stages.predictor.kind is 'fit'; known are"
            ),
            ("kind: phone", "kind: toaster", "p.yaml:5: devices.box.kind is 'toaster'; known are"),
            ("max_macs: 6000000", "max_macs: -3", "p.yaml:5: devices.box.max_macs is -3"),
            (
                "[predictor], device: box", "[predictor], device: car",
                "p.yaml:21: stages.search.device names 'car', which is not among the file's devices (box, pc)"
            ),
            (
                "[search], device: box", "[search], network: middle",
                "p.yaml:22: stages.network.network is 'middle'"
            ),
            ("dataset: d, ", "", "p.yaml:8: stages.data.dataset is missing"),
            ("    epochs: 0.5\n", "", "stages.kernel.epochs is missing"),
            ("name: small\n", "", "name is missing"),
            ("needs: [full]", "needs: full", "p.yaml:12: stages.kernel.needs must be a list"),
            ("kernel:\n", "kernel: 5\n  rest:\n", "p.yaml:10: stages.kernel must be a mapping"),
        ])
    func wrongValues(old: String, new: String, start: String) throws {
        let error = try problem(old, new)
        #expect(error.message.contains(start), "\(error.message)")
        #expect(error.message.hasPrefix("p.yaml:"), "\(error.message)")
    }

    @Test("stages in a circle, or that need nobody's stage, are errors naming them")
    func graphs() throws {
        let circle = try problem(
            "needs: [data], phase: full", "needs: [data, accuracy], phase: full")
        #expect(circle.code == .invalidGraph)
        #expect(circle.message.contains("full → accuracy → kernel → full"), "\(circle.message)")
        #expect(circle.message.hasPrefix("p.yaml:9: stages.full.needs"), "\(circle.message)")
        let alone = try problem("needs: [data], phase: full", "needs: [full], phase: full")
        #expect(alone.code == .invalidGraph && alone.message.contains("full → full"))
        let nobody = try problem("needs: [accuracy]", "needs: [acuracy]")
        #expect(
            nobody.code == .invalidGraph
                && nobody.message.hasPrefix("p.yaml:20: stages.predictor.needs names 'acuracy'"))
    }

    @Test(
        "an input that no ancestor makes, or that several make, is an error that says what to need")
    func inputs() throws {
        let missing = try problem("needs: [accuracy]", "needs: [kernel]")
        #expect(missing.code == .missingInput)
        #expect(
            missing.message.hasPrefix(
                "p.yaml:20: stages.predictor.needs leads to no stage that makes a accuracy-samples")
        )
        #expect(missing.message.contains("sample-accuracy"))
        let table = try problem("needs: [predictor], device: box", "needs: [predictor], device: pc")
        #expect(
            table.code == .missingInput && table.message.contains("measure-device"),
            "\(table.message)")
        let several = try problem("needs: [kernel]}", "needs: [kernel, full]}")
        #expect(
            several.code == .missingInput && several.message.contains("full, kernel"),
            "\(several.message)")
        #expect(several.message.hasPrefix("p.yaml:19: stages.accuracy.needs"))
        let stranger = try problem("from: full", "from: data")
        #expect(
            stranger.code == .missingInput
                && stranger.message.contains(
                    "p.yaml:14: stages.kernel.from names 'data', which makes no supernet")
        )
        let unrelated = try problem("needs: [full]", "needs: [data]")
        #expect(
            unrelated.code == .missingInput
                && unrelated.message.contains("names 'full', which kernel does not need"))
    }

    @Test("a stage or key that appears twice, an empty file and no YAML are errors")
    func shapes() throws {
        let twice = Self.good.replacingOccurrences(of: "seed: 7", with: "seed: 7\nseed: 8")
        #expect(throws: PipelineError.self) { try read(twice) }
        for text in [
            "", "[1, 2]", "name: [", "a: b: c", "name: x\nspace: fashion-mbv3\nstages: {}",
        ] {
            let error = #expect(throws: PipelineError.self) { try read(text) }
            #expect(error?.message.hasPrefix("p.yaml") == true, "\(text): \(error?.message ?? "")")
        }
        let missing = #expect(throws: PipelineError.self) {
            try PipelineDefinition(path: "/nowhere/p.yaml")
        }
        #expect(
            missing?.code == .unreadable && missing?.message.contains("/nowhere/p.yaml") == true)
    }

    @Test("--set replaces values of every depth and type, and adds keys that the file leaves out")
    func overrides() throws {
        let definition = try read(
            Self.good,
            set: [
                "stages.kernel.epochs=2", "stages.kernel.kernel_sizes=[5, 7]",
                "stages.full.batch=32", "seed=9",
            ])
        #expect(definition.seed == 9)
        guard case .train(let kernel) = definition.stages[2].parameters,
            case .train(let full) = definition.stages[1].parameters
        else { return #expect(Bool(false)) }
        #expect(
            kernel.phase.epochs == 2 && kernel.phase.kernelSizes == [5, 7] && full.phase.batch == 32
        )
        #expect(try read(Self.good).hash != definition.hash)
        #expect(try read(Self.good, set: ["seed=9"]).hash == read(Self.good, set: ["seed=9"]).hash)
        #expect(
            try read(Self.good, set: ["devices.box.max_macs=5000000"]).devices["box"]?.limits
                .macsMax
                == 5_000_000
        )
    }

    @Test(
        "--set of a path that does not exist, or of a wrong value, is an error that names it",
        arguments: [
            "stages.kernel.augmentation.flip=false", "stages.nothing.epochs=1",
            "stages.kernel.nothing=1", "device.box.max_macs=1", "nothing=1",
            "stages.kernel.epochs=many",
            "seed", "=1", "seed=", "stages.kernel.phase.x=1", "stages.kernel.augmentation.flip.x=1",
        ])
    func wrongOverrides(set: String) throws {
        let error = #expect(throws: PipelineError.self) { try read(Self.good, set: [set]) }
        let path = String(set.split(separator: "=").first ?? "")
        #expect(error?.message.contains(path) == true || set == "=1", "\(error?.message ?? "")")
        // A line of the file would be the wrong place to look.
        #expect(error?.message.hasPrefix("--set") == true, "\(error?.message ?? "")")
    }

    @Test("a device may have every limit at once, its own picojoules, and sizes to measure")
    func devices() throws {
        let text = Self.good.replacingOccurrences(
            of: "pc: {kind: computer, max_latency_ms: 2}",
            with: "pc: {kind: microcontroller, batch: 4, max_latency_ms: 2, max_energy_mj: 0.5,"
                + " max_peak_memory_kb: 32, max_flash_kb: 64, max_macs: 100, max_params: 200,"
                + " bytes_per_activation: 2, pj_per_mac: 0.5}")
        let device = try #require(try read(text).devices["pc"])
        #expect(
            device.limits
                == .init(
                    latencyMsMax: 2, peakMemoryKBMax: 32, flashKBMax: 64, macsMax: 100,
                    paramsMax: 200, energyMJMax: 0.5))
        #expect(
            device.batch == 4 && device.bytesPerWeight == 1 && device.bytesPerActivation == 2)
        #expect(device.energyModel.picojoulesPerMAC == 0.5)
        #expect(device.energyModel.picojoulesPerWeightByte == 162.5)
        let stage = "  latency: {kind: measure-device, device: pc, resolutions: [28, 20]}\n"
        let measured = try read(Self.good + "\n" + stage)
        guard case .measureDevice(let parameters) = measured.stages.last?.parameters else {
            Issue.record("the last stage measures")
            return
        }
        #expect(parameters.resolutions == [28, 20] && parameters.wholeNetworks == 20)
        // This machine's latency is no phone's.
        for kind in ["phone", "microcontroller"] {
            let error = #expect(throws: PipelineError.self) {
                try read(
                    (Self.good + "\n" + stage).replacing("kind: computer", with: "kind: \(kind)"))
            }
            #expect(error?.message.contains("names 'pc', a \(kind): only a computer") == true)
        }
        #expect(throws: PipelineError.self) {
            try read(Self.good + "\n" + stage.replacingOccurrences(of: "28", with: "0"))
        }
    }

    @Test("the files in pipelines/ are good")
    func shipped() throws {
        let folder = package.appending(path: "pipelines")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter {
            $0.hasSuffix(".yaml")
        }
        #expect(names.contains("fashion-mnist-quick.yaml"))
        for name in names {
            let definition = try PipelineDefinition(path: folder.appending(path: name).path)
            #expect(!definition.stages.isEmpty, "\(name)")
            #expect(try definition.runSpec().stages.count == definition.stages.count)
        }
    }

    @Test("test images are an input of materialise and of nothing else")
    func testImages() throws {
        let path = package.appending(path: "pipelines/fashion-mnist-quick.yaml").path
        let definition = try PipelineDefinition(path: path)
        for stage in definition.stages {
            let readsTestImages =
                stage.inputs.keys.contains(.testImages)
                || stage.parameters.requiredRoles.contains(.testImages)
            #expect(readsTestImages == (stage.kind == .materialise), "\(stage.name)")
            #expect(
                Set(stage.inputs.keys)
                    == Set(
                        stage.parameters.requiredRoles + stage.parameters.namedInputs.map(\.role)))
        }
        #expect(definition.stages.contains { $0.kind == .materialise })
        let makers = StageKind.allCases.filter { $0.outputs.contains(.testImages) }
        #expect(makers == [.importDataset])
    }

    @Test("sampling after another sampling reads its subnets and the predictor fitted on them")
    func after() throws {
        func text(_ after: String) -> String {
            Self.good + """

                  more: {kind: sample-accuracy, needs: [predictor], after: \(after), subnets: 20}
                  better: {kind: fit-predictor, needs: [more], method: ensemble}
                """
        }
        let stages = try read(text("accuracy")).stages
        let more = try #require(stages.first { $0.name == "more" })
        #expect(
            more.inputs == [
                .dataset: .stage("data"), .supernet: .stage("kernel"), .samples: .stage("accuracy"),
                .predictor: .stage("predictor"),
            ])
        #expect(
            stages.first { $0.name == "better" }?.inputs == [.samples: .stage("more")])
        let wrong = #expect(throws: PipelineError.self) { try read(text("kernel")) }
        #expect(wrong?.code == .missingInput)
        #expect(wrong?.message.contains("makes no accuracy-samples") == true)
    }
}
