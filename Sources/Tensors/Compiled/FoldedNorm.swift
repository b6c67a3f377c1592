// A batch norm with running statistics, as one factor and one offset per channel.

import Foundation

/// The factors and offsets of a batch norm that uses its running statistics: norm(y) = y * scale + shift.
public struct FoldedNorm {
    /// gamma / standard deviation, one value per channel.
    public let scale: Tensor
    /// beta - mean * scale, one value per channel.
    public let shift: Tensor

    /// Folds the first `channels` channels of `parameters`. Computes in double, as `CPUEngine.normalise` does.
    public init(_ parameters: NormParameters, channels: Int, epsilon: Double) {
        let values = Storage(count: 2 * channels).all
        (scale, shift) = (values.slice(0, channels), values.slice(channels, channels))
        for c in 0..<channels {
            let deviation = (Double(parameters.runningVariance.pointer[c]) + epsilon).squareRoot()
            let factor = Double(parameters.gamma.pointer[c]) * (1 / deviation)
            scale.pointer[c] = Float(factor)
            shift.pointer[c] = Float(
                Double(parameters.beta.pointer[c]) - Double(parameters.runningMean.pointer[c])
                    * factor)
        }
    }
}
