// Mutated predictors: a value or a typed error, whatever the bytes are.

import Foundation
import Interchange
import Networks
import Tensors
import TestSupport
import Testing

@testable import Search

@Suite struct SearchFuzzTests {
    /// Checks what commands check of a predictor for `tinySpace`, and asks it.
    private func ask(_ predictor: AccuracyPredictor) throws {
        try predictor.checkDomain(space: tinySpace, resolutions: [])
        try predictor.checkScale(tinySpace, "p")
        let sizes = try predictor.resolutions(in: tinySpace)
        var config = tinySpace.largest
        config.resolution = sizes[0]
        _ = try predictor.predict([config])
    }

    @Test("predictors of this program")
    func predictors() throws {
        let samples = tinyNetworks.prefix(60).enumerated().map {
            AccuracySample(config: $0.element, accuracy: 0.5 + 0.004 * Double($0.offset))
        }
        let ridge = try AccuracyPredictor.fit(samples, space: tinySpace)
        let encoder = ArchitectureEncoder(tinySpace)
        let dense = try AccuracyPredictor(
            layers: [
                (Array(repeating: 0.01, count: 2 * encoder.featureCount), [0, 0]),
                ([0.1, 0.2], [0.5]),
            ], encoder: encoder, fittedResolutions: [16, 24])
        try Mutations("predictors", of: [try ridge.encoded(), try dense.encoded()]).run(
            Mutations.cases(share: 0.05), throwing: SearchError.self
        ) { bytes in
            try ask(try AccuracyPredictor(bytes: bytes, source: "p"))
        }
    }

    @Test("predictors as state dicts")
    func stateDicts() throws {
        func layer(_ outputs: Int, _ inputs: Int) -> SafetensorsFile.Tensor<Float> {
            .init(
                shape: [outputs, inputs], values: Array(repeating: 0.02, count: outputs * inputs))
        }
        func bias(_ count: Int) -> SafetensorsFile.Tensor<Float> {
            .init(shape: [count], values: Array(repeating: 0.1, count: count))
        }
        let files = try [
            [
                "0.weight": layer(3, 18), "0.bias": bias(3), "2.weight": layer(1, 3),
                "2.bias": bias(1),
            ],
            [
                "layers.0.0.weight": layer(3, 18), "layers.0.0.bias": bias(3),
                "layers.1.weight": layer(1, 3), "base_acc": bias(1),
            ],
            ["fc1.weight": layer(1, 17), "fc1.bias": bias(1)],
        ].map { try Safetensors.encode($0) }
        try Mutations(
            "state-dicts", of: files,
            words: ["weight", "bias", "layers", "base_acc", "F16", "BF16"]
        )
        .run(Mutations.cases(share: 0.1), throwing: SearchError.self) { bytes in
            let file: SafetensorsFile
            do {
                file = try Safetensors.decode(bytes: bytes)
            } catch let error as InterchangeError {
                throw SearchError(.malformed, error.message)
            }
            let tensors = file.tensors.mapValues { ($0.shape, $0.values) }
            for sizes in [nil, [16, 24], [24]] as [[Int]?] {
                do {
                    try ask(
                        try AccuracyPredictor(
                            stateDict: tensors, space: tinySpace, resolutions: sizes, source: "p"))
                } catch let error as SearchError where !error.message.isEmpty {
                    continue
                }
            }
        }
    }
}
