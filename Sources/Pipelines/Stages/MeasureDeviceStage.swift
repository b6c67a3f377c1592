// measure-device: a latency table of this machine, block by block, and whole networks to check it against.

import Artifacts
import Foundation
import Networks
import Search
import Tensors

/// What is known of a measured table, beside its entries.
struct LatencyTableMetadata: Codable, Sendable, Equatable {
    let device: String
    let space: String
    let batch: Int
    let entries: Int
    /// Mean of |table / whole - 1| over whole networks.
    let meanError: Double
    let wholeNetworks: Int
    let instructionSet: String
    let host: String
}

enum MeasureDeviceStage {
    static func run(_ context: StageContext, _ parameters: StageParameters.MeasureDevice) throws
        -> StageOutput
    {
        let space = context.space
        let measurement = try LatencyMeasurement(
            space, weights: try Weights(supernetOf: space, seed: 1), batch: parameters.device.batch)
        var table = LatencyTable()
        let keys = try space.resolutions.flatMap { size in
            try LatencyKey.all(in: space, resolution: size).map { (size, $0) }
        }
        for (index, (resolution, key)) in keys.enumerated() {
            try context.job.stopIfAsked()
            table[resolution, key] = try measurement.entry(
                key, resolution: resolution, repeats: parameters.repeats)
            context.job.progress(
                fraction: 0.8 * Double(index + 1) / Double(keys.count),
                message: "block \(index + 1)/\(keys.count)")
        }
        var stream = RandomStream(seed: context.arguments.seed, 0, 0, 0x71b)
        var errors: [Double] = []
        for index in 0..<parameters.wholeNetworks {
            try context.job.stopIfAsked()
            let shape = try NetworkShape(space, space.sample(using: &stream))
            let whole = try measurement.wholeNetworkMs(subnet: shape, repeats: parameters.repeats)
                .median
            errors.append(abs(try table.latencyMs(shape) / whole - 1))
            context.job.progress(
                fraction: 0.8 + 0.2 * Double(index + 1) / Double(parameters.wholeNetworks),
                message: "whole network \(index + 1)/\(parameters.wholeNetworks)")
        }
        let meanError = errors.reduce(0, +) / Double(errors.count)
        context.job.log(
            String(
                format: "%d blocks; table against %d whole networks: %.1f %% mean error",
                keys.count, errors.count,
                100 * meanError))
        let metadata = LatencyTableMetadata(
            device: parameters.device.name, space: space.name, batch: parameters.device.batch,
            entries: keys.count,
            meanError: meanError, wholeNetworks: errors.count,
            instructionSet: measurement.instructionSet,
            host: ProcessInfo.processInfo.hostName)
        let digest = try context.put(Array(try JSONText.encode(table).utf8), elementSize: 1)
        return try StageOutput(
            [
                try StageOutput.Made(
                    .latencyTable, name: "\(parameters.device.name)-latency", digest: digest,
                    metadata: metadata,
                    tableOf: parameters.device)
            ],
            result: metadata)
    }
}
