// The split of a data set that states itself which pictures are held out.
import Tensors

extension Split {
    /// Holds out `heldOut` of the last `validation` images, which the data set states as its
    /// validation part; the others of these are not used. Both lists are in shuffled order.
    ///
    /// Errors: `wrongDimensions` if no image would be left to train on, or more are to be held out
    /// than the part has.
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
