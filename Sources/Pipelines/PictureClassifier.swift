// Runs a stored network on single pictures.

import Artifacts
import Datasets
import Foundation
import Networks
import Tensors

/// Classifies pictures with one network, on as many threads as the network's device has.
public final class PictureClassifier {
    /// The answer for one picture.
    public struct Result {
        /// All classes, the most probable first: the number in the order of the network's outputs, and the name; a
        /// class without a name is called by its number.
        public let classes: [(number: Int, name: ByteName, probability: Double)]
        /// The time of the network's pass, in milliseconds.
        public let milliseconds: Double
    }

    private let network: CompiledNetwork
    private let shape: NetworkShape
    private let names: [ByteName]
    private let artifact: ArtifactID
    private let pictures: SinglePicture

    /// Prepares to run `stored`.
    public init(_ stored: StoredNetwork) throws {
        shape = stored.shape
        network = CompiledNetwork(
            stored.weights, shape, images: 1,
            engine: try CPUEngine(threads: stored.figures.target?.threads ?? 1))
        let known = stored.classNames
        names = (0..<shape.classes).map { $0 < known.count ? known[$0] : ByteName("\($0)") }
        artifact = stored.artifact.id
        pictures = SinglePicture(
            normalization: stored.input.normalization, fixedSize: stored.input.fixedSize)
        // The first pass is slower than later ones, which should not count as the first picture's time.
        _ = network.forward(
            Network.input(
                shape, images: 1,
                storage: Storage(count: shape.resolution * shape.resolution * shape.inputChannels)))
    }

    /// Classifies the picture in `bytes`, the content of a JPEG or PNG file. Errors: the reason why the picture is
    /// refused; `invalidArtifact` if an output of the network is not finite.
    public func classify(_ bytes: [UInt8]) throws -> Result {
        let input = try pictures.input(bytes, size: shape.resolution)
        let clock = ContinuousClock(), start = clock.now
        let logits = network.forward(input).values
        let time = (clock.now - start) / .milliseconds(1)
        guard logits.allSatisfy(\.isFinite) else { throw PipelineError(notFinite: artifact) }
        let largest = Double(logits.max() ?? 0)
        let exponentials = logits.map { exp(Double($0) - largest) }
        let sum = exponentials.reduce(0, +)
        let order = logits.indices.sorted { (logits[$1], $0) < (logits[$0], $1) }
        return Result(
            classes: order.map { ($0, names[$0], exponentials[$0] / sum) }, milliseconds: time)
    }
}
