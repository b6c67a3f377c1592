// Regression on covariances about an unknown mean (universal kriging), and how likely the covariances are.
import Foundation
import Tensors

/// What a few values say about places that covary with theirs.
struct Kriging: Sendable {
    /// The mean that the values deviate from.
    let mean: Double
    /// The restricted likelihood's logarithm, without its constant (Rasmussen and Williams, "Gaussian Processes for
    /// Machine Learning", 2006, sections 2.7 and 5.4).
    let logLikelihood: Double

    private let factor: CholeskyFactor
    private let weights, ones: [Double]
    private let onesOfOnes: Double

    /// Fits values (none is allowed) with these covariances, noise included, row after row.
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

    /// The value at a place of these covariances to the rows.
    func value(_ covariances: [Double]) -> Double {
        mean + zip(covariances, weights).reduce(0) { $0 + $1.0 * $1.1 }
    }

    /// The deviation of that value's error, at a place of this variance.
    func deviation(_ covariances: [Double], variance: Double) -> Double {
        guard !weights.isEmpty else { return variance.squareRoot() }
        let known = factor.forward(covariances).reduce(0) { $0 + $1 * $1 }
        let uncertainMean = 1 - zip(covariances, ones).reduce(0) { $0 + $1.0 * $1.1 }
        return max(0, variance - known + uncertainMean * uncertainMean / onesOfOnes).squareRoot()
    }
}
