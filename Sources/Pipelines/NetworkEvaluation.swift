// Measures a stored network, or a subnet of a stored supernet, on images of a data set.

import Artifacts
import Datasets
import Foundation
import Networks
import Tensors
import Training

/// The result of measuring one network.
public struct NetworkEvaluation {
    /// The network's genes.
    public let arch: SubnetConfig
    /// How many images of each class the network assigned to each class.
    public let confusion: Confusion
    /// The seconds that the measurement took: making the images and running the network.
    public let seconds: Double
    /// How many training images the batch norms, or the ranges of eight bits, were calibrated on; nil for a network's own
    /// statistics in floats.
    public let calibrationImages: Int?

    /// Images per second.
    public var imagesPerSecond: Double { Double(confusion.images) / max(seconds, 1e-9) }

    /// How a supernet's subnet is calibrated.
    public struct Calibration {
        /// The training images, their number, and the seed that chooses them.
        let data: EvaluationImages
        let count: Int
        let seed: UInt64

        /// Calibrates on `count` of the images of `data`, chosen by `seed`.
        public init(_ data: EvaluationImages, count: Int, seed: UInt64) {
            self.data = data
            self.count = count
            self.seed = seed
        }
    }

    /// Measures a stored network with its stored batch-norm statistics. `progress` gets the share of images processed
    /// so far, 0…1.
    ///
    /// Errors: `mismatch` if the network cannot take the images or the classes differ; `invalidArtifact` if an output
    /// is not finite; errors of reading the images.
    public init(
        of network: StoredNetwork, on images: EvaluationImages, threads: Int,
        progress: (Double) throws -> Void
    ) throws {
        try images.check(network.space, network.classNames, of: network.artifact.id)
        let engine = try CPUEngine(threads: threads)
        let running = Network(network.weights, widest: network.shape, engine: engine)
        try self.init(
            Evaluator.Calibrated(network.shape, statistics: network.weights.statistics),
            Evaluator(running), network.figures.arch, of: network.artifact.id, images,
            network.input.normalization, calibrationImages: nil, progress)
    }

    /// Measures a stored network in eight bits, which compute `quantised`. `progress` gets the share of images processed
    /// so far, 0…1.
    ///
    /// Errors: those of measuring in floats.
    public init(
        of network: StoredNetwork, in quantised: NetworkQuantisation, on images: EvaluationImages,
        threads: Int, progress: (Double) throws -> Void
    ) throws {
        try images.check(network.space, network.classNames, of: network.artifact.id)
        arch = network.figures.arch
        calibrationImages = quantised.calibrationImages
        let clock = ContinuousClock(), start = clock.now
        var table = Confusion(classes: network.shape.classes)
        try quantised.count(
            images.images,
            BatchLoader(images.source, normalization: network.input.normalization),
            engine: try CPUEngine(threads: threads), into: &table, progress)
        confusion = table
        seconds = (clock.now - start) / .seconds(1)
    }

    /// Calibrates the batch norms of the subnet `arch` of a supernet, and measures the subnet. `progress` gets the
    /// share of images processed so far, 0…1, counting the images of calibration and of measurement.
    ///
    /// Errors: `mismatch` if the network cannot take the images or the classes differ; `invalidArtifact` if an output
    /// is not finite; errors of reading the images; errors for genes outside the space.
    public init(
        of arch: SubnetConfig, in supernet: StoredSupernet, on images: EvaluationImages,
        _ calibration: Calibration, threads: Int, progress: (Double) throws -> Void
    ) throws {
        try images.check(supernet.space, supernet.classNames, of: supernet.artifact.id)
        let engine = try CPUEngine(threads: threads)
        let network = try Network(supernet: supernet.weights, of: supernet.space, engine: engine)
        let shape = try NetworkShape(supernet.space, arch), data = calibration.data
        let normalization =
            try supernet.normalization ?? data.source.normalization(of: data.images)
        let evaluator = Evaluator(network), count = min(calibration.count, data.images.count)
        let share = Double(count) / Double(count + images.images.count)
        let calibrated = try evaluator.calibrate(
            [shape],
            data: TrainingData(
                BatchLoader(data.source, normalization: normalization), images: data.images),
            count: count, seed: calibration.seed
        ) { try progress(share * $0) }
        try self.init(
            calibrated[0], evaluator, arch, of: supernet.artifact.id, images, normalization,
            calibrationImages: count
        ) { try progress(share + (1 - share) * $0) }
    }

    private init(
        _ subnet: Evaluator.Calibrated, _ evaluator: Evaluator, _ arch: SubnetConfig,
        of artifact: ArtifactID, _ images: EvaluationImages, _ normalization: PixelNormalization,
        calibrationImages: Int?, _ progress: (Double) throws -> Void
    ) throws {
        self.arch = arch
        self.calibrationImages = calibrationImages
        let clock = ContinuousClock(), start = clock.now
        do {
            confusion = try evaluator.confusion(
                subnet, loader: BatchLoader(images.source, normalization: normalization),
                images: images.images, afterBatch: progress)
        } catch let error as TrainingError where error.code == .diverged {
            throw PipelineError(notFinite: artifact)
        }
        seconds = (clock.now - start) / .seconds(1)
    }
}

extension PipelineError {
    /// The error of a network of artifact `artifact` whose outputs are NaN or infinite.
    init(notFinite artifact: ArtifactID) {
        self.init(
            .invalidArtifact, "artifact \(artifact): the network's outputs are not finite",
            remedy:
                "its training diverged, or its weights are not those of a trained network: use another one"
        )
    }
}
