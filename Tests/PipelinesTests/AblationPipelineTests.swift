// pipelines/ablation-fashion-mnist.yaml: its arms have equal budgets; and the keys that it needs: seeds, epoch_scale,
// schedules, and networks by name.
import Foundation
import Networks
import Tensors
import Testing
import Training

@testable import Pipelines

@Suite struct AblationPipelineTests {
    private func read(_ set: [String] = []) throws -> PipelineDefinition {
        try PipelineDefinition(
            path: package.appending(path: "pipelines/ablation-fashion-mnist.yaml").path,
            overrides: set)
    }

    @Test(
        "every arm has 20 net-epochs for each of three seeds, and measures the same five networks")
    func equalArms() throws {
        let definition = try read()
        var budgets: [String: [UInt64: Double]] = [:]
        var networks: [String: [UInt64: Set<SubnetConfig>]] = [:]
        for stage in definition.stages {
            guard case .evaluate(let evaluation) = stage.parameters else { continue }
            let total = try #require(definition.netEpochs(of: stage)?.total)
            budgets[evaluation.arm, default: [:]][stage.seed, default: 0] += total
            networks[evaluation.arm, default: [:]][stage.seed, default: []]
                .formUnion(evaluation.networks.map(\.arch))
        }
        #expect(budgets.count == 7)
        for (arm, seeds) in budgets {
            #expect(Set(seeds.keys) == [20, 21, 22], "\(arm)")
            for (seed, total) in seeds {
                #expect(abs(total - 20) < 1e-9, "\(arm) \(seed): \(total)")
            }
        }
        let all = try #require(networks.values.first?[20])
        #expect(all.count == 5 && networks.values.allSatisfy { $0.values.allSatisfy { $0 == all } })
        let space = SearchSpace.fashion
        #expect(all.contains(space.canonical(space.largest)))
        // The whole file: phase full is shared by two arms.
        let sum = definition.stages.reduce(0) { $0 + (definition.netEpochs(of: $1)?.own ?? 0) }
        #expect(abs(sum - 3 * 137) < 1e-9)
    }

    @Test("epoch_scale and seeds are each one --set, for all arms alike")
    func scaled() throws {
        let definition = try read(["epoch_scale=0.1", "seeds=[7]"])
        for stage in definition.stages {
            guard case .evaluate(let evaluation) = stage.parameters else { continue }
            #expect(stage.seed == 7 && stage.name.hasSuffix("-7"))
            let total = try #require(definition.netEpochs(of: stage)?.total)
            #expect(abs(total - (evaluation.arm == "each network alone" ? 0.4 : 2)) < 1e-9)
        }
        guard case .train(let train) = definition.stages[1].parameters else {
            Issue.record("the second stage trains")
            return
        }
        #expect(abs(train.phase.epochs - 0.3) < 1e-12 && train.phase.warmupEpochs < 0.011)
    }

    private func small(_ lines: String, top: String = "seeds: [3, 9]") throws -> PipelineDefinition
    {
        try PipelineDefinition(
            text: """
                name: small
                \(top)
                space: fashion-mbv3
                stages:
                  data: {kind: import-dataset, dataset: d, folder: /data}
                  full: {kind: train, needs: [data], phase: full, epochs: 1, learning_rate: 0.1}
                \(lines)
                """, file: "p.yaml")
    }

    @Test(
        "stages are repeated for each seed and need those of their seed; data and report are made once"
    )
    func repeated() throws {
        let definition = try small(
            """
              kernel: {kind: train, needs: [full], phase: k, from: full, teacher: full, kernel_sizes: [3, 7], epochs: 1, learning_rate: 0.1}
              report: {kind: report, needs: [kernel], on_bad: {kernel: run}}
            """)
        #expect(
            definition.stages.map(\.name) == [
                "data", "full-3", "full-9", "kernel-3", "kernel-9", "report",
            ])
        #expect(definition.stages.map(\.seed) == [3, 3, 9, 3, 9, 3])
        let kernel = definition.stages[4]
        #expect(kernel.needs == ["full-9"])
        #expect(kernel.inputs[.supernet] == .stage("full-9"))
        #expect(kernel.inputs[.teacher] == .stage("full-9"))
        #expect(kernel.inputs[.dataset] == .stage("data"))
        let report = definition.stages[5]
        #expect(report.needs == ["kernel-3", "kernel-9"])
        #expect(report.onBad == ["kernel-3": .run, "kernel-9": .run])
        for (stage, spec) in zip(definition.stages, try definition.runSpec().stages) {
            let arguments = try StageArguments.read(spec.jobs[0].args, of: "job")
            #expect(arguments.seed == stage.seed && arguments.stage == stage.name)
        }
    }

    private func message(_ lines: String, top: String = "seeds: [3, 9]") -> String {
        let error = #expect(throws: PipelineError.self) { try small(lines, top: top) }
        return error?.message ?? ""
    }

    @Test("wrong seeds, networks and schedules are refused with their line")
    func refused() {
        #expect(
            message("", top: "seed: 1\nseeds: [2]").hasPrefix("p.yaml:3: seeds stands beside seed"))
        #expect(message("", top: "seeds: []").contains("seeds must list 1 to 100 seeds"))
        #expect(
            message(
                "  full-9: {kind: train, needs: [data], phase: f, epochs: 1, learning_rate: 0.1}"
            )
            .contains("is repeated as full-9, which is another stage"))
        func cut(_ networks: String, _ more: String = "") -> String {
            message("  cut: {kind: evaluate, needs: [full], networks: [\(networks)]\(more)}")
        }
        #expect(cut("k9-e3").contains("stages.cut.networks holds 'k9-e3': k9 is no gene of space"))
        #expect(cut("k3-k5").contains("write largest, smallest, or genes"))
        #expect(cut("").contains("has no network"))
        #expect(cut("k3").contains("which full-3 was not trained for: ks[0] is 3"))
        #expect(cut("k3").contains("set untrained: true"))
        func train(_ keys: String) -> String {
            message(
                "  t: {kind: train, needs: [data], phase: t, epochs: 1, learning_rate: 0.1, \(keys)}"
            )
        }
        #expect(
            train("sampling: uniform, depths: [2]").contains(
                "depths has no effect: sampling uniform"))
        #expect(
            train("in_place_distillation: true").contains(
                "stages.t.in_place_distillation does not fit"))
        #expect(
            train("distillation_loss: alpha-divergence").contains("no effect without distillation"))
        #expect(train("gradient_clip: 0").contains("stages.t.gradient_clip"))
        #expect(train("precision: half").contains("stages.t.precision"))
        #expect(
            message(
                """
                  k: {kind: train, needs: [full], phase: k, from: full, kernel_sizes: [3, 7], epochs: 1, learning_rate: 0.1}
                  l: {kind: train, needs: [k], phase: l, from: k, kernel_transform: false, epochs: 1, learning_rate: 0.1}
                """
            ).contains("kernel_transform is false, and k-3 has trained its matrices"))
    }

    @Test("the schedules' keys give their phases, and files without them what they gave")
    func keys() throws {
        func phase(_ keys: String) throws -> TrainingPhase {
            let definition = try small(
                "  t: {kind: train, needs: [data], phase: t, epochs: 1, learning_rate: 0.1\(keys)}",
                top: "seed: 1")
            guard case .train(let train) = definition.stages[2].parameters else {
                throw PipelineError(.invalidValue, "no train stage")
            }
            return train.phase
        }
        let plain = try phase("")
        #expect(!plain.inPlaceDistillation && plain.distillationLoss == .crossEntropy)
        #expect(
            plain.gradientClip == nil && plain.kernelTransform == nil && plain.distillation == 0)
        let uniform = try phase(", sampling: uniform, subnets: 4")
        #expect(
            uniform.domain(in: .fashion) == TrainedDomain(.fashion) && uniform.sampling == .random)
        let alpha = try phase(
            ", sampling: sandwich, subnets: 4, in_place_distillation: true, distillation_loss: alpha-divergence"
        )
        #expect(alpha.inPlaceDistillation && alpha.distillation == 1)
        #expect(alpha.distillationLoss == .alphaDivergence && alpha.gradientClip == 1)
        #expect(try phase(", gradient_clip: 0.5").gradientClip == 0.5)
        #expect(try phase(", kernel_transform: false").kernelTransform == false)
        #expect(plain.precision == nil)
        #expect(try phase(", precision: bf16").precision == .bfloat16)
    }

    @Test(
        "epochs are checked after epoch_scale, with their line, and validations are as many as before"
    )
    func scaledRange() throws {
        func train(_ epochs: String) -> String {
            "  t: {kind: train, needs: [data], phase: t, epochs: \(epochs), learning_rate: 0.1, validate_every: 2}"
        }
        let long = message(train("20"), top: "epoch_scale: 1000")
        #expect(
            long.hasPrefix("p.yaml:7: stages.t.epochs is 20.0, and epoch_scale makes it 20000.0"))
        let short = message(train("0.5"), top: "epoch_scale: 0.001")
        #expect(short.hasPrefix("p.yaml:7: stages.t.epochs is 0.5"), "\(short)")
        guard
            case .train(let half) = try small(train("8"), top: "epoch_scale: 0.5").stages[2]
                .parameters
        else { return }
        #expect(half.phase.epochs == 4 && half.validation?.everyEpochs == 1)
    }

    @Test("a phase that trains one network alone has one value of each gene, or is refused")
    func alone() throws {
        func message(_ keys: String) -> String {
            self.message(
                "  t: {kind: train, needs: [data], phase: t, epochs: 1, learning_rate: 0.1, alone: true, \(keys)}"
            )
        }
        #expect(message("kernel_sizes: [3, 5]").contains("stages.t.kernel_sizes has 2 values"))
        #expect(message("resolutions: [20, 28]").contains("stages.t.resolutions has 2 values"))
        #expect(message("subnets: 2").contains("stages.t.alone trains one network in every step"))
        #expect(message("sampling: uniform").contains("stages.t."))
        #expect(
            message("kernel_transform: false").contains("stages.t.kernel_transform has no effect"))
        #expect(
            self.message(
                "  t: {kind: train, needs: [full], from: full, phase: t, epochs: 1, learning_rate: 0.1, alone: true}"
            ).contains("stages.t.from has no effect: alone trains a network of its own"))
        let definition = try small(
            """
              t: {kind: train, needs: [data], phase: t, epochs: 1, learning_rate: 0.1, alone: true, kernel_sizes: [5]}
              cut: {kind: evaluate, needs: [t], networks: [k5]}
              next: {kind: train, needs: [t], from: t, phase: n, epochs: 1, learning_rate: 0.1, kernel_sizes: [3, 5, 7], kernel_transform: false}
            """, top: "seed: 1")
        guard case .train(let train) = definition.stages[2].parameters else {
            Issue.record("the third stage trains")
            return
        }
        #expect(train.alone == true && train.phase.resolutions == [28])
        // A stage without the key is stored as before.
        guard case .train(let full) = definition.stages[1].parameters else { return }
        #expect(try full.alone == nil && !JSONText.encode(full).contains("alone"))
    }

    @Test("the ablation's arms differ in nothing but what they are named for")
    func alike() throws {
        for stage in try read().stages {
            guard case .train(let train) = stage.parameters else { continue }
            #expect(train.phase.gradientClip == 1, "\(stage.name)")
            #expect(train.phase.batch == 64 && train.phase.dropout == 0.1, "\(stage.name)")
            #expect((train.alone == true) == stage.name.hasPrefix("alone-"), "\(stage.name)")
            if train.alone == true { #expect(train.phase.resolutions == [28]) }
            if train.from == nil { #expect(train.phase.learningRate == 0.1) }
        }
    }

    @Test("a network by name has its genes in every layer; other genes are the largest")
    func networks() throws {
        let space = SearchSpace.fashion
        func network(_ name: String) throws -> SubnetConfig {
            try StageParameters.network(name, of: space)
        }
        #expect(try network("smallest") == space.canonical(space.smallest))
        #expect(try network("k3-e3-d2-r20") == space.canonical(space.smallest))
        #expect(try network("r28") == space.canonical(space.largest))
        let middle = try network("d2-k5-e4")
        #expect(middle.depths == [2, 2, 2] && middle.resolution == 28)
        #expect(Set(middle.kernelSizes) == [0, 5] && Set(middle.expandRatios) == [0, 4])
    }
}
