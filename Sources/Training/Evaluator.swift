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

        /// The combined result of measurements on different images.
        public init(together parts: [Result]) {
            let images = parts.reduce(0) { $0 + $1.images }, count = Double(max(images, 1))
            let correct = parts.reduce(0) { $0 + ($1.top1 * Double($1.images)).rounded() }
            self.init(
                top1: correct / count,
                loss: parts.reduce(0) { $0 + $1.loss * Double($1.images) } / count, images: images)
        }
    }

    /// The state of one thread: a single-threaded engine and a network on shared weights. Images
    /// are independent, so threads run without synchronisation until the last batch.
    private final class Lane {
        let network: Network
        private var loader: BatchLoader?
        /// The results by batch.
        var found: [(batch: Int, loss: Double, correct: Int)] = []

        init(_ network: Network) { self.network = network }

        /// A loader of the same shard with its own buffers.
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

    /// Measures subnets of `network` on as many threads as it runs on, `batch` images at a time on each, and calibrates
    /// them with `calibrationBatch` images at a time on all.
    public init(_ network: Network, batch: Int = 25, calibrationBatch: Int = 200) {
        self.network = network
        self.batch = batch
        self.calibrationBatch = calibrationBatch
        lanes = network.backend.singles.map { Lane(network.sharing(on: $0)) }
    }

    /// Running statistics for one subnet: the mean of per-batch means and biased variances, weighted by the batches'
    /// images, over `count` training images with this augmentation and draws fixed by `seed` (Cai et al., ICLR 2020:
    /// 2,000 images).
    public func calibrate(
        _ shape: NetworkShape, data: TrainingData, count: Int = 2000,
        augmentation: Augmentation = .none, seed: UInt64
    ) -> Storage {
        let chosen = data.order(seed: seed, epoch: 0).prefix(count)
        let batches = stride(from: 0, to: chosen.count, by: calibrationBatch)
        let streams = ImageStreams(seed: seed, purpose: Draw.calibration.rawValue)
        let (_, statistics) = network.withOwnStatistics {
            for start in batches {
                let end = min(start + calibrationBatch, chosen.count)
                let (images, _) = data.loader.batch(
                    chosen[start..<end],
                    size: shape.resolution,
                    augmentation: augmentation,
                    streams: augmentation == .none ? nil : streams.from(start),
                    backend: network.backend)
                let share = Double(end - start) / Double(end)
                _ = network.forward(images, shape, mode: .calibrate(share: share))
            }
        }
        return statistics
    }

    /// Measures one subnet with the given statistics on `images` of the loader's shard. The result
    /// does not depend on the number of threads.
    public func measure(
        _ shape: NetworkShape, statistics: Storage, loader: BatchLoader, images: [Int]
    ) -> Result {
        let batches = (images.count + batch - 1) / batch, next = Atomic<Int>(0)
        network.backend.onEachThread { thread in
            let lane = self.lanes[thread], loader = lane.loader(as: loader)
            lane.found.removeAll(keepingCapacity: true)
            lane.network.withStatistics(statistics) {
                while true {
                    let index = next.add(1, ordering: .relaxed).oldValue
                    if index >= batches { break }
                    let slice = images[index * batch..<min((index + 1) * batch, images.count)]
                    let (inputs, labels) = loader.batch(
                        slice, size: shape.resolution, backend: lane.network.backend)
                    let logits = lane.network.forward(inputs, shape, mode: .running)
                    let answer = lane.network.backend.crossEntropy(
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
