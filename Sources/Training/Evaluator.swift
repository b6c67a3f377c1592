// How good one subnet is: batch-norm statistics of its own first, then its answers on images it has never seen.

import Datasets
import Foundation
import Networks
import Tensors

/// Calibrates and measures subnets of a supernet.
public final class Evaluator {
    /// What a measurement found.
    public struct Result: Codable, Sendable, Equatable {
        /// Share of images whose first answer was right, in 0…1.
        public let top1: Double
        /// Mean cross entropy.
        public let loss: Double
        /// How many images were looked at.
        public let images: Int
    }

    private let network: Network
    private let batch: Int

    /// Measures subnets of `network`, `batch` images at a time.
    public init(_ network: Network, batch: Int = 200) {
        self.network = network
        self.batch = batch
    }

    /// Running statistics for one subnet: the mean of per-batch means and biased variances over `count` training
    /// images in training augmentation, with draws fixed by `seed` (Cai et al., ICLR 2020: 2,000 images).
    public func calibrate(
        _ shape: NetworkShape, data: TrainingData, count: Int = 2000,
        augmentation: Augmentation = .none, seed: UInt64
    ) -> Storage {
        let chosen = data.order(seed: seed, epoch: 0).prefix(count)
        let batches = stride(from: 0, to: chosen.count, by: batch).enumerated()
        let (_, statistics) = network.withOwnStatistics {
            for (index, start) in batches {
                let (images, _) = data.loader.batch(
                    chosen[start..<min(start + batch, chosen.count)], size: shape.resolution,
                    augmentation: augmentation,
                    stream: augmentation == .none
                        ? nil : RandomStream(seed: seed, index, 0, Draw.calibration.rawValue),
                    backend: network.backend)
                _ = network.forward(images, shape, mode: .calibrate(index: index))
            }
        }
        return statistics
    }

    /// Measures one subnet with the given statistics on `images` of the loader's shard.
    public func measure(
        _ shape: NetworkShape, statistics: Storage, loader: BatchLoader, images: [Int]
    ) -> Result {
        var correct = 0, loss = 0.0
        network.withStatistics(statistics) {
            for start in stride(from: 0, to: images.count, by: batch) {
                let slice = images[start..<min(start + batch, images.count)]
                let (inputs, labels) = loader.batch(
                    slice, size: shape.resolution, backend: network.backend)
                let logits = network.forward(inputs, shape, mode: .running)
                let answer = network.backend.crossEntropy(
                    logits, classes: shape.classes, labels: labels, soft: nil, smoothing: 0,
                    gradient: nil)
                correct += answer.correct
                loss += answer.hard * Double(slice.count)
            }
        }
        let count = Double(max(images.count, 1))
        return Result(top1: Double(correct) / count, loss: loss / count, images: images.count)
    }
}
