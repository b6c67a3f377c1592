// Mutated pipeline files: each is read, or refused with file and reason; what is read can be enqueued.
import Foundation
import Intake
import Jobs
import Networks
import Tensors
import TestSupport
import Testing

@testable import Pipelines

@Suite struct PipelineFuzzTests {
    /// Every key of every mapping once.
    private static let full = """
        name: all
        seed: 7
        space: fashion-mbv3
        devices:
          box: {kind: phone, max_macs: 6e6, max_params: 1000000, max_flash_kb: 100.5, batch: 4}
          pc: {kind: computer, max_latency_ms: 2, max_energy_mj: 1, max_peak_memory_kb: 900, pj_per_mac: 1}
        stages:
          data: {kind: import-dataset, dataset: d, folder: ~/data, classes: 10, held_out: 200}
          full: {kind: train, needs: [data], phase: full, epochs: 1, learning_rate: 0.1, threads: 2}
          kernel:
            kind: train
            needs: [full]
            phase: kernel
            from: full
            teacher: full
            kernel_sizes: [3, 5, 7]
            epochs: 0.5
            learning_rate: 5e-2
            augmentation: {crop: resized, flip: false, brightness: 0.1}
            timeout_seconds: 100
          accuracy:
            kind: sample-accuracy
            needs: [kernel]
            images: 100
            shards: 4
            rule: {quorum: 3}
            on_bad: {kernel: block}
          predictor: {kind: fit-predictor, needs: [accuracy], method: ensemble, priority: -1}
          latency: {kind: measure-device, device: pc, resolutions: [20, 28], key: clock, queue: slow}
          search: {kind: search, needs: [predictor, latency], device: pc, front_evaluations: 100}
          network: {kind: materialise, needs: [search], device: pc, max_attempts: 2}
        """

    /// A variant of a published space, and a whole family with layers of every type.
    private static let spaces = [
        """
        {base: ofa-mbv3-w1.0, name: own, width: 0.5, classes: 37, channels: 1, resolutions: [96, 128], depths: [2, 3], \
        kernel_sizes: [3, 5], expand_ratios: [3, 4.5]}
        """,
        """
        {name: own, classes: 10, channels: 1, resolutions: [32], norm_epsilon: 1e-5, kernel_transform: true, layers: [\
        {convolution: {name: a, width: {gene: 0, choices: [8, 16]}, stride: 2, activation: relu}}, \
        {residual_convolution: {name: b, depths: [0, 2], activation: relu}}, {max_pooling: {}}, \
        {bottlenecks: {width: {gene: 1, choices: [16, 24]}, expand_ratios: [0.25, 0.5], base_depth: 1, depths: [0, 1, 2]}}, \
        {mean_pooling: {}}, {dense: {name: d, dropout: true}}]}
        """,
        """
        {name: own, classes: 10, channels: 1, resolutions: [32], layers: [{convolution: {name: a, width: 8}}, \
        {inverted_residuals: {width: 8, expand_ratios: [1], elastic: false}}, {inverted_residuals: {width: 16, stride: 2, \
        activation: h_swish, squeeze_excite: true, kernel_sizes: [3, 5], expand_ratios: [2, 3], depths: [1, 2]}}, \
        {convolution: {name: b, width: 64, kernel: 1, key: last}}, {mean_pooling: {}}, {dense: {name: c, width: 32, \
        activation: h_swish}}, {dense: {name: d}}]}
        """,
    ]

    @Test("a mutated space is read or refused, and networks of what is read can be counted and cut")
    func ownSpaces() throws {
        let words =
            LayerDefinition.Kind.allCases.map(\.rawValue) + [
                "gene", "choices", "elastic", "keys_name_ratio", "skip", "base_depth", "[1]",
                "65536",
                "0", "-1", "1e9",
            ]
        let corpus = Self.spaces.map { "name: x\nspace: \($0)\n" }
        var read = 0
        try Mutations("spaces", of: corpus, words: words).run(
            Mutations.cases(share: 0.2), throwing: PipelineError.self
        ) { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            let top = try YAMLReader(
                try YAMLDocument(text, file: "p.yaml"), file: "p.yaml",
                overrides: try YAMLOverrides([]))
            guard top.keys.contains("space") else { return }
            let space = try SpaceReader.read(top)
            let copy = try JSONText.decode(
                SearchSpace.self, from: try JSONText.encode(space), what: "space")
            guard copy == space else { throw InputFault("the definition did not survive JSON") }
            var stream = RandomStream(seed: 1)
            for config in [space.largest, space.smallest, space.sample(using: &stream)] {
                try space.validate(config)
                let shape = try NetworkShape(space, config)
                guard NetworkCost(shape).macs > 0 else { throw InputFault("it costs nothing") }
                _ = ParameterLayout(shape, naming: .extracted)
            }
            read += 1
        }
        #expect(read > 0)
    }

    @Test("a mutated pipeline file is read or refused with its name and a reason")
    func files() throws {
        let quick = try String(
            contentsOf: package.appending(path: "pipelines/fashion-mnist-quick.yaml"),
            encoding: .utf8)
        let words =
            PipelineKeys.top + PipelineKeys.device + PipelineKeys.terms
            + PipelineKeys.augmentation + StageKind.allCases.flatMap(PipelineKeys.parameters)
            + StageKind.allCases.map(\.rawValue) + ["all_ok", "{quorum: 2}", "sandwich"]
        var read = 0
        try Mutations("pipelines", of: [Self.full, quick], words: words).run(
            Mutations.cases(share: 0.33), throwing: PipelineError.self
        ) { bytes in
            do {
                let definition = try PipelineDefinition(
                    text: String(decoding: bytes, as: UTF8.self), file: "p.yaml")
                let run = try definition.runSpec()
                for text in [run.name] + run.stages.map(\.name) {
                    _ = try TextRule.name.checked(text)
                }
                for stage in run.stages {
                    for job in stage.jobs { try JSONRule.arguments.check(job.args) }
                }
                read += 1
            } catch let error as PipelineError where !error.message.hasPrefix("p.yaml") {
                throw InputFault("the error does not begin with the file: \(error.message)")
            }
        }
        #expect(read > 0)
    }

    @Test("a mutated --set is read or refused with its path")
    func overrides() throws {
        let corpus = [
            "stages.full.epochs=2", "seed=9", "stages.kernel.augmentation={flip: false, shift: 2}",
            "devices.box.max_macs=5e6", "stages.kernel.kernel_sizes=[5, 7]", "name=x",
        ]
        try Mutations("overrides", of: corpus).run(
            Mutations.cases(share: 0.02), throwing: PipelineError.self
        ) { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            do {
                _ = try PipelineDefinition(text: Self.full, file: "p.yaml", overrides: [text])
            } catch let error as PipelineError where error.code == .invalidGraph {
                return  // A stage renamed away is an error of the file.
            }
        }
    }
}
