// A small correct pipeline file for tests of what is read from one.
import Foundation
import Testing

@testable import Pipelines

/// The folder of the package.
let package: URL = {
    var folder = URL(filePath: #filePath)
    for _ in 0..<3 { folder.deleteLastPathComponent() }
    return folder
}()

/// A pipeline from a data set to a network, whose lines tests replace.
enum SmallPipeline {
    /// A small correct pipeline; tests replace lines of it.
    static let good = """
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

    static func read(_ text: String, set: [String] = []) throws -> PipelineDefinition {
        try PipelineDefinition(text: text, file: "p.yaml", overrides: set)
    }

    /// The error of the good pipeline with `old` replaced by `new`.
    static func problem(_ old: String, _ new: String, set: [String] = []) throws -> PipelineError {
        try #require(good.contains(old), "the pipeline has no '\(old)'")
        let text = good.replacingOccurrences(of: old, with: new)
        return try #require(throws: PipelineError.self) { try read(text, set: set) }
    }
}
