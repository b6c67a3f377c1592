// search: the network with the best predicted accuracy within a device's limits.

import Artifacts
import Foundation
import Networks
import Search

/// What a search chose, and for which device.
struct Choice: Codable, Sendable, Equatable {
    let device: DeviceTarget
    let result: SearchResult
    /// The space of the networks, by name.
    let space: String
}

enum SearchStage {
    static func run(_ context: StageContext, _ parameters: StageParameters.SearchDevice) throws
        -> StageOutput
    {
        let predictor = try context.predictor()
        var table: LatencyTable?
        if parameters.device.limits.latencyMsMax != nil {
            table = try context.latencyTable()
        }
        var options = EvolutionarySearch.Options()
        options.seed = context.arguments.seed
        let search = try EvolutionarySearch(
            space: context.space, resolutions: predictor.fittedResolutions,
            device: parameters.device,
            latencyTable: table, energyTable: try context.energyTable(), options: options)
        let result = try search.run(predictor: predictor)
        let choice = Choice(device: parameters.device, result: result, space: context.space.name)
        let digest = try context.put(Array(try JSONText.encode(choice).utf8), elementSize: 1)
        context.job.log(
            String(
                format: "%d networks scored in %d generations, predicted %.2f %%",
                result.evaluations, result.generations,
                100 * result.predictedAccuracy))
        return try StageOutput(
            [
                try StageOutput.Made(
                    .choice, name: "\(parameters.device.name)-choice", digest: digest,
                    metadata: choice)
            ],
            result: choice)
    }
}
