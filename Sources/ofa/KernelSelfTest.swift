// Runs networks on every instruction set that this processor supports and compares the logits with
// the scalar kernels.

import Networks
import Tensors

/// A quick check that the vector kernels agree with the scalar kernels.
struct KernelSelfTest {
    /// The deviation of one instruction set from the scalar kernels.
    struct Result {
        /// The instruction set.
        let instructionSet: String
        /// The largest difference of logits, relative to the largest logit.
        let deviation: Double
    }

    /// The largest deviation that rounding explains. Vector kernels add in another order and use fused operations; over
    /// about 30 layers with sums of up to 1,000 products, this causes a relative difference of some
    /// 30 · √1000 · 2⁻²⁴ ≈ 6e-5. Batch norms over few values may amplify this difference tenfold. A wrong kernel causes
    /// a deviation of about 1.
    static let tolerance = 1e-3

    private static let images = 4

    /// Returns a result for every instruction set of this processor except scalar.
    func run() throws -> [Result] {
        let space = SearchSpace.fashion
        let expected = try logits(space, InstructionSet.named("scalar"))
        let largest = expected.map(abs).max() ?? 1
        return try InstructionSet.available.filter { $0.description != "scalar" }.map { set in
            let found = try logits(space, set)
            // A NaN logit must count as wrong.
            let deviation = zip(found, expected).map { $0 == $1 ? 0 : abs($0 - $1) / largest }
            let worst = deviation.contains(where: \.isNaN) ? Float.infinity : deviation.max() ?? 0
            return Result(instructionSet: set.description, deviation: Double(worst))
        }
    }

    /// Returns the logits of the largest and the smallest network, computed with batch statistics in the supernet, and
    /// with those statistics as running statistics in compiled networks.
    private func logits(_ space: SearchSpace, _ set: InstructionSet) throws -> [Float] {
        let engine = try CPUEngine(threads: 1, instructionSet: set)
        let network = try Network(
            supernet: try Weights(supernetOf: space, seed: 1), of: space, engine: engine)
        return try [space.largest, space.smallest].flatMap { config in
            let shape = try NetworkShape(space, config)
            var stream = RandomStream(seed: 1)
            let storage = Storage(
                count: Self.images * shape.resolution * shape.resolution * space.inputChannels)
            storage.all.fill(from: (0..<storage.count).map { _ in stream.normal() })
            let input = Network.input(shape, images: Self.images, storage: storage)
            let inPlace = network.forward(input, shape, mode: .batch).values
            let (_, statistics) = network.withOwnStatistics {
                network.forward(input, shape, mode: .calibrate(share: 1))
            }
            let compiled = CompiledNetwork(
                network.weights, shape, statistics: statistics, images: Self.images, engine: engine)
            return inPlace + compiled.forward(input).values
        }
    }
}
