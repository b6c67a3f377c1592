// The images on which a run trains and calibrates; the run's held-out and test images must not be
// among them.

import Datasets
import Foundation
import Tensors

/// The training images of a shard and their order.
public final class TrainingData {
    /// Reads and normalises the images.
    public let loader: BatchLoader
    /// The indices of the training images in the shard.
    public let images: [Int]
    private var order: [Int] = []
    private var orderOf: (seed: UInt64, epoch: Int)?

    /// Trains on `images` of the loader's shard.
    public init(_ loader: BatchLoader, images: [Int]) {
        self.loader = loader
        self.images = images
    }

    /// Returns the images of one epoch, shuffled by seed and epoch, so that a resumed run has the
    /// same order.
    func order(seed: UInt64, epoch: Int) -> [Int] {
        if let orderOf, orderOf == (seed, epoch) { return order }
        // Reuses the memory of the previous epoch.
        order.removeAll(keepingCapacity: true)
        order.append(contentsOf: images)
        orderOf = (seed, epoch)
        var stream = RandomStream(seed: seed, epoch, 0, Draw.order.rawValue)
        stream.shuffle(&order)
        return order
    }
}

/// The purposes of random streams: the last word of a stream's counter.
enum Draw: Int {
    case order = 1, crops, subnet, resolution, dropout, calibration
}
