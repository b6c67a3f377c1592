// Mutated pipeline files: each is read, or refused with file and reason; what is read can be enqueued.
import Foundation
import Intake
import Jobs
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
