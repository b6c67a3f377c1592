// fit-predictor: accuracy as a function of architecture, fitted on measured subnets.

import Artifacts
import Foundation
import Search

enum FitPredictorStage {
    static func run(_ context: StageContext, _ parameters: StageParameters.FitPredictor) throws
        -> StageOutput
    {
        let samples = try context.content(AccuracySamples.self, of: try context.input(.samples))
        guard samples.space == context.space.name else {
            throw PipelineError(
                .invalidArtifact,
                "the accuracies are of space \(samples.space), the pipeline's is \(context.space.name)"
            )
        }
        let predictor = try AccuracyPredictor.fit(
            samples.samples, space: context.space, method: method(parameters.method),
            seed: context.arguments.seed)
        let digest = try context.put(try predictor.encoded())
        if let quality = predictor.quality {
            context.job.log(
                String(
                    format: "%d rows, held out %d: RMSE %.2f points, Spearman %.3f", quality.rows,
                    quality.heldOut,
                    100 * quality.rmse, quality.spearman))
        }
        return try StageOutput(
            [
                try StageOutput.Made(
                    .predictor, name: "\(context.space.name)-predictor", digest: digest,
                    metadata: PredictorMetadata(predictor))
            ],
            result: predictor.quality)
    }

    /// The method of this name in a pipeline file.
    static func method(_ name: String) -> AccuracyPredictor.Method {
        switch name {
        case "mlp": .multilayer(AdamOptions())
        case "ensemble": .ensemble(8)
        default: .ridge
        }
    }
}

/// What is known of a predictor, beside its numbers.
struct PredictorMetadata: Codable, Sendable, Equatable {
    let space: String
    let resolutions: [Int]
    let quality: FitQuality?

    init(_ predictor: AccuracyPredictor) {
        space = predictor.space
        resolutions = predictor.fittedResolutions
        quality = predictor.quality
    }
}
