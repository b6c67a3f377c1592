// The split of a data set that has a validation part of its own.
import Tensors

extension Split {
    /// Splits `trainCount` images, of which the last `validation` images are the validation part of the data set. The
    /// split holds out `heldOut` random images of this part and does not use the others. All images before this part
    /// are training images. Both lists are shuffled.
    ///
    /// Errors: `wrongDimensions` if no image would be left to train on, or if the validation part has fewer than
    /// `heldOut` images.
    public init(trainCount: Int, validation: Int, heldOut: Int, seed: UInt64) throws {
        guard validation >= 0, validation < trainCount, (0...validation).contains(heldOut) else {
            throw DatasetError(
                .wrongDimensions,
                "\(heldOut) of \(validation) validation images of \(trainCount) cannot be held out",
                remedy: "hold out fewer")
        }
        var generator = RandomStream(seed: seed)
        var order = Array(0..<trainCount - validation)
        generator.shuffle(&order)
        training = order
        order = Array(trainCount - validation..<trainCount)
        generator.shuffle(&order)
        self.heldOut = Array(order.prefix(heldOut))
    }
}
