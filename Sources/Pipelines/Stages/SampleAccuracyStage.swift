// sample-accuracy: measures the accuracies of many subnets on held-out images. The first job
// chooses the subnets, stratified or by a predictor's uncertainty, and fans out; each shard
// calibrates and measures its subnets; the last job gathers the results into one artifact.

import Artifacts
import Foundation
import Jobs
import Networks
import Search
import Tensors
import Training

/// Measured subnets, on which predictors are fitted.
struct AccuracySamples: Codable, Sendable, Equatable {
    let space: String
    let images: Int
    let samples: [AccuracySample]
    /// The supernet's trained domain and digest; nil in data of older versions.
    var trained: TrainedDomain?
    var supernet: Digest?
    /// The augmentation of the subnets' calibration images; nil for none.
    var calibrationAugmentation: CalibrationAugmentation?
    /// The space of the subnets; nil in data of older versions, which hold only the space's name.
    var definition: SearchSpace?
    /// 8 if the subnets were measured in eight bits; nil for floats.
    var bits: Int?
}

/// The metadata of measured subnets.
private struct SamplesMetadata: Encodable {
    let subnets: Int
    let lowest, highest: Double
    let calibrationAugmentation: CalibrationAugmentation
    let bits: Int
}

enum SampleAccuracyStage {
    static func run(_ context: StageContext, _ parameters: StageParameters.SampleAccuracy) throws
        -> StageOutput
    {
        switch context.arguments.part {
        case nil: try plan(context, parameters)
        case .shard(_, let subnets): try measure(subnets, context, parameters)
        case .gather: try gather(context, parameters)
        case .units: throw PipelineError(.invalidArtifact, "a job of another kind of stage")
        }
    }

    private static func plan(
        _ context: StageContext, _ parameters: StageParameters.SampleAccuracy
    ) throws -> StageOutput {
        try context.checkSplit(.supernet)
        let images = try measuredImages(context, parameters)
        if images < parameters.images {
            context.job.log(
                "\(images) images are held out: accuracies are measured on these, not on \(parameters.images)"
            )
        }
        let chosen = try choose(context, parameters)
        let shards = min(parameters.shards, chosen.count)
        func job(_ part: StageArguments.Part) throws -> JobSpec {
            var arguments = context.arguments
            arguments.part = part
            return try arguments.job()
        }
        let children = try (0..<shards).map { shard in
            // Subnets are dealt to the shards in turn, so that every shard has small and large networks and all shards
            // take about equally long.
            let subnets = stride(from: shard, to: chosen.count, by: shards).map { chosen[$0] }
            return try job(.shard(index: shard, subnets: subnets))
        }
        var rule = context.arguments.terms?.rule ?? .allOk
        // There may be fewer shards than requested: at most one shard for each subnet.
        if case .quorum(let count) = rule { rule = .quorum(min(count, shards)) }
        return try StageOutput(
            result: NoResult(),
            fanOut: FanOut(children: children, then: try job(.gather), rule: rule))
    }

    /// Chooses the subnets to measure. Errors: `invalidArtifact` if all have been measured.
    private static func choose(
        _ context: StageContext, _ parameters: StageParameters.SampleAccuracy
    ) throws -> [SubnetConfig] {
        guard parameters.after != nil else {
            return try SubnetSampling.stratified(
                try space(context, parameters), count: parameters.subnets,
                seed: context.arguments.seed)
        }
        let chosen = try SubnetSampling.next(
            parameters.subnets, after: try earlier(context, parameters),
            predictor: try context.predictor(), space: try space(context, parameters),
            seed: context.arguments.stageSeed)
        guard !chosen.isEmpty else {
            throw PipelineError(
                .invalidArtifact,
                "every subnet that stage \(context.arguments.stage) could measure has been measured",
                remedy: "leave it out"
            )
        }
        return chosen
    }

    /// Returns the number of held-out images to measure on, at most the number available.
    private static func measuredImages(
        _ context: StageContext, _ parameters: StageParameters.SampleAccuracy
    ) throws -> Int {
        let dataset = try context.input(.dataset)
        return min(
            parameters.images, try context.metadata(DatasetMetadata.self, of: dataset).heldOut)
    }

    /// Returns the space to choose subnets from: the trained domain at the requested image sizes.
    private static func space(
        _ context: StageContext, _ parameters: StageParameters.SampleAccuracy
    ) throws -> SearchSpace {
        var domain = try context.trainedDomain()
        if let sizes = parameters.resolutions {
            domain.resolutions = domain.resolutions.filter(sizes.contains)
        }
        return try context.space.restricted(to: domain)
    }

    /// Returns the samples of the stage that this stage continues; empty if this stage continues no other stage.
    /// Errors: `invalidArtifact` unless both stages agree in space, images and calibration.
    private static func earlier(
        _ context: StageContext, _ parameters: StageParameters.SampleAccuracy
    ) throws -> [AccuracySample] {
        guard parameters.after != nil else { return [] }
        let earlier = try context.content(AccuracySamples.self, of: try context.input(.samples))
        let images = try measuredImages(context, parameters)
        try context.space.checkOrigin(
            of: "the accuracies that stage \(context.arguments.stage) follows", earlier.space,
            earlier.definition)
        guard earlier.images == images else {
            throw PipelineError(
                .invalidArtifact,
                "the accuracies that stage \(context.arguments.stage) follows were measured on"
                    + " \(earlier.images) images, its own on \(images): they must agree"
            )
        }
        guard earlier.calibrationAugmentation == parameters.calibrationAugmentation else {
            throw PipelineError(
                .invalidArtifact,
                "the subnets that stage \(context.arguments.stage) follows were calibrated on images with other"
                    + " augmentation than its own: calibration_augmentation must agree")
        }
        guard earlier.bits == parameters.bits else {
            throw PipelineError(
                .invalidArtifact,
                "the subnets that stage \(context.arguments.stage) follows were measured in \(earlier.bits ?? 32) bits,"
                    + " its own in \(parameters.bits ?? 32): bits must agree")
        }
        return earlier.samples
    }

    private static func measure(
        _ subnets: [SubnetConfig], _ context: StageContext,
        _ parameters: StageParameters.SampleAccuracy
    ) throws -> StageOutput {
        let images = try context.trainingImages(
            normalization: try context.supernetNormalization())
        let engine = try context.engine()
        let network = try Network(
            supernet: try context.supernet(), of: context.space, engine: engine)
        let evaluator = Evaluator(network)
        let augmentation = try context.augmentation(parameters.calibrationAugmentation)
        let heldOut = Array(images.heldOut.prefix(parameters.images))
        let start = ContinuousClock.now
        var samples = [AccuracySample?](repeating: nil, count: subnets.count), done = 0
        let all = try subnets.map { try NetworkShape(context.space, $0) }
        for group in groups(all, sharing: images.data.loader.source.isDecoded) {
            try context.job.stopIfAsked()
            let shapes = group.map { all[$0] }
            let calibrated = try evaluator.calibrate(
                shapes, data: images.data, count: parameters.calibrationImages,
                augmentation: augmentation, seed: context.arguments.seed
            ) { _ in try context.job.stopIfAsked() }
            let accuracies =
                parameters.bits == 8
                ? try calibrated.map {
                    try eightBits($0, network, engine, images, heldOut) {
                        try context.job.stopIfAsked()
                    }
                }
                : try evaluator.measure(
                    calibrated, loader: images.data.loader, images: heldOut
                ) { _ in try context.job.stopIfAsked() }.map(\.top1)
            for (index, accuracy) in zip(group, accuracies) {
                samples[index] = AccuracySample(config: subnets[index], accuracy: accuracy)
            }
            done += group.count
            context.job.progress(
                fraction: Double(done) / Double(subnets.count),
                message: String(
                    format: "subnet %d/%d, %.2f %%, %.1f subnets/s", done, subnets.count,
                    100 * (accuracies.last ?? 0), Double(done) / ((.now - start) / .seconds(1))))
        }
        return try StageOutput(result: samples.compactMap { $0 })
    }

    /// Returns the accuracy of a calibrated subnet of `supernet` in eight bits on the images `heldOut`: that of the
    /// network which `materialise` would extract and quantise. `stopIfAsked` is called after each batch.
    private static func eightBits(
        _ subnet: Evaluator.Calibrated, _ supernet: Network, _ engine: CPUEngine,
        _ images: TrainingImages, _ heldOut: [Int], _ stopIfAsked: () throws -> Void
    ) throws -> Double {
        let loader = images.data.loader, shape = subnet.shape.renumbered
        let quantised = try NetworkQuantisation(
            shape, supernet.extract(subnet.shape, statistics: subnet.statistics), loader: loader,
            training: images.data.images, heldOut: images.heldOut, engine: engine)
        var table = Confusion(classes: shape.classes)
        try quantised.count(heldOut, loader, engine: engine, into: &table) { _ in
            try stopIfAsked()
        }
        return table.top1
    }

    /// Returns the indices of subnets that are measured together. If pictures must be decoded, groups have subnets of
    /// one image size: at most 64 with at most 2^27 weights (512 MB), because each subnet's running statistics and
    /// compiled weights are in memory. Otherwise each subnet is a group.
    static func groups(_ subnets: [NetworkShape], sharing: Bool) -> [[Int]] {
        guard sharing else { return subnets.indices.map { [$0] } }
        let sizes = Dictionary(grouping: subnets.indices) { subnets[$0].resolution }
        return sizes.sorted { $0.key < $1.key }.flatMap { _, indices in
            var groups: [[Int]] = [], weights = 0
            for index in indices {
                let own = NetworkCost(subnets[index]).parameters
                if let last = groups.last, last.count < 64, weights + own <= 1 << 27 {
                    groups[groups.count - 1].append(index)
                    weights += own
                } else {
                    groups.append([index])
                    weights = own
                }
            }
            return groups
        }
    }

    private static func gather(
        _ context: StageContext, _ parameters: StageParameters.SampleAccuracy
    ) throws -> StageOutput {
        // These inputs are read only to record them in the lineage: the shards' jobs used them but make no artifacts.
        for role in [ArtifactRole.dataset, .supernet] { _ = try context.input(role) }
        if parameters.after != nil { _ = try context.input(.predictor) }
        let new = try context.job.childResults().flatMap {
            try JSONText.decode([AccuracySample].self, from: $0, what: "a shard's result")
        }
        guard !new.isEmpty else {
            throw PipelineError(
                .invalidArtifact, "no shard of \(context.arguments.stage) succeeded")
        }
        let samples = try earlier(context, parameters) + new
        let content = AccuracySamples(
            space: context.space.name, images: try measuredImages(context, parameters),
            samples: samples,
            trained: try context.trainedDomain(),
            supernet: try context.input(.supernet).digest,
            calibrationAugmentation: parameters.calibrationAugmentation,
            definition: context.space, bits: parameters.bits)
        let digest = try context.put(
            Array(try JSONText.encode(content).utf8), elementSize: 1, as: .samples)
        let accuracies = samples.map(\.accuracy)
        return try StageOutput(
            [
                try StageOutput.Made(
                    .samples, name: "\(context.space.name)-accuracies", digest: digest,
                    metadata: SamplesMetadata(
                        subnets: samples.count, lowest: accuracies.min() ?? 0,
                        highest: accuracies.max() ?? 0,
                        calibrationAugmentation: parameters.calibrationAugmentation ?? .whole,
                        bits: parameters.bits ?? 32))
            ],
            result: NoResult())
    }
}
