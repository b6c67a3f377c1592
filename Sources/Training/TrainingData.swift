// The images one run trains and calibrates on. Held-out and test images never come in here.

import Datasets
import Foundation
import Tensors

/// Training images of a shard, and the order they are visited in.
public final class TrainingData {
    /// Reads and normalises them.
    public let loader: BatchLoader
    /// Their numbers in the shard.
    public let images: [Int]
    private var order: [Int] = []
    private var orderOf: (seed: UInt64, epoch: Int)?

    /// Trains on `images` of the loader's shard.
    public init(_ loader: BatchLoader, images: [Int]) {
        self.loader = loader
        self.images = images
    }

    /// The images of one epoch, shuffled by seed and epoch: a resumed run sees the same order.
    func order(seed: UInt64, epoch: Int) -> [Int] {
        if let orderOf, orderOf == (seed, epoch) { return order }
        // In the memory of the epoch before, which nobody reads any more.
        order.removeAll(keepingCapacity: true)
        order.append(contentsOf: images)
        orderOf = (seed, epoch)
        var stream = RandomStream(seed: seed, epoch, 0, Draw.order.rawValue)
        stream.shuffle(&order)
        return order
    }
}

/// What random numbers are drawn for: the last word of a stream's counter.
enum Draw: Int {
    case order = 1, crops, subnet, resolution, dropout, calibration
}
