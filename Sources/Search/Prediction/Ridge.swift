// Ridge regression, which fits the additive models of accuracy.

import Tensors

/// A ridge regression, with the penalty that has the least leave-one-out error.
struct Ridge {
    /// One weight per column of features.
    let weights: [Double]
    /// The constant term.
    let bias: Double
    /// Root of the mean squared leave-one-out error.
    let leaveOneOutRMSE: Double
    /// The chosen penalty.
    let penalty: Double

    /// The penalties tried: half a decade apart, from a negligible penalty to a penalty that outweighs ten rows of
    /// features.
    static let penalties = [0.03, 0.1, 0.3, 1, 3, 10, 30]

    /// Fits rows of features (at least one) to their targets, with the best of `penalties`.
    init(_ features: [[Double]], _ targets: [Double], penalties: [Double] = Ridge.penalties) {
        precondition(features.count == targets.count && !features.isEmpty, "a row for each target")
        let width = features[0].count, count = Double(features.count)
        var means = [Double](repeating: 0, count: width)
        for row in features {
            for column in 0..<width { means[column] += row[column] / count }
        }
        let mean = targets.reduce(0, +) / count
        let rows = features.flatMap { row in zip(row, means).map { $0 - $1 } }
        let centred = targets.map { $0 - mean }
        let normal = gramMatrix(rows, count: features.count, width: width)
        var right = [Double](repeating: 0, count: width)
        for (row, target) in centred.enumerated() where target != 0 {
            for i in 0..<width { right[i] += rows[row * width + i] * target }
        }
        var best: (error: Double, penalty: Double, weights: [Double])?
        for penalty in penalties {
            let factor = CholeskyFactor(normal, size: width, penalty: penalty)
            let weights = factor.solve(right)
            // A row's leverage is its squared norm after the forward substitution, plus the share of the constant term.
            let lengths = factor.forward(rows, count: features.count)
            var error = 0.0
            for (row, target) in centred.enumerated() {
                var residual = target, leverage = 1 / count
                for i in row * width..<(row + 1) * width {
                    residual -= rows[i] * weights[i - row * width]
                    leverage += lengths[i] * lengths[i]
                }
                let left = residual / max(1e-9, 1 - leverage)
                error += left * left / count
            }
            if best.map({ error < $0.error }) ?? true { best = (error, penalty, weights) }
        }
        let chosen = best ?? (0, 1, [Double](repeating: 0, count: width))
        (weights, penalty) = (chosen.weights, chosen.penalty)
        leaveOneOutRMSE = chosen.error.squareRoot()
        bias = mean - zip(means, chosen.weights).reduce(0) { $0 + $1.0 * $1.1 }
    }
}
