// Evaluates a subnet: calibrates its batch-norm statistics, then measures it on held-out images.

import Datasets
import Foundation
import Networks
import Synchronization
import Tensors

/// Calibrates and measures subnets of a supernet.
public final class Evaluator {
    /// The result of a measurement.
    public struct Result: Codable, Sendable, Equatable {
        /// Top-1 accuracy in 0…1.
        public let top1: Double
        /// Mean cross entropy.
        public let loss: Double
        /// Number of images.
        public let images: Int

        init(top1: Double, loss: Double, images: Int) {
            self.top1 = top1
            self.loss = loss
            self.images = images
        }

        /// Combines the results of measurements on different images.
        public init(together parts: [Result]) {
            let images = parts.reduce(0) { $0 + $1.images }, count = Double(max(images, 1))
            let correct = parts.reduce(0) { $0 + ($1.top1 * Double($1.images)).rounded() }
            self.init(
                top1: correct / count,
                loss: parts.reduce(0) { $0 + $1.loss * Double($1.images) } / count, images: images)
        }
    }

    /// The state of one thread: a network with shared weights on its own single-threaded engine.
    /// Images are independent, so threads share only the number of the next batch.
    private final class Lane {
        let network: Network
        private var loader: BatchLoader?
        /// The results by batch.
        var found: [(batch: Int, loss: Double, correct: Int)] = []

        init(_ network: Network) { self.network = network }

        /// Returns a loader of the same shard as `other`, with its own buffers.
        func loader(as other: BatchLoader) -> BatchLoader {
            if let loader, loader.shard === other.shard, loader.normalization == other.normalization
            {
                return loader
            }
            let own = BatchLoader(other.shard, normalization: other.normalization)
            loader = own
            return own
        }
    }

    private let network: Network
    private let batch, calibrationBatch: Int
    private let lanes: [Lane]

    /// Prepares to measure and calibrate subnets of `network`. `measure` runs batches of `batch` images, one on each
    /// lane of the network's engine; `calibrate` runs batches of `calibrationBatch` images, which the engine's threads
    /// share.
    public init(_ network: Network, batch: Int = 25, calibrationBatch: Int = 200) {
        self.network = network
        self.batch = batch
        self.calibrationBatch = calibrationBatch
        lanes = network.engine.lanes.map { Lane(network.sharing(on: $0)) }
    }

    /// Returns running statistics for one subnet: the means and biased variances of batches, averaged with the number
    /// of their images as weight. The batches have up to `count` training images, drawn and augmented by streams of
    /// `seed` (Cai et al., ICLR 2020: 2,000 images).
    public func calibrate(
        _ shape: NetworkShape, data: TrainingData, count: Int = 2000,
        augmentation: Augmentation = .none, seed: UInt64
    ) -> Storage {
        let chosen = data.order(seed: seed, epoch: 0).prefix(count)
        let batches = stride(from: 0, to: chosen.count, by: calibrationBatch)
        let streams = ImageStreams(seed: seed, purpose: Draw.calibration.rawValue)
        network.reserve([shape], images: min(calibrationBatch, chosen.count), training: false)
        let (_, statistics) = network.withOwnStatistics {
            for start in batches {
                let end = min(start + calibrationBatch, chosen.count)
                let (images, _) = data.loader.batch(
                    chosen[start..<end],
                    size: shape.resolution,
                    augmentation: augmentation,
                    streams: augmentation == .none ? nil : streams.from(start),
                    engine: network.engine)
                let share = Double(end - start) / Double(end)
                _ = network.forward(images, shape, mode: .calibrate(share: share))
            }
        }
        return statistics
    }

    /// Measures one subnet with the running statistics `statistics` on `images` of the loader's
    /// shard. The result does not depend on the number of threads.
    public func measure(
        _ shape: NetworkShape, statistics: Storage, loader: BatchLoader, images: [Int]
    ) -> Result {
        let batches = (images.count + batch - 1) / batch, next = Atomic<Int>(0)
        network.engine.onEachLane { thread in
            let lane = self.lanes[thread], loader = lane.loader(as: loader)
            lane.found.removeAll(keepingCapacity: true)
            lane.network.reserve([shape], images: min(batch, images.count), training: false)
            lane.network.withStatistics(statistics) {
                while true {
                    let index = next.add(1, ordering: .relaxed).oldValue
                    if index >= batches { break }
                    let slice = images[index * batch..<min((index + 1) * batch, images.count)]
                    let (inputs, labels) = loader.batch(
                        slice, size: shape.resolution, engine: lane.network.engine)
                    let logits = lane.network.forward(inputs, shape, mode: .running)
                    let answer = lane.network.engine.crossEntropy(
                        logits, classes: shape.classes, labels: labels, soft: nil, smoothing: 0,
                        gradient: nil)
                    lane.found.append((index, answer.hard * Double(slice.count), answer.correct))
                }
            }
        }
        let found = lanes.flatMap(\.found).sorted { $0.batch < $1.batch }
        let count = Double(max(images.count, 1))
        return Result(
            top1: Double(found.reduce(0) { $0 + $1.correct }) / count,
            loss: found.reduce(0) { $0 + $1.loss } / count, images: images.count)
    }
}
