// The images on which a run trains and calibrates; the run's held-out and test images must not be
// among them.

import Datasets
import Foundation
import Tensors

/// The training images of a source and their order.
public final class TrainingData {
    /// Reads and normalises the images.
    public let loader: BatchLoader
    /// The indices of the training images in the source.
    public let images: [Int]
    /// How many threads decode pictures while a step runs; nil for as many as the engine has.
    public let decoders: Int?
    private var order: [Int] = []
    private var orderOf: (seed: UInt64, epoch: Int)?

    /// Takes the training images: the images at the indices `images` of the loader's source.
    public init(_ loader: BatchLoader, images: [Int], decoders: Int? = nil) {
        self.loader = loader
        self.images = images
        self.decoders = decoders
    }

    /// Returns the images of one epoch, shuffled by seed and epoch, so that a resumed run has the
    /// same order.
    func order(seed: UInt64, epoch: Int) -> [Int] {
        if let orderOf, orderOf == (seed, epoch) { return order }
        // The new order is built in the memory of the previous epoch's order.
        order.removeAll(keepingCapacity: true)
        order.append(contentsOf: images)
        orderOf = (seed, epoch)
        var stream = RandomStream(seed: seed, epoch, 0, Draw.order.rawValue)
        stream.shuffle(&order)
        return order
    }
}

/// What a random stream is used for. The raw value is the low byte of the third number of `RandomStream.init`.
enum Draw: Int {
    case order = 1, crops, subnet, resolution, dropout, calibration
}
