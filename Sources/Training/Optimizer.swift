// SGD with Nesterov momentum over the parameter arena, one pass a role.

import Networks
import Tensors

/// The optimizer's settings and its momentum.
public final class Optimizer {
    /// Multiplies the previous step's direction; the published value is 0.9.
    public let momentum: Float
    /// Pulls the roles in `decayed` towards zero; the published value is 3e-5.
    public let weightDecay: Float
    /// The roles that decay. Transform matrices are left out by default: decay would pull them from the identity
    /// to zero and with it every smaller kernel.
    public let decayed: Set<ParameterLayout.Role>
    /// One value a parameter, laid out as the parameters.
    public let speed: Storage

    /// Starts with no momentum.
    public init(
        _ weights: Weights, momentum: Float = 0.9, weightDecay: Float = 3e-5,
        decayed: Set<ParameterLayout.Role> = [.weight]
    ) {
        self.momentum = momentum
        self.weightDecay = weightDecay
        self.decayed = decayed
        speed = Storage(count: weights.parameters.count)
    }

    /// Moves the parameters along the gradients, which are set to zero.
    ///
    /// As in the reference, a parameter rests until some subnet first uses it; from then on momentum and decay move
    /// it in every step, used or not.
    public func step(_ network: Network, learningRate: Float) {
        for (role, range) in network.touchedRanges {
            network.backend.sgd(
                network.weights.parameters, momentum: speed, gradients: network.gradients,
                range: range, rate: learningRate, momentum: momentum,
                decay: decayed.contains(role) ? weightDecay : 0)
        }
    }
}
