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

/// A materialised network's figures: a row of the report.
public struct NetworkFigures: Codable, Sendable, Equatable {
    /// The device it was cut for, or "largest" and "smallest".
    public let device: String
    /// Its genes.
    public let arch: SubnetConfig
    /// What the predictor said, 0…1; nil where no search chose it.
    public let predictedAccuracy: Double?
    /// Top-1 on the test images, 0…1.
    public let testAccuracy: Double
    /// Milliseconds of one batch of the device on this machine, undisturbed; nil for other devices.
    public let latencyMs: Double?
    /// What the latency table said.
    public let tableLatencyMs: Double?
    /// What it costs.
    public let macs, params: Int
    /// Stored weights and the largest working set, in bytes of the device.
    public let flashBytes, peakActivationBytes: Int
    /// What those bytes take for granted.
    public let assumption: String

    /// Whether it is the supernet's largest or smallest network, which no device asked for.
    var isLargest: Bool { device == Materialised.largest.rawValue && predictedAccuracy == nil }
    /// See `isLargest`.
    var isSmallest: Bool { device == Materialised.smallest.rawValue && predictedAccuracy == nil }
}

/// Networks that are materialised by name instead of by search.
enum Materialised: String, CaseIterable {
    case largest, smallest
}

enum MaterialiseStage {
    static func run(_ context: StageContext, _ parameters: StageParameters.Materialise) throws
        -> StageOutput
    {
        let (config, device, choice) = try chosen(context, parameters)
        let images = try context.trainingImages()
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
        let test = try testImages(context)
        let measured = Evaluator(subnet).measure(
            alone, statistics: subnet.weights.statistics,
            loader: BatchLoader(test, normalization: images.normalization),
            images: Array(0..<test.layout.count))
        var latency: Double?
        if device.kind == .computer {
            let (single, shape) = try Self.subnet(
                shape, bytes: bytes, backend: try Backend(threads: 1))
            latency = ThreadPinning.whilePinned { _ in
                LatencyMeasurement.wholeNetworkMs(single, shape, batch: device.batch, repeats: 60)
                    .steady
            }
        }
        let metrics = device.metrics(NetworkCost(shape), latencyMs: latency)
        let figures = NetworkFigures(
            device: device.name, arch: config, predictedAccuracy: choice?.result.predictedAccuracy,
            testAccuracy: measured.top1, latencyMs: latency,
            tableLatencyMs: choice?.result.metrics.latencyMs,
            macs: metrics.macs, params: metrics.params, flashBytes: metrics.flashBytes,
            peakActivationBytes: metrics.peakMemoryBytes, assumption: device.assumption)
        return try StageOutput(
            [
                try StageOutput.Made(
                    .subnet, name: "\(context.space.name)-\(device.name)", digest: digest,
                    metadata: figures)
            ],
            result: figures)
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

    private static func testImages(_ context: StageContext) throws -> ImageShard {
        try context.shard(try context.input(.testImages).digest)
    }

    /// A network of its own from stored weights, and its shape with blocks numbered without gaps.
    static func subnet(
        _ shape: NetworkShape, bytes: [UInt8], backend: Backend
    ) throws -> (Network, NetworkShape) {
        let file = try Safetensors.decode(bytes: bytes)
        let weights = Weights(ParameterLayout(shape, naming: .extracted))
        try weights.load(file.tensors.mapValues { ($0.shape, $0.values) })
        var renumbered = shape
        for position in renumbered.blocks.indices { renumbered.blocks[position].index = position }
        return (Network(weights, widest: renumbered, backend: backend), renumbered)
    }
}
