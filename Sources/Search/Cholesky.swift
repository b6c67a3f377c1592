// Linear equations of a symmetric positive definite matrix: what ridge fits solve.

import Foundation

/// The lower triangular factor of a symmetric positive definite matrix, row after row.
struct Cholesky {
    private let size: Int
    private var lower: [Double]

    /// Factors the lower triangle of `matrix` with `penalty` > 0 added to its diagonal.
    init(_ matrix: [Double], size: Int, penalty: Double) {
        self.size = size
        lower = matrix
        for i in 0..<size {
            lower[i * size + i] += penalty
            for j in 0...i {
                var sum = lower[i * size + j]
                let left = i * size, right = j * size
                for k in 0..<j { sum -= lower[left &+ k] * lower[right &+ k] }
                lower[left + j] = i == j ? max(sum, 1e-12).squareRoot() : sum / lower[right + j]
            }
        }
    }

    /// Half of the logarithm of the matrix's determinant.
    var logRootDeterminant: Double {
        (0..<size).reduce(0) { $0 + log(lower[$1 * size + $1]) }
    }

    /// Solves L·x = b.
    func forward(_ right: [Double]) -> [Double] {
        var result = right
        for i in 0..<size {
            var sum = result[i]
            for k in 0..<i { sum -= lower[i * size &+ k] * result[k] }
            result[i] = sum / lower[i * size + i]
        }
        return result
    }

    /// Solves Lᵀ·x = b.
    func backward(_ right: [Double]) -> [Double] {
        var result = right
        for i in (0..<size).reversed() {
            result[i] /= lower[i * size + i]
            for k in 0..<i { result[k] -= lower[i * size &+ k] * result[i] }
        }
        return result
    }
}

/// Least squares with a penalty on the squared weights (ridge), the penalty chosen by leave-one-out error.
struct Ridge {
    /// One weight a column.
    let weights: [Double]
    /// What is added.
    let bias: Double
    /// Root of the mean squared leave-one-out error.
    let leaveOneOutRMSE: Double
    /// The penalty of least leave-one-out error.
    let penalty: Double

    /// The penalties tried: half a decade apart, from hardly any to one that outweighs ten rows.
    static let penalties = [0.03, 0.1, 0.3, 1, 3, 10, 30]

    /// Fits rows of features to targets; there must be a row.
    init(_ features: [[Double]], _ targets: [Double], penalties: [Double] = Ridge.penalties) {
        precondition(features.count == targets.count && !features.isEmpty, "a row for each target")
        let width = features[0].count, count = Double(features.count)
        var means = [Double](repeating: 0, count: width)
        for row in features {
            for column in 0..<width { means[column] += row[column] / count }
        }
        let mean = targets.reduce(0, +) / count
        let rows = features.map { row in zip(row, means).map { $0 - $1 } }
        let centred = targets.map { $0 - mean }
        var normal = [Double](repeating: 0, count: width * width)
        var right = [Double](repeating: 0, count: width)
        for (row, target) in zip(rows, centred) {
            for i in 0..<width where row[i] != 0 {
                let value = row[i]
                right[i] += value * target
                for j in 0...i { normal[i * width &+ j] += value * row[j] }
            }
        }
        var best: (error: Double, penalty: Double, weights: [Double])?
        for penalty in penalties {
            let factor = Cholesky(normal, size: width, penalty: penalty)
            let weights = factor.backward(factor.forward(right))
            var error = 0.0
            for (row, target) in zip(rows, centred) {
                let residual = target - zip(row, weights).reduce(0) { $0 + $1.0 * $1.1 }
                // The leverage of a row is its squared length after the forward substitution, plus the mean's share.
                let leverage = factor.forward(row).reduce(0) { $0 + $1 * $1 } + 1 / count
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
