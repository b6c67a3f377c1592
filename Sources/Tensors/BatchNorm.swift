// Batch norm in two parts. The operator that writes a feature map also computes sums per channel. These sums determine
// a scale and a shift per channel, which the next operators apply while they read the feature map. So normalising needs
// no separate pass over memory.

import Foundation

/// The per-channel numbers of one batch norm: scale, shift, mean, inverse deviation, and the coefficients of the norm's
/// gradient. The arrays are long enough for the widest subnet.
public final class NormState {
    private let storage: Storage
    private let width: Int

    /// Allocates the numbers of `width` channels in the memory of `engine`.
    public init(width: Int, on engine: any Engine) {
        self.width = width
        storage = engine.storage(7 * width)
    }

    private func part(_ index: Int) -> Tensor {
        Tensor(storage: storage, offset: index * width, count: width)
    }

    /// gamma / standard deviation: the norm computes y * scale + shift.
    public var scale: Tensor { part(0) }
    /// beta - mean * scale.
    public var shift: Tensor { part(1) }
    /// The mean that was subtracted.
    public var mean: Tensor { part(2) }
    /// 1 / sqrt(variance + epsilon).
    public var inverseDeviation: Tensor { part(3) }
    /// The function that turns the gradient at the norm's output into the gradient at its input; valid after
    /// `CPUEngine.normGradient`.
    public var gradient: NormGradient { NormGradient(a: part(4), b: part(5), c: part(6)) }

    /// Returns the map that normalises and then applies `activation`.
    public func map(_ activation: Activation) -> ChannelMap {
        ChannelMap(scale: scale, shift: shift, activation: activation)
    }
}

/// The learned parameters and running statistics of a batch norm: the first channels of the
/// supernet's arrays.
public struct NormParameters {
    /// One value per channel each.
    public let gamma, beta, runningMean, runningVariance: Tensor

    /// Takes the arrays, which may have more channels than the norm uses.
    public init(gamma: Tensor, beta: Tensor, runningMean: Tensor, runningVariance: Tensor) {
        self.gamma = gamma
        self.beta = beta
        self.runningMean = runningMean
        self.runningVariance = runningVariance
    }
}

/// Which statistics a batch norm uses, and how it updates the running statistics.
public enum NormMode: Equatable, Sendable {
    /// Normalises by batch statistics. Each running statistic r becomes r + `momentum` * (b - r), where b is the
    /// batch's mean or unbiased variance, as in PyTorch.
    case train(momentum: Float)
    /// Normalises by batch statistics; the running statistics are not changed.
    case batch
    /// Normalises by batch statistics. The running statistics become weighted averages of the means and of the biased
    /// variances of all batches so far. The weight of a batch is its number of images, as in the published
    /// recalibration. `share` is this batch's number of images divided by that of all batches so far: 1 for the first
    /// batch.
    case calibrate(share: Double)
    /// Normalises by the running statistics.
    case running

    /// Whether the batch's own statistics are needed.
    public var usesBatch: Bool { self != .running }
}

extension CPUEngine {
    /// Writes scale, shift, mean and inverse deviation of a norm to `state`, and updates the running statistics as
    /// `mode` says. `sums` are the sums of x - r and (x - r)², where x is the norm's input and r is
    /// `parameters.runningMean`. In mode `running`, the results follow from the running statistics, and `sums` may be
    /// nil.
    ///
    /// Mean and variance are computed in double: var = Q/n - (S/n)², where S and Q are the two sums and n is `rows`.
    /// The subtraction loses few digits because r is near the mean.
    public func normalise(
        _ state: NormState, _ parameters: NormParameters, sums: ChannelSums?, channels: Int,
        rows: Int, mode: NormMode, epsilon: Double
    ) {
        precondition(
            sums != nil || !mode.usesBatch, "normalise needs sums for the batch's statistics")
        let total = mode.usesBatch ? sums.map { values($0) } : nil
        timed("normalise", floats: 0) {
            let n = Double(rows)
            for c in 0..<channels {
                var mean = Double(parameters.runningMean.pointer[c])
                var variance = Double(parameters.runningVariance.pointer[c])
                if let total {
                    let offset = total[c] / n
                    let center = mean
                    variance = max(total[channels + c] / n - offset * offset, 0)
                    // Propagate a NaN among the inputs: max(NaN, 0) would hide it.
                    if total[channels + c].isNaN || offset.isNaN { variance = .nan }
                    mean = center + offset
                    update(parameters, c, mean: mean, variance: variance, n: n, mode)
                }
                let inverse = 1 / (variance + epsilon).squareRoot()
                let scale = Double(parameters.gamma.pointer[c]) * inverse
                state.mean.pointer[c] = Float(mean)
                state.inverseDeviation.pointer[c] = Float(inverse)
                state.scale.pointer[c] = Float(scale)
                state.shift.pointer[c] = Float(Double(parameters.beta.pointer[c]) - mean * scale)
            }
        }
    }

    private func update(
        _ parameters: NormParameters, _ c: Int, mean: Double, variance: Double, n: Double,
        _ mode: NormMode
    ) {
        let runningMean = parameters.runningMean.pointer + c
        let runningVariance = parameters.runningVariance.pointer + c
        switch mode {
        case .train(let momentum):
            let m = Double(momentum)
            let unbiased = n > 1 ? variance * n / (n - 1) : variance
            runningMean.pointee = Float((1 - m) * Double(runningMean.pointee) + m * mean)
            runningVariance.pointee = Float(
                (1 - m) * Double(runningVariance.pointee) + m * unbiased)
        case .calibrate(let share):
            // Before the first batch (share 1), the old values may be NaN. NaN times 0 would stay NaN, so 0 replaces
            // the old values.
            let (oldMean, oldVariance) =
                share == 1 ? (0, 0) : (runningMean.pointee, runningVariance.pointee)
            runningMean.pointee = Float((1 - share) * Double(oldMean) + share * mean)
            runningVariance.pointee = Float(
                (1 - share) * Double(oldVariance) + share * variance)
        case .batch, .running:
            break
        }
    }

    /// Computes `state.gradient` from `sums`, the sums of g and of g * (y - mean), where g is the gradient at the
    /// norm's output and y is the norm's input. Adds the gradients of gamma and beta to `gammaGradient` and
    /// `betaGradient`.
    public func normGradient(
        _ state: NormState, sums found: ChannelSums, gamma: Tensor, gammaGradient: Tensor,
        betaGradient: Tensor,
        channels: Int, rows: Int
    ) {
        precondition(
            found.channels == channels, "normGradient: \(found.channels) sums for \(channels)")
        let total = values(found)
        timed("normGradient", floats: 0) {
            let n = Double(rows), sums = total + channels
            let inverses = state.inverseDeviation.pointer, means = state.mean.pointer
            let map = state.gradient, gammas = gamma.pointer
            let (a, b, c) = (map.a.pointer, map.b.pointer, map.c.pointer)
            let (dgamma, dbeta) = (gammaGradient.pointer, betaGradient.pointer)
            for i in 0..<channels {
                let inverse = Double(inverses[i]), factor = Double(gammas[i]) * inverse
                let slope = -factor * inverse * inverse * sums[i] / n
                a[i] = Float(factor)
                b[i] = Float(slope)
                c[i] = Float(-factor * total[i] / n - slope * Double(means[i]))
                dgamma[i] += Float(sums[i] * inverse)
                dbeta[i] += Float(total[i])
            }
        }
    }
}
