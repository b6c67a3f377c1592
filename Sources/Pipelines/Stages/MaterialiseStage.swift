// materialise: calibrates a network's batch norms in the supernet, extracts and stores its weights, and measures the
// stored network, in eight bits if the device has them: its accuracy and, if the device is a computer, its latency. If
// that latency exceeds the limit, the stage searches for a second network and keeps one of the two.

import Artifacts
import Datasets
import Devices
import Foundation
import Interchange
import Metering
import Networks
import Search
import Tensors
import Training

/// Networks that are materialised by name or by genes instead of by a search.
enum Materialised: String, CaseIterable {
    case largest, smallest

    /// Returns the network under the key `network`: a name, or genes as JSON in canonical form, read from any form of an
    /// architecture; nil if the key is missing. Errors: `invalidValue`.
    static func read(_ entry: YAMLReader, _ space: SearchSpace) throws -> String? {
        guard let text = try entry.text("network", .definition), text.contains("{") else {
            return try entry.choice("network", Materialised.self)?.rawValue
        }
        do {
            return try JSONText.encode(space.canonical(try space.architecture(text)))
        } catch let error as NetworkError {
            throw entry.error(
                "network", "is no network of the space: \(error.reason)", remedy: error.remedy)
        }
    }
}

enum MaterialiseStage {
    static func run(_ context: StageContext, _ parameters: StageParameters.Materialise) throws
        -> StageOutput
    {
        let (config, device, choice) = try chosen(context, parameters)
        let cutter = try Cutter(context, parameters)
        let first = try cutter.cut(config, for: device)
        let heldOut =
            parameters.testOffset == nil ? choice.map { $0.heldOutImages ?? .max } ?? 0 : 0
        let measured = try measure(
            first, cutter.images, heldOut: heldOut, timing: [first], context)
        var figures = figures(device, first, choice, measured)
        var kept = first
        if let choice, let again = try secondSearch(context, choice, first) {
            (kept, figures) = try secondNetwork(
                context, cutter, choice, again, first: (first, figures), heldOut: heldOut)
        }
        figures.testOffset = parameters.testOffset
        figures.calibrationAugmentation = parameters.calibrationAugmentation ?? .whole
        figures.describe(context.space, cutter.images)
        return try StageOutput(
            [
                try StageOutput.Made(
                    .subnet, name: "\(context.space.name)-\(device.name)", digest: kept.digest,
                    metadata: figures)
            ],
            result: figures)
    }

    /// Runs a second search if the first network's measured latency exceeds the limit; otherwise returns nil. The
    /// second search has a stricter limit for the latency that the table predicts: limit × (predicted / measured
    /// latency of the first network) × (1 - the table's mean relative error, at most 0.5). `result` is nil if no
    /// network meets the stricter limit or the first search's inputs are unknown.
    private static func secondSearch(_ context: StageContext, _ choice: Choice, _ first: Cut) throws
        -> (record: SecondSearch, result: SearchResult?)?
    {
        guard let limit = choice.device.limits.latencyMsMax,
            let measured = first.timer?.timing?.steady, measured > limit
        else { return nil }
        let byTable = min(limit, choice.result.metrics.latencyMs ?? limit)
        let bound = limit * byTable / measured * (1 - min(0.5, choice.latencyError ?? 0))
        context.job.log(
            String(
                format:
                    "measured %.4f ms where %.4f are allowed: searching within %.4f ms by the table",
                measured, limit, bound))
        var record = SecondSearch(boundMs: bound, firstLatencyMs: measured, outcome: .infeasible)
        let read = try context.inputs(of: try context.input(.choice))
        guard let predictor = read[.predictor], let table = read[.latencyTable] else {
            return (record, nil)
        }
        for (role, artifact) in read.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            context.noteRead(artifact.id, as: role)
        }
        let prepared = try DeviceSearch(
            DeviceSearch.Inputs(
                predictor: predictor, latencyTable: table, energyTable: read[.energyTable],
                supernet: try context.input(.supernet)),
            space: context.space, seed: context.arguments.seed, blob: context.bytes)
        var device = choice.device
        device.limits.latencyMsMax = bound
        do {
            let result = try prepared.search(device).run(predictor: prepared.predictor) {
                try context.job.stopIfAsked()
            }
            record.outcome = .kept
            return (record, result)
        } catch let error as DeviceError where error.code == .infeasible {
            context.job.log(error.message)
            return (record, nil)
        }
    }

    /// Materialises the network of the second search and times it alternately with the first network. Keeps the first
    /// network if it now meets the limit, otherwise the second network if it meets the limit, otherwise the faster
    /// network.
    private static func secondNetwork(
        _ context: StageContext, _ cutter: Cutter, _ choice: Choice,
        _ again: (record: SecondSearch, result: SearchResult?),
        first: (cut: Cut, figures: NetworkFigures), heldOut: Int
    ) throws -> (Cut, NetworkFigures) {
        var record = again.record
        func kept(_ cut: Cut, _ figures: NetworkFigures) -> (Cut, NetworkFigures) {
            var figures = figures
            figures.again = record
            return (cut, figures)
        }
        guard let result = again.result else { return kept(first.cut, first.figures) }
        var other = choice
        other.result = result
        let second = try cutter.cut(result.arch, for: choice.device)
        let measured = try measure(
            second, cutter.images, heldOut: heldOut, timing: [first.cut, second], context)
        let limit = choice.device.limits.latencyMsMax ?? .infinity
        let times = [first.cut, second].map { $0.timer?.timing?.steady ?? .infinity }
        if times[0] <= limit || times[1] > limit && times[0] <= times[1] {
            record.outcome = .first
            return kept(first.cut, first.figures.timed(first.cut.timer?.timing))
        }
        return kept(second, figures(choice.device, second, other, measured))
    }

    /// Returns the genes that the parameters or the input search result choose, with their device.
    static func chosen(
        _ context: StageContext, _ parameters: StageParameters.Materialise
    ) throws -> (SubnetConfig, DeviceTarget, Choice?) {
        if let network = parameters.network {
            let space = try context.trainedSpace()
            guard let end = Materialised(rawValue: network) else {
                return try given(network, context)
            }
            let config = end == .largest ? space.largest : space.smallest
            if ![context.space.largest, context.space.smallest].contains(config) {
                context.job.log(
                    "\(network) of what the supernet was trained for: \(try JSONText.encode(config))"
                )
            }
            return (config, DeviceTarget(name: network, kind: .phone, limits: Constraints()), nil)
        }
        let choice = try context.content(Choice.self, of: try context.input(.choice))
        try context.space.checkOrigin(of: "chosen networks", choice.space, choice.definition)
        let supernet = try context.input(.supernet)
        if let other = choice.supernet, other != supernet.digest {
            throw PipelineError(
                .mismatch,
                "stage \(context.arguments.stage) cuts artifact \(supernet.id), and its network was chosen by a predictor"
                    + " of another supernet", remedy: "search with a predictor fitted on this one")
        }
        // A user-supplied predictor records no supernet.
        if choice.supernet != nil,
            choice.calibrationAugmentation != parameters.calibrationAugmentation
        {
            func word(_ given: CalibrationAugmentation?) -> String {
                (given ?? .whole).rawValue
            }
            throw PipelineError(
                .mismatch,
                "stage \(context.arguments.stage) calibrates with augmentation"
                    + " '\(word(parameters.calibrationAugmentation))', and the networks of its predictor were calibrated"
                    + " with '\(word(choice.calibrationAugmentation))'",
                remedy: "give the same calibration_augmentation"
            )
        }
        if let gene = try context.trainedDomain().outside(
            choice.result.arch, in: context.space)
        {
            throw PipelineError(
                .mismatch,
                "the network chosen for \(choice.device.name) is not one that artifact \(supernet.id) was trained for:"
                    + " \(gene)")
        }
        return (choice.result.arch, choice.device, choice)
    }

    /// Returns the network that the pipeline file gives as genes. Errors: `mismatch` for genes that the supernet was not
    /// trained for.
    private static func given(
        _ genes: String, _ context: StageContext
    ) throws -> (SubnetConfig, DeviceTarget, Choice?) {
        let config = try context.space.architecture(genes)
        if let gene = try context.trainedDomain().outside(config, in: context.space) {
            throw PipelineError(
                .mismatch,
                "the network of stage \(context.arguments.stage) is not one that artifact"
                    + " \(try context.input(.supernet).id) was trained for: \(gene)")
        }
        let name = context.arguments.stage
        return (config, DeviceTarget(name: name, kind: .phone, limits: Constraints()), nil)
    }
}
