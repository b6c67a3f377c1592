// Runs a stored network on single pictures.

import Datasets
import Foundation
import Networks
import Tensors

/// Classifies pictures with one network, on one thread.
public final class PictureClassifier {
    /// The answer for one picture.
    public struct Result {
        /// All classes, the most probable first; a class without a name is its number.
        public let classes: [(name: String, probability: Double)]
        /// The time of the network's pass, in milliseconds.
        public let milliseconds: Double
    }

    private let network: Network
    private let shape: NetworkShape
    private let names: [String]
    private let pictures: SinglePicture

    /// Prepares to run `stored`.
    public init(_ stored: StoredNetwork) throws {
        shape = stored.shape
        network = Network(stored.weights, widest: shape, engine: try CPUEngine(threads: 1))
        let known = stored.classNames
        names = (0..<shape.classes).map { $0 < known.count ? known[$0].description : "\($0)" }
        pictures = SinglePicture(
            normalization: stored.input.normalization, fixedSize: stored.input.fixedSize)
        // The first pass allocates memory, which should not count as the first picture's time.
        _ = logits(
            Network.input(
                shape, images: 1,
                storage: HostMemory.shared.storage(
                    shape.resolution * shape.resolution * shape.inputChannels)))
    }

    /// Classifies the picture in `bytes`, those of a JPEG or PNG file. Errors: why the picture is refused.
    public func classify(_ bytes: [UInt8]) throws -> Result {
        let input = try pictures.input(bytes, size: shape.resolution)
        let clock = ContinuousClock(), start = clock.now
        let logits = logits(input)
        let time = (clock.now - start) / .milliseconds(1)
        let largest = Double(logits.max() ?? 0)
        let exponentials = logits.map { exp(Double($0) - largest) }
        let sum = exponentials.reduce(0, +)
        let order = logits.indices.sorted { (logits[$1], $0) < (logits[$0], $1) }
        return Result(
            classes: order.map { (names[$0], exponentials[$0] / sum) }, milliseconds: time)
    }

    private func logits(_ input: FeatureMap) -> [Float] {
        network.engine.download(
            network.forward(network.engine.receive(input), shape, mode: .running))
    }
}
