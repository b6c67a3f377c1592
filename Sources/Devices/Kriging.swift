// Gaussian process regression with an unknown constant mean (ordinary kriging), and the likelihood of the assumed
// covariances.
import Foundation
import Tensors

/// A Gaussian process conditioned on a few values.
struct Kriging: Sendable {
    /// The estimated mean of the process; 0 without values.
    let mean: Double
    /// The logarithm of the restricted likelihood, without its additive constant (Rasmussen and Williams, "Gaussian
    /// Processes for Machine Learning", 2006, sections 2.7 and 5.4).
    let logLikelihood: Double

    private let factor: CholeskyFactor
    /// The weights of the covariances in `value`: the inverse of the covariance matrix times the values' differences
    /// from the mean.
    let weights: [Double]
    private let ones: [Double]
    private let onesOfOnes: Double

    /// Conditions on `values` (possibly none); `covariances` is their covariance matrix, row-major, noise included.
    init(_ covariances: [Double], _ values: [Double]) {
        factor = CholeskyFactor(covariances, size: values.count, penalty: 1e-10)
        ones = factor.solve(values.map { _ in 1 })
        onesOfOnes = ones.reduce(0, +)
        let total = zip(ones, values).reduce(0) { $0 + $1.0 * $1.1 }
        let mean = values.isEmpty ? 0 : total / onesOfOnes
        let whitened = factor.forward(values.map { $0 - mean })
        weights = factor.backward(whitened)
        self.mean = mean
        logLikelihood =
            -0.5 * whitened.reduce(0) { $0 + $1 * $1 } - factor.logRootDeterminant
            - (values.isEmpty ? 0 : 0.5 * log(onesOfOnes))
    }

    /// Returns the predicted value at a point whose covariances with the fitted values are `covariances`.
    func value(_ covariances: [Double]) -> Double {
        mean + zip(covariances, weights).reduce(0) { $0 + $1.0 * $1.1 }
    }

    /// Returns, for each of at least two values, what the other values predict: the value minus its prediction, and the
    /// variance of that error, noise included (Dubrule, "Cross validation of kriging in a unique neighborhood",
    /// Mathematical Geology, 1983).
    func leftOut() -> [PartFactors.LeftOut] {
        let count = weights.count
        var identity = [Double](repeating: 0, count: count * count)
        for place in 0..<count { identity[place * (count + 1)] = 1 }
        let columns = factor.forward(identity, count: count)
        return weights.indices.map { place in
            let inverse = columns[place * count..<(place + 1) * count].reduce(0) { $0 + $1 * $1 }
            let variance =
                1 / max(inverse - ones[place] * ones[place] / onesOfOnes, 1e-12 * inverse)
            return .init(error: weights[place] * variance, variance: variance)
        }
    }

    /// Returns the standard deviation of the error of `value(covariances)` at a point with prior variance `variance`.
    func deviation(_ covariances: [Double], variance: Double) -> Double {
        guard !weights.isEmpty else { return variance.squareRoot() }
        let known = factor.forward(covariances).reduce(0) { $0 + $1 * $1 }
        let uncertainMean = 1 - zip(covariances, ones).reduce(0) { $0 + $1.0 * $1.1 }
        return max(0, variance - known + uncertainMean * uncertainMean / onesOfOnes).squareRoot()
    }
}
