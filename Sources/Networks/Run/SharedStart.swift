// The first layers of a network may be the same in all networks of a space. Such layers run forward once for all
// subnets of a training step, because every subnet has the same input and weights there. The gradients of the subnets
// at the output of these layers are added, and the sum goes through these layers in one backward pass.

import Foundation
import Tensors

extension Network {
    /// The position of a subnet among the subnets that a training step runs over the same images, one after the other.
    public struct Turn: Sendable {
        /// The number of the subnet, from 0.
        public let number: Int
        /// How many subnets there are.
        public let count: Int

        /// Makes turn `number` of `count`.
        public init(_ number: Int = 0, of count: Int = 1) {
            precondition((0..<count).contains(number), "turn \(number) of \(count)")
            self.number = number
            self.count = count
        }

        /// Whether this subnet is the last of the step, so that the sum of gradients is complete after it.
        var isLast: Bool { number == count - 1 }
    }
}

/// The shared layers' output, which the first subnet of a step computes for all subnets.
struct SharedStart {
    /// How many layers are shared.
    let layers: Int
    /// The output of the last shared layer.
    let output: LayerInput
    /// The sum of the subnets' gradients at that output, in float32.
    let gradient: FeatureMap
    /// The end of the shared layers' memory in the workspace.
    let mark: Workspace.Mark

    /// Keeps `output`, the output of the first `layers` layers, and takes memory in `workspace` for the gradient of
    /// `output`.
    init(_ layers: Int, _ output: LayerInput, _ workspace: Workspace) {
        self.layers = layers
        self.output = output
        gradient = workspace.map(
            images: output.raw.images, height: output.raw.height, width: output.raw.width,
            channels: output.raw.channels)
        mark = workspace.mark
    }

    /// Adds the gradient of one subnet. For the last subnet, finishes the gradient of the output's norm and returns the
    /// sum; else returns nil.
    func add(_ upstream: Upstream, _ turn: Network.Turn, _ engine: any Engine) -> Upstream? {
        guard let d = upstream.d else { preconditionFailure("a shared layer needs a gradient") }
        if d.format != .float32 {
            engine.affine(
                d, map: .identity, residual: turn.number == 0 ? nil : gradient, output: gradient)
        } else if turn.number == 0 {
            engine.copy(d.tensor, to: gradient.tensor)
        } else {
            engine.add(d.tensor, to: gradient.tensor)
        }
        guard turn.isLast else { return nil }
        let whole = Upstream(gradient, y: upstream.y, map: upstream.map)
        if let norm = output.norm {
            output.finishGradient(engine.gradientSums(whole, center: norm.state.mean))
        }
        return whole
    }
}

extension NormMode {
    /// Returns the mode in which one update of the running statistics equals `count` updates with the same batch.
    func repeated(_ count: Int) -> NormMode {
        guard case .train(let momentum) = self else { return self }
        return .train(momentum: Float(1 - pow(1 - Double(momentum), Double(count))))
    }
}

extension SearchSpace {
    /// How many layers, from the image on, are the same in all of the space's networks for one image size. The mean
    /// pooling and the layers after it are not counted.
    public var constantLayers: Int {
        get throws {
            let most = try NetworkShape(self, largest).placed
            var least = smallest
            least.resolution = largest.resolution
            return zip(most, try NetworkShape(self, least).placed).prefix { large, small in
                !large.layer.outline.isPooled && large == small
            }.count
        }
    }
}
