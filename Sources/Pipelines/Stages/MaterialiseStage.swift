// materialise: calibrates a network's batch norms in the supernet, extracts and stores its weights, and measures the
// stored network: its accuracy and, if the device is a computer, its latency. If that latency exceeds the limit, the
// stage searches for a second network and keeps one of the two.

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

    /// An extracted network, read back from its stored bytes, and its timer if the device is a computer.
    struct Cut {
        let config: SubnetConfig
        let digest: Digest
        let network: Network
        let shape, alone: NetworkShape
        let timer: WholeNetworkTimer?

        /// Reads the network with the genes `config` from its stored bytes, which are verified, so that the network that
        /// is measured is the stored one and runs without the supernet.
        init(
            _ config: SubnetConfig, _ digest: Digest, for device: DeviceTarget,
            _ context: StageContext, _ engine: CPUEngine
        ) throws {
            self.config = config
            self.digest = digest
            shape = try NetworkShape(context.space, config)
            let bytes = try context.bytes(digest)
            (network, alone) = try MaterialiseStage.subnet(shape, bytes: bytes, engine: engine)
            timer =
                device.kind == .computer
                ? WholeNetworkTimer(
                    CompiledNetwork(
                        network.weights, alone, images: device.batch,
                        engine: try CPUEngine(threads: device.threads))) : nil
        }
    }

    /// Extracts networks from the input supernet.
    struct Cutter {
        private let context: StageContext
        private let parameters: StageParameters.Materialise
        private let engine: CPUEngine
        private let supernet: Network
        private let augmentation: Augmentation
        let images: TrainingImages

        init(_ context: StageContext, _ parameters: StageParameters.Materialise) throws {
            self.context = context
            self.parameters = parameters
            try context.checkSplit(.supernet)
            images = try context.trainingImages(
                normalization: try context.supernetNormalization())
            augmentation = try context.augmentation(parameters.calibrationAugmentation)
            engine = try context.engine()
            supernet = try Network(
                supernet: try context.supernet(), of: context.space, engine: engine)
        }

        func cut(_ config: SubnetConfig, for device: DeviceTarget) throws -> Cut {
            let shape = try NetworkShape(context.space, config)
            let statistics = try Evaluator(supernet).calibrate(
                shape, data: images.data, count: parameters.calibrationImages,
                augmentation: augmentation, seed: context.arguments.seed)
            var metadata = [
                "space": context.space.name, "arch": try JSONText.encode(config),
            ]
            if !images.classNames.isEmpty {
                metadata["classes"] = try JSONText.encode(images.classNames)
            }
            let weights = supernet.extract(shape, statistics: statistics)
            let recipe = SubnetRecipe(
                weights, space: context.space, arch: config, metadata: metadata)
            let bytes = try weights.safetensors(metadata: metadata)
            let digest = try context.put(
                bytes, as: .subnet,
                recipe: BlobRecipe(
                    try recipe.encoded(), parent: try context.input(.supernet).digest))
            context.job.progress(
                fraction: 0.4, message: "weights stored, measuring on test images")
            return try Cut(config, digest, for: device, context, engine)
        }
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

    /// Measures accuracy on the test images and, to compare with the prediction, on `heldOut` held-out images. The test
    /// images are divided into parts; before each part and after the last, the networks of `timing` are timed. The share
    /// `done` of the stage is done before.
    static func measure(
        _ cut: Cut, _ images: TrainingImages, heldOut: Int, timing: [Cut], _ context: StageContext,
        done: Double = 0.4
    ) throws -> (test: Evaluator.Result, heldOut: Evaluator.Result?) {
        let evaluator = Evaluator(cut.network), timers = timing.compactMap(\.timer)
        func measure(_ loader: BatchLoader, _ images: some Sequence<Int>) throws
            -> Evaluator.Result
        {
            try evaluator.measure(
                cut.alone, statistics: cut.network.weights.statistics, loader: loader,
                images: Array(images))
        }
        let source = try context.images(.testImages).source
        let loader = BatchLoader(source, normalization: images.normalization)
        let count = source.count, share = (1 - done) * (heldOut > 0 ? 0.58 : 1)
        var parts: [Evaluator.Result] = []
        let processors = timers.map(\.threads).max().map { ThreadPinning.leastBusy($0) }
        func time() {
            processors?.whilePinned { pinning in
                for timer in timers {
                    timer.onEachThread(pinning.pin)
                    timer.time(repeats: timings)
                }
            }
        }
        for part in 0..<testParts {
            time()
            let end = count * (part + 1) / testParts
            parts.append(try measure(loader, count * part / testParts..<end))
            try context.job.stopIfAsked()
            context.job.progress(
                fraction: done + share * Double(part + 1) / Double(testParts),
                message: "measured on \(end) of \(count) test images")
        }
        time()
        let test = Evaluator.Result(together: parts)
        guard heldOut > 0 else { return (test, nil) }
        context.job.progress(fraction: done + share, message: "measuring on held-out images")
        return (test, try measure(images.data.loader, images.heldOut.prefix(heldOut)))
    }

    /// The number of parts of the test images, and of latency timings before each part and after
    /// the last.
    private static let testParts = 4, timings = 20

    static func figures(
        _ device: DeviceTarget, _ cut: Cut, _ choice: Choice?,
        _ measured: (test: Evaluator.Result, heldOut: Evaluator.Result?)
    ) -> NetworkFigures {
        let timing = cut.timer?.timing
        let metrics = device.metrics(NetworkCost(cut.shape), latencyMs: timing?.steady)
        var figures = NetworkFigures(
            device: device.name, arch: cut.config,
            predictedAccuracy: choice?.result.predictedAccuracy,
            testAccuracy: measured.test.top1, latencyMs: timing?.steady,
            tableLatencyMs: choice?.result.metrics.latencyMs,
            macs: metrics.macs, params: metrics.params, flashBytes: metrics.flashBytes,
            peakActivationBytes: metrics.peakMemoryBytes, assumption: device.assumption)
        figures.target = choice?.device
        figures.accuracyUncertainty = choice?.uncertainty
        figures.latencyError = choice?.latencyError
        figures.energyMJ = choice?.result.metrics.energyMJ ?? metrics.energyMJ
        figures.testImages = measured.test.images
        figures.heldOutAccuracy = measured.heldOut?.top1
        figures.heldOutImages = measured.heldOut?.images
        return figures.timed(timing)
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

    /// Returns a standalone network from stored weights, and its shape with consecutively numbered blocks.
    static func subnet(
        _ shape: NetworkShape, bytes: [UInt8], engine: CPUEngine
    ) throws -> (Network, NetworkShape) {
        let file = try Safetensors.decode(bytes: bytes)
        let weights = Weights(ParameterLayout(shape, naming: .extracted), in: engine)
        try weights.load(file.tensors.mapValues { ($0.shape, $0.values) })
        return Network.alone(weights, shape, engine: engine)
    }
}

extension NetworkFigures {
    /// Returns a copy with the latency of `timing`; an unchanged copy if `timing` is nil.
    func timed(_ timing: LatencyMeasurement.Timing?) -> NetworkFigures {
        guard let timing else { return self }
        var figures = self
        figures.latencyMs = timing.steady
        figures.latencyMsLow = timing.sorted[timing.sorted.count / 10]
        figures.latencyMsHigh = timing.sorted[timing.sorted.count * 9 / 10]
        return figures
    }

    /// Adds the space, and what the training images say: how images become the network's input, and the classes.
    mutating func describe(_ space: SearchSpace, _ images: TrainingImages) {
        definition = space
        input = NetworkInput(
            normalization: images.normalization,
            fixedSize: images.data.loader.source.fixedSize)
        let names = images.classNames.map(\.description)
        if !names.isEmpty, names.reduce(0, { $0 + $1.utf8.count }) <= Self.mostNameBytes {
            classNames = names
        }
    }
}
