// materialise: a network gets its own weights and batch-norm statistics and is measured, as it was stored, on images
// that nothing before it has seen.

import Artifacts
import Datasets
import Foundation
import Interchange
import Metering
import Networks
import Search
import Tensors
import Training

/// Networks that are materialised by name instead of by search.
enum Materialised: String, CaseIterable {
    case largest, smallest
}

enum MaterialiseStage {
    static func run(_ context: StageContext, _ parameters: StageParameters.Materialise) throws
        -> StageOutput
    {
        let (config, device, choice) = try chosen(context, parameters)
        let images = try context.trainingImages(
            normalization: try context.supernetNormalization())
        let shape = try NetworkShape(context.space, config)
        let backend = try context.backend()
        let supernet = try Network(
            supernet: try context.supernet(), of: context.space, backend: backend)
        let statistics = Evaluator(supernet).calibrate(
            shape, data: images.data, count: parameters.calibrationImages,
            seed: context.arguments.seed)
        let bytes = try supernet.extract(shape, statistics: statistics).safetensors(metadata: [
            "space": context.space.name, "arch": try JSONText.encode(config),
        ])
        let digest = try context.put(bytes)
        context.job.progress(fraction: 0.4, message: "weights stored, measuring on test images")
        // What is measured is what was stored: read back, verified, and run without the supernet.
        let (subnet, alone) = try Self.subnet(
            shape, bytes: try context.bytes(digest), backend: backend)
        let timer =
            device.kind == .computer
            ? try Self.timer(shape, bytes: bytes, batch: device.batch) : nil
        let heldOut =
            parameters.testOffset == nil ? choice.map { $0.heldOutImages ?? .max } ?? 0 : 0
        let measured = try measure(
            subnet, alone, images, heldOut: heldOut, timer, context)
        var figures = figures(device, shape, config, choice, measured, timer?.timing)
        figures.testOffset = parameters.testOffset
        return try StageOutput(
            [
                try StageOutput.Made(
                    .subnet, name: "\(context.space.name)-\(device.name)", digest: digest,
                    metadata: figures)
            ],
            result: figures)
    }

    /// Accuracy on the test images and, where a prediction is to be compared, on the held-out images that the
    /// predictor's networks were measured on. The test images come in parts, and the latency is timed between them.
    private static func measure(
        _ subnet: Network, _ shape: NetworkShape, _ images: TrainingImages, heldOut: Int,
        _ timer: WholeNetworkTimer?, _ context: StageContext
    ) throws -> (test: Evaluator.Result, heldOut: Evaluator.Result?) {
        let evaluator = Evaluator(subnet)
        func measure(_ loader: BatchLoader, _ images: some Sequence<Int>) -> Evaluator.Result {
            evaluator.measure(
                shape, statistics: subnet.weights.statistics, loader: loader, images: Array(images))
        }
        let shard = try context.shard(try context.input(.testImages).digest)
        let loader = BatchLoader(shard, normalization: images.normalization)
        let count = shard.layout.count, share = heldOut > 0 ? 0.35 : 0.6
        var parts: [Evaluator.Result] = []
        let processor = timer.map { _ in ThreadPinning.leastBusy() }
        func time() {
            processor?.whilePinned { _ in timer?.time(repeats: timings) }
        }
        for part in 0..<testParts {
            time()
            let end = count * (part + 1) / testParts
            parts.append(measure(loader, count * part / testParts..<end))
            try context.job.stopIfAsked()
            context.job.progress(
                fraction: 0.4 + share * Double(part + 1) / Double(testParts),
                message: "measured on \(end) of \(count) test images")
        }
        time()
        let test = Evaluator.Result(together: parts)
        guard heldOut > 0 else { return (test, nil) }
        context.job.progress(fraction: 0.4 + share, message: "measuring on held-out images")
        return (test, measure(images.data.loader, images.heldOut.prefix(heldOut)))
    }

    /// Parts of the test images, and timings of the latency before each and after the last.
    private static let testParts = 4, timings = 20

    /// Times the network as it was stored, on one thread as on the device.
    private static func timer(_ shape: NetworkShape, bytes: [UInt8], batch: Int) throws
        -> WholeNetworkTimer
    {
        let (single, alone) = try subnet(shape, bytes: bytes, backend: try Backend(threads: 1))
        return WholeNetworkTimer(single, alone, batch: batch)
    }

    private static func figures(
        _ device: DeviceTarget, _ shape: NetworkShape, _ config: SubnetConfig, _ choice: Choice?,
        _ measured: (test: Evaluator.Result, heldOut: Evaluator.Result?),
        _ timing: LatencyMeasurement.Timing?
    ) -> NetworkFigures {
        let metrics = device.metrics(NetworkCost(shape), latencyMs: timing?.steady)
        var figures = NetworkFigures(
            device: device.name, arch: config, predictedAccuracy: choice?.result.predictedAccuracy,
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
        figures.latencyMsLow = timing.map { $0.sorted[$0.sorted.count / 10] }
        figures.latencyMsHigh = timing.map { $0.sorted[$0.sorted.count * 9 / 10] }
        return figures
    }

    private static func chosen(
        _ context: StageContext, _ parameters: StageParameters.Materialise
    ) throws -> (SubnetConfig, DeviceTarget, Choice?) {
        if let network = parameters.network {
            let config =
                network == Materialised.largest.rawValue
                ? context.space.largest : context.space.smallest
            return (config, DeviceTarget(name: network, kind: .phone, limits: Constraints()), nil)
        }
        let choice = try context.content(Choice.self, of: try context.input(.choice))
        return (choice.result.arch, choice.device, choice)
    }

    /// A network of its own from stored weights, and its shape with blocks numbered without gaps.
    static func subnet(
        _ shape: NetworkShape, bytes: [UInt8], backend: Backend
    ) throws -> (Network, NetworkShape) {
        let file = try Safetensors.decode(bytes: bytes)
        let weights = Weights(ParameterLayout(shape, naming: .extracted))
        try weights.load(file.tensors.mapValues { ($0.shape, $0.values) })
        return Network.alone(weights, shape, backend: backend)
    }
}
