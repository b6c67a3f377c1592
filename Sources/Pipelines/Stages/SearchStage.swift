// search: searches for the network with the best predicted accuracy within a device's limits, and for the Pareto front.
// Reports use the front to show the effect of looser or tighter limits.

import Artifacts
import Devices
import Foundation
import Networks
import Search

enum SearchStage {
    static func run(_ context: StageContext, _ parameters: StageParameters.SearchDevice) throws
        -> StageOutput
    {
        let device = parameters.device
        func given(_ role: ArtifactRole) throws -> Artifact? {
            try context.arguments.inputs[role].map { _ in try context.input(role) }
        }
        let isTimed = device.limits.latencyMsMax != nil
        let table = isTimed ? try context.input(.latencyTable) : nil
        if let table,
            let difference = try LatencyTableSummary(of: table).difference(threads: device.threads)
        {
            context.job.log("latency table \(table.id) \(difference)")
        }
        let prepared = try DeviceSearch(
            DeviceSearch.Inputs(
                predictor: try context.input(.predictor), latencyTable: table,
                energyTable: try given(.energyTable), supernet: try given(.supernet)),
            space: context.space, seed: context.arguments.seed, blob: context.bytes)
        let predictor = prepared.predictor
        guard (parameters.bits ?? predictor.bits) == predictor.bits else {
            throw PipelineError(
                .mismatch,
                "stage \(context.arguments.stage) searches by accuracies in \(parameters.bits ?? 32) bits, and its predictor"
                    + " was fitted on accuracies in \(predictor.bits)",
                remedy: "need a predictor of these bits: sample-accuracy has the key bits")
        }
        if prepared.sizes != predictor.fittedResolutions {
            context.job.log("sizes that are trained and in the tables: \(prepared.sizes)")
        }
        let chosen = try prepared.search(device).run(predictor: predictor) {
            try context.job.stopIfAsked()
        }
        let evaluations = parameters.frontEvaluations ?? prepared.options.frontEvaluations
        let (result, front): (SearchResult, ParetoFront?) =
            evaluations > 0
            ? try drawFront(context, prepared, device, around: chosen, evaluations: evaluations)
            : (chosen, nil)
        let choice = Choice(
            device: device, result: result, space: context.space.name,
            uncertainty: try predictor.uncertainties([result.arch])?.first
                ?? predictor.quality?.rmse,
            heldOutImages: prepared.origin.images, latencyError: prepared.latencyError,
            supernet: prepared.origin.supernet,
            calibrationAugmentation: prepared.origin.calibrationAugmentation,
            definition: context.space, bits: predictor.bits == 8 ? 8 : nil, front: front)
        let digest = try context.put(
            Array(try JSONText.encode(choice).utf8), elementSize: 1, as: .choice)
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

    /// Searches for the front over one cost, `frontAxis` of the device's limits. The limit of this cost does not apply
    /// to the front; the other limits do. Returns the better of two networks: `chosen`, and the front's best network
    /// within all limits. Also returns the front with the better network added.
    private static func drawFront(
        _ context: StageContext, _ prepared: DeviceSearch, _ device: DeviceTarget,
        around chosen: SearchResult, evaluations: Int
    ) throws -> (result: SearchResult, front: ParetoFront?) {
        let drawing = "network chosen, drawing the front"
        try context.job.stopIfAsked()
        context.job.progress(fraction: 0.5, message: drawing)
        let axis = device.limits.frontAxis
        var prepared = prepared, open = device, result = chosen
        prepared.options.frontEvaluations = evaluations
        open.limits = device.limits.without(axis)
        let found = try prepared.search(open).front(
            predictor: prepared.predictor, over: axis, threads: context.job.threads
        ) { share in
            try context.job.stopIfAsked()
            context.job.progress(fraction: 0.5 + 0.5 * share, message: drawing)
        }
        let limit = device.limits.limit(of: axis) ?? .infinity
        if let other = found.best(atMost: limit),
            other.predictedAccuracy > result.predictedAccuracy
        {
            result = other
        }
        return (result, found.including(result))
    }
}
