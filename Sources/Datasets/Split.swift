// The split of the training images into images to train on and held-out images to measure accuracy.
// Test images are not part of the split: they are used once, for the final measurement.
import Tensors

/// A seeded partition of a training shard's images.
public struct Split: Sendable, Equatable {
    /// Images to train and calibrate on, in shuffled order.
    public let training: [Int]
    /// Held-out images for measuring accuracy, in shuffled order.
    public let heldOut: [Int]

    /// Draws `heldOut` of `trainCount` images without replacement; the same seed gives the same
    /// split.
    ///
    /// Errors: `wrongDimensions` if no image would be left to train on or `heldOut` is negative.
    public init(trainCount: Int, heldOut: Int = 5000, seed: UInt64) throws {
        guard heldOut >= 0, heldOut < trainCount else {
            throw DatasetError(
                .wrongDimensions,
                "\(heldOut) of \(trainCount) training images cannot be held out",
                remedy: "hold out fewer")
        }
        var order = Array(0..<trainCount)
        var generator = RandomStream(seed: seed)
        generator.shuffle(&order)
        self.heldOut = Array(order[..<heldOut])
        training = Array(order[heldOut...])
    }
}
