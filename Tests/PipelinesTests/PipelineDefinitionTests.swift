// Pipeline files: everything wrong with one is an error with file, line and key before anything is enqueued.
import Datasets
import Foundation
import Networks
import Testing

@testable import Pipelines

@Suite struct PipelineDefinitionTests {
    @Test("a good pipeline is read: defaults, order, and where every input comes from")
    func good() throws {
        let definition = try SmallPipeline.read(SmallPipeline.good)
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

    @Test("a circle of stages, and a need for an unknown stage, are errors that name them")
    func graphs() throws {
        let circle = try SmallPipeline.problem(
            "needs: [data], phase: full", "needs: [data, accuracy], phase: full")
        #expect(circle.code == .invalidGraph)
        #expect(circle.message.contains("full → accuracy → kernel → full"), "\(circle.message)")
        #expect(circle.message.hasPrefix("p.yaml:9: stages.full.needs"), "\(circle.message)")
        let alone = try SmallPipeline.problem(
            "needs: [data], phase: full", "needs: [full], phase: full")
        #expect(alone.code == .invalidGraph && alone.message.contains("full → full"))
        let unknown = try SmallPipeline.problem("needs: [accuracy]", "needs: [acuracy]")
        #expect(
            unknown.code == .invalidGraph
                && unknown.message.hasPrefix("p.yaml:20: stages.predictor.needs names 'acuracy'"))
    }

    @Test(
        "an input that no ancestor makes, or that several make, is an error that says what to need")
    func inputs() throws {
        let missing = try SmallPipeline.problem("needs: [accuracy]", "needs: [kernel]")
        #expect(missing.code == .missingInput)
        #expect(
            missing.message.hasPrefix(
                "p.yaml:20: stages.predictor.needs leads to no stage that makes a accuracy-samples")
        )
        #expect(missing.message.contains("sample-accuracy"))
        let table = try SmallPipeline.problem(
            "needs: [predictor], device: box", "needs: [predictor], device: pc")
        #expect(
            table.code == .missingInput && table.message.contains("measure-device"),
            "\(table.message)")
        let several = try SmallPipeline.problem("needs: [kernel]}", "needs: [kernel, full]}")
        #expect(
            several.code == .missingInput && several.message.contains("full, kernel"),
            "\(several.message)")
        #expect(several.message.hasPrefix("p.yaml:19: stages.accuracy.needs"))
        let stranger = try SmallPipeline.problem("from: full", "from: data")
        #expect(
            stranger.code == .missingInput
                && stranger.message.contains(
                    "p.yaml:14: stages.kernel.from names 'data', which makes no supernet")
        )
        let unrelated = try SmallPipeline.problem("needs: [full]", "needs: [data]")
        #expect(
            unrelated.code == .missingInput
                && unrelated.message.contains("names 'full', which kernel does not need"))
    }

    @Test("a stage or key that appears twice, an empty file and no YAML are errors")
    func shapes() throws {
        let twice = SmallPipeline.good.replacingOccurrences(of: "seed: 7", with: "seed: 7\nseed: 8")
        #expect(throws: PipelineError.self) { try SmallPipeline.read(twice) }
        for text in [
            "", "[1, 2]", "name: [", "a: b: c", "name: x\nspace: fashion-mbv3\nstages: {}",
        ] {
            let error = #expect(throws: PipelineError.self) { try SmallPipeline.read(text) }
            #expect(error?.message.hasPrefix("p.yaml") == true, "\(text): \(error?.message ?? "")")
        }
        let missing = #expect(throws: PipelineError.self) {
            try PipelineDefinition(path: "/nowhere/p.yaml")
        }
        #expect(
            missing?.code == .unreadable && missing?.message.contains("/nowhere/p.yaml") == true)
    }

    @Test("a device may have every limit at once, its own picojoules, and sizes to measure")
    func devices() throws {
        let text = SmallPipeline.good.replacingOccurrences(
            of: "pc: {kind: computer, max_latency_ms: 2}",
            with: "pc: {kind: microcontroller, batch: 4, max_latency_ms: 2, max_energy_mj: 0.5,"
                + " max_peak_memory_kb: 32, max_flash_kb: 64, max_macs: 100, max_params: 200,"
                + " bytes_per_activation: 2, pj_per_mac: 0.5, threads: 3}")
        let device = try #require(try SmallPipeline.read(text).devices["pc"])
        #expect(
            device.limits
                == .init(
                    latencyMsMax: 2, peakMemoryKBMax: 32, flashKBMax: 64, macsMax: 100,
                    paramsMax: 200, energyMJMax: 0.5))
        #expect(
            device.batch == 4 && device.bytesPerWeight == 1 && device.bytesPerActivation == 2
                && device.threads == 3)
        #expect(device.energyModel.picojoulesPerMAC == 0.5)
        #expect(device.energyModel.picojoulesPerWeightByte == 162.5)
        let stage = "  latency: {kind: measure-device, device: pc, resolutions: [28, 20]}\n"
        let measured = try SmallPipeline.read(SmallPipeline.good + "\n" + stage)
        guard case .measureDevice(let parameters) = measured.stages.last?.parameters else {
            Issue.record("the last stage measures")
            return
        }
        #expect(parameters.resolutions == [28, 20] && parameters.wholeNetworks == 20)
        // This machine's latency is no phone's.
        for kind in ["phone", "microcontroller"] {
            let error = #expect(throws: PipelineError.self) {
                try SmallPipeline.read(
                    (SmallPipeline.good + "\n" + stage).replacing(
                        "kind: computer", with: "kind: \(kind)"))
            }
            #expect(error?.message.contains("names 'pc', a \(kind), and only a computer") == true)
        }
        #expect(throws: PipelineError.self) {
            try SmallPipeline.read(
                SmallPipeline.good + "\n" + stage.replacingOccurrences(of: "28", with: "0"))
        }
    }

    @Test("the files in pipelines/ are good")
    func shipped() throws {
        let folder = package.appending(path: "pipelines")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter {
            $0.hasSuffix(".yaml")
        }
        #expect(
            Set(names).isSuperset(of: [
                "cifar10.yaml", "fashion-mnist-quick.yaml", "ofa-mbv3-imagenet.yaml",
            ]))
        for name in names {
            let definition = try PipelineDefinition(path: folder.appending(path: name).path)
            #expect(!definition.stages.isEmpty && definition.notes.isEmpty, "\(name)")
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
            SmallPipeline.good + """

                  more: {kind: sample-accuracy, needs: [predictor], after: \(after), subnets: 20}
                  better: {kind: fit-predictor, needs: [more], method: ensemble}
                """
        }
        let stages = try SmallPipeline.read(text("accuracy")).stages
        let more = try #require(stages.first { $0.name == "more" })
        #expect(
            more.inputs == [
                .dataset: .stage("data"), .supernet: .stage("kernel"), .samples: .stage("accuracy"),
                .predictor: .stage("predictor"),
            ])
        #expect(
            stages.first { $0.name == "better" }?.inputs == [.samples: .stage("more")])
        let wrong = #expect(throws: PipelineError.self) { try SmallPipeline.read(text("kernel")) }
        #expect(wrong?.code == .missingInput)
        #expect(wrong?.message.contains("makes no accuracy-samples") == true)
    }
}
