// A tiny data set on disk and what trains on it.
import Datasets
import Foundation
import Networks
import Tensors
import TestSupport
import Training

/// Forty images of five classes in a shard of their own; the last `heldOut` are not for training.
final class TrainingFixture {
    let space = SearchSpace.tiny()
    let shard: ImageShard
    let training: [Int]
    let heldOut: [Int]
    private let path: String

    /// `poison` may change the bytes before they are written.
    init(
        count: Int = 48, heldOut: Int = 8,
        poison: (_ images: inout [UInt8], _ labels: inout [UInt8]) -> Void = { _, _ in }
    ) throws {
        let made = TinyImages(count: count, size: 10, classes: 5, seed: 6)
        var (images, labels) = (made.images, made.labels)
        poison(&images, &labels)
        path =
            FileManager.default.temporaryDirectory.appending(
                path: "training-\(UUID().uuidString).shard"
            ).path
        try ImageShard.write(
            path, images: images, labels: labels,
            layout: .init(count: count, height: 10, width: 10, channels: 1, classes: 5))
        shard = try ImageShard(path)
        training = Array(0..<count - heldOut)
        self.heldOut = Array(count - heldOut..<count)
    }

    deinit { unlink(path) }

    var data: TrainingData {
        TrainingData(
            BatchLoader(shard, normalization: PixelNormalization(shard, images: training)),
            images: training)
    }

    func network(threads: Int = 2, seed: UInt64 = 1) throws -> Network {
        try Network(
            supernet: try Weights(supernetOf: space, seed: seed), of: space,
            engine: try CPUEngine(threads: threads))
    }

    /// A phase that opens everything.
    func phase(epochs: Double = 4, rate: Double = 0.05) -> TrainingPhase {
        TrainingPhase(
            name: "expand", kernelSizes: [3, 5, 7], expandRatios: [2, 3, 4], depths: [1, 2],
            resolutions: [8, 10],
            subnets: 2, epochs: epochs, warmupEpochs: 0.2, batch: 8, learningRate: rate,
            dropout: 0.1,
            augmentation: Augmentation(minArea: 0.8, flip: false, shift: 1))
    }

    func trainer(
        _ phase: TrainingPhase, network: Network? = nil, teacher: Network? = nil, seed: UInt64 = 2
    ) throws -> Trainer {
        try Trainer(
            network ?? self.network(), of: space, phase: phase, teacher: teacher, data: data,
            seed: seed)
    }
}
