// fit-predictor: fits a predictor of accuracy on measured subnets, and reports the predictor's quality by held-out
// errors, a learning curve, and a plot of predicted against measured accuracies.

import Artifacts
import Charts
import Foundation
import Networks
import Search
import Tensors

enum FitPredictorStage {
    static func run(_ context: StageContext, _ parameters: StageParameters.FitPredictor) throws
        -> StageOutput
    {
        let samples = try context.content(AccuracySamples.self, of: try context.input(.samples))
        try context.space.checkOrigin(of: "accuracies", samples.space, samples.definition)
        let bits = samples.bits ?? 32
        guard (parameters.bits ?? bits) == bits else {
            throw PipelineError(
                .mismatch,
                "stage \(context.arguments.stage) fits accuracies in \(parameters.bits ?? bits) bits, and its subnets were"
                    + " measured in \(bits)",
                remedy: "give the stage that measures them the same bits")
        }
        let curve = Curve(samples: samples.samples.count, method: parameters.method)
        let count = Double(samples.samples.count)
        // `all` is about the sum of the rows (measured subnets) over all fits: the final fit, the fit without held-out
        // subnets (counted as if no subnet were held out), and the fits of the learning curve.
        let all = 2 * count + Double(curve.draws * curve.sizes.reduce(0, +))
        var done = 0.0
        func worked(_ rows: Double) throws {
            done += rows
            try context.job.stopIfAsked()
            context.job.progress(
                fraction: min(0.99, done / all),
                message: done < 2 * count ? "fitting" : "fitting on fewer networks")
        }
        var (predictor, heldOut) = try AccuracyPredictor.evaluated(
            samples.samples, space: context.space, method: method(parameters.method),
            seed: context.arguments.seed, worked: worked)
        predictor.trained = samples.trained
        predictor.bits = bits
        let metadata = PredictorMetadata(
            predictor, curve: try curve.points(samples.samples, context, worked),
            heldOut: heldOut, samples)
        let digest = try context.put(try predictor.encoded(), as: .predictor)
        if let quality = predictor.quality {
            context.job.log(
                String(
                    format: "%d rows, held out %d: RMSE %.2f points, Spearman %.3f", quality.rows,
                    quality.heldOut,
                    100 * quality.rmse, quality.spearman))
        }
        let name = "\(context.space.name)-predictor"
        let plot = ScatterChart.calibration(heldOut, title: "\(name): \(predictor.methodName)")
        return try StageOutput(
            [
                try StageOutput.Made(.predictor, name: name, digest: digest, metadata: metadata),
                try StageOutput.Made(
                    .calibrationPlot, name: "\(name)-calibration.svg",
                    digest: try context.put(
                        Array(plot.svg().utf8), elementSize: 1, as: .calibrationPlot),
                    metadata: ["networks": heldOut.count]),
            ],
            result: predictor.quality)
    }

    /// Returns the method with this name in a pipeline file.
    static func method(_ name: String) -> AccuracyPredictor.Method {
        switch name {
        case "mlp": .multilayer(AdamOptions())
        case "ensemble": .ensemble(8)
        default: .ridge
        }
    }

    /// The settings of the learning curve: each draw holds out a fifth of the samples; `mlp` has one draw, other
    /// methods have five.
    private struct Curve {
        let method: String
        let heldOut: Int
        let sizes: [Int]
        let draws: Int

        init(samples count: Int, method: String) {
            self.method = method == "ensemble" ? "ridge" : method
            heldOut = max(2, count / 5)
            let most = count - heldOut
            sizes = [8, 4, 2, 1].map { most / $0 }.filter { $0 >= 10 }
            draws = method == "mlp" ? 1 : 5
        }

        func points(
            _ samples: [AccuracySample], _ context: StageContext,
            _ worked: AccuracyPredictor.Worked
        ) throws -> [LearningPoint] {
            guard !sizes.isEmpty else { return [] }
            return try AccuracyPredictor.learningCurve(
                samples, space: context.space, method: FitPredictorStage.method(method),
                sizes: sizes, heldOut: heldOut, draws: draws, seed: context.arguments.seed,
                worked: worked)
        }
    }
}

/// The metadata of a predictor.
struct PredictorMetadata: Codable, Sendable, Equatable {
    let space: String
    let resolutions: [Int]
    let quality: FitQuality?
    /// The number of held-out images on which the fitted accuracies were measured; nil in data of older versions.
    let images: Int?
    /// The predictor's model in words; this and later fields are nil in data of older versions.
    let method: String?
    /// The learning curve: the quality of predictors fitted on fewer networks.
    let learningCurve: [LearningPoint]?
    /// The share of held-out networks whose error is at most the predicted standard error, ideally 0.68; nil if the
    /// predictor gives no standard errors.
    let coverage: Double?
    /// The trained domain and the digest of the supernet whose networks the predictor was fitted on; nil if unknown.
    let trained: TrainedDomain?
    let supernet: Digest?
    /// How calibration images were augmented for the networks that the predictor was fitted on; nil for no
    /// augmentation.
    let calibrationAugmentation: CalibrationAugmentation?
    /// The BLAS core that solved the equations of the fit; the predictor's last bits depend on the core. Nil in data of
    /// older versions.
    let blasCore: String?
    /// 8 for a predictor of accuracies in eight bits; nil for floats.
    let bits: Int?

    init(
        _ predictor: AccuracyPredictor, curve: [LearningPoint] = [],
        heldOut: [AccuracyPredictor.HeldOut] = [], _ samples: AccuracySamples
    ) {
        images = samples.images
        trained = samples.trained
        supernet = samples.supernet
        calibrationAugmentation = samples.calibrationAugmentation
        blasCore = BLASCore.current
        bits = samples.bits
        space = predictor.space
        resolutions = predictor.fittedResolutions
        quality = predictor.quality
        method = predictor.methodName
        learningCurve = curve
        let stated = heldOut.compactMap { row in
            row.uncertainty.map { abs(row.predicted - row.measured) <= $0 }
        }
        coverage = stated.isEmpty ? nil : Double(stated.count { $0 }) / Double(stated.count)
    }
}
