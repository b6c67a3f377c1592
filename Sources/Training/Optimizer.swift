// SGD with Nesterov momentum over the array that holds all parameters.

import Networks
import Tensors

/// The optimizer's settings and its momentum.
public final class Optimizer {
    /// The momentum factor; 0.9 as published.
    public let momentum: Float
    /// The weight decay of the roles in `decayed`; 3e-5 as published.
    public let weightDecay: Float
    /// The parameter roles with weight decay. By default the matrices that transform large kernels
    /// into smaller ones are excluded: decay would pull these matrices from the identity towards
    /// zero, and so shrink every smaller kernel.
    public let decayed: Set<ParameterLayout.Role>
    /// The momentum buffer, laid out like the parameters.
    public let speed: Storage

    /// Starts with a momentum of 0, in the memory of the network's engine.
    public init(
        _ network: Network, momentum: Float = 0.9, weightDecay: Float = 3e-5,
        decayed: Set<ParameterLayout.Role> = [.weight]
    ) {
        self.momentum = momentum
        self.weightDecay = weightDecay
        self.decayed = decayed
        speed = network.engine.storage(network.weights.parameters.count)
    }

    /// Applies one step with the network's gradients and sets these gradients to 0. As in the
    /// published implementation, a parameter is updated only after a subnet has used it for the
    /// first time; from then on momentum and decay apply in every step.
    public func step(_ network: Network, learningRate: Float) {
        for (role, range) in network.touchedRanges {
            network.engine.sgd(
                network.weights.parameters, momentum: speed, gradients: network.gradients,
                range: range, rate: learningRate, momentum: momentum,
                decay: decayed.contains(role) ? weightDecay : 0)
        }
    }
}
