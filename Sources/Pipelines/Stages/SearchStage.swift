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
        let device = parameters.device
        func given(_ role: ArtifactRole) throws -> Artifact? {
            try context.arguments.inputs[role].map { _ in try context.input(role) }
        }
        let isTimed = device.limits.latencyMsMax != nil
        let prepared = try DeviceSearch(
            DeviceSearch.Inputs(
                predictor: try context.input(.predictor),
                latencyTable: isTimed ? try context.input(.latencyTable) : nil,
                energyTable: try given(.energyTable), supernet: try given(.supernet)),
            space: context.space, seed: context.arguments.seed, blob: context.bytes)
        let predictor = prepared.predictor
        if prepared.sizes != predictor.fittedResolutions {
            context.job.log("sizes that are trained and in the tables: \(prepared.sizes)")
        }
        var options = prepared.options
        func search(_ device: DeviceTarget) throws -> EvolutionarySearch {
            var prepared = prepared
            prepared.options = options
            return try prepared.search(device)
        }
        var result = try search(device).run(predictor: predictor) {
            try context.job.stopIfAsked()
        }
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
                try context.job.stopIfAsked()
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
            heldOutImages: prepared.origin.images, latencyError: prepared.latencyError,
            supernet: prepared.origin.supernet,
            calibrationAugmentation: prepared.origin.calibrationAugmentation, front: front)
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
}
