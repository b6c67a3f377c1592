// Which training images are trained on and which are held out to measure accuracy. The test file
// has no part in this: it is measured once, at the end.
import Tensors

/// A seeded partition of a training shard's images.
public struct Split: Sendable, Equatable {
    /// Images to train and calibrate on, in shuffled order.
    public let training: [Int]
    /// Images to measure accuracy on while searching, in shuffled order.
    public let heldOut: [Int]

    /// Draws `heldOut` of `trainCount` images without replacement; the same seed gives the same
    /// split.
    ///
    /// Errors: `wrongDimensions` when nothing would be left to train on.
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
