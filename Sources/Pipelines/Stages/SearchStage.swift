// search: the network with the best predicted accuracy within a device's limits, and the front around it, so that
// reports can show what a looser or tighter limit would give.

import Artifacts
import Foundation
import Networks
import Search

enum SearchStage {
    static func run(_ context: StageContext, _ parameters: StageParameters.SearchDevice) throws
        -> StageOutput
    {
        let predictor = try context.predictor()
        let device = parameters.device
        var table: LatencyTable?
        var latencyError: Double?
        if device.limits.latencyMsMax != nil {
            let artifact = try context.input(.latencyTable)
            table = try context.latencyTable()
            latencyError = try context.metadata(TableQuality.self, of: artifact).meanError
        }
        var options = EvolutionarySearch.Options(for: context.space)
        options.seed = context.arguments.seed
        let energies = try context.energyTable()
        let known = try predictor.resolutions(in: context.space)
        let sizes = try LatencyTable.common(known, of: [table, energies])
        if sizes != predictor.fittedResolutions {
            context.job.log("sizes that the tables have: \(sizes)")
        }
        func search(_ device: DeviceTarget) throws -> EvolutionarySearch {
            try EvolutionarySearch(
                space: context.space, resolutions: sizes, device: device,
                latencyTable: table, energyTable: energies, options: options)
        }
        var result = try search(device).run(predictor: predictor)
        let evaluations = parameters.frontEvaluations ?? options.frontEvaluations
        var front: ParetoFront?
        if evaluations > 0 {
            try context.job.stopIfAsked()
            context.job.progress(fraction: 0.5, message: "network chosen, drawing the front")
            options.frontEvaluations = evaluations
            let axis = device.limits.frontAxis
            var open = device
            open.limits = device.limits.without(axis)
            let found = try search(open).front(
                predictor: predictor, over: axis, threads: context.job.threads
            ) { share in
                try context.job.stopIfCancelled()
                context.job.progress(
                    fraction: 0.5 + 0.5 * share, message: "network chosen, drawing the front")
            }
            // Whatever finds the better network.
            let limit = device.limits.limit(of: axis) ?? .infinity
            if let other = found.best(atMost: limit),
                other.predictedAccuracy > result.predictedAccuracy
            {
                result = other
            }
            front = found.including(result)
        }
        let choice = Choice(
            device: device, result: result, space: context.space.name,
            uncertainty: try predictor.uncertainties([result.arch])?.first
                ?? predictor.quality?.rmse,
            heldOutImages: try context.metadata(
                PredictorOrigin.self, of: try context.input(.predictor)
            ).images,
            latencyError: latencyError, front: front)
        let digest = try context.put(Array(try JSONText.encode(choice).utf8), elementSize: 1)
        context.job.log(
            String(
                format: "%d networks scored in %d generations, predicted %.2f %%; %d on the front",
                result.evaluations, result.generations, 100 * result.predictedAccuracy,
                front?.networks.count ?? 0))
        return try StageOutput(
            [
                try StageOutput.Made(
                    .choice, name: "\(device.name)-choice", digest: digest,
                    metadata: choice.summary)
            ],
            result: choice.summary)
    }

    /// What is known of a predictor; nothing of one that a person brought.
    private struct PredictorOrigin: Decodable {
        let images: Int?
    }

    /// What is known of how well a table predicts whole networks; nothing for one that a person brought.
    private struct TableQuality: Decodable {
        let meanError: Double?
    }
}
