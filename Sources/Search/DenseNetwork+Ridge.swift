// Fits a linear predictor in closed form: least squares with a penalty on the squared weights
// (ridge). With few measured networks it is as good as the multilayer one, and it is instant and
// has no random start.

extension DenseNetwork {
    /// Fits one linear layer; the penalty is the one of least leave-one-out error among a few.
    static func ridge(_ features: Matrix, _ targets: [Double]) -> DenseNetwork {
        let problem = RidgeProblem(features, targets)
        var best = problem.solve(penalty: 0.3)
        for penalty in [1.0, 3, 10, 30] {
            let next = problem.solve(penalty: penalty)
            if next.error < best.error { best = next }
        }
        return DenseNetwork(
            weights: [
                Matrix(rows: features.columns, columns: 1, values: best.weights.map(Float.init))
            ],
            biases: [[Float(best.bias)]])
    }
}

/// Centred features and targets with their normal equations, in double precision.
private struct RidgeProblem {
    private let rows: [[Double]]
    private let means: [Double]
    private let centred: [Double]
    private let mean: Double
    private let normal: [Double]
    private let right: [Double]

    init(_ features: Matrix, _ targets: [Double]) {
        let width = features.columns
        let count = Double(features.rows)
        let raw = (0..<features.rows).map { row in
            features.values[row * width..<(row + 1) * width].map(Double.init)
        }
        let means = (0..<width).map { column in raw.reduce(0) { $0 + $1[column] } / count }
        let mean = targets.reduce(0, +) / count
        let rows = raw.map { row in zip(row, means).map { $0 - $1 } }
        let centred = targets.map { $0 - mean }
        var normal = Array(repeating: 0.0, count: width * width)
        var right = Array(repeating: 0.0, count: width)
        for (row, target) in zip(rows, centred) {
            for i in 0..<width {
                right[i] += row[i] * target
                for j in 0...i { normal[i * width + j] += row[i] * row[j] }
            }
        }
        (self.rows, self.means, self.centred, self.mean) = (rows, means, centred, mean)
        (self.normal, self.right) = (normal, right)
    }

    /// Weights, bias, and the mean squared leave-one-out error: residuals over 1 − leverage.
    func solve(penalty: Double) -> (weights: [Double], bias: Double, error: Double) {
        let factor = Cholesky(normal, size: right.count, penalty: penalty)
        let weights = factor.backward(factor.forward(right))
        let bias = mean - zip(means, weights).reduce(0) { $0 + $1.0 * $1.1 }
        var error = 0.0
        for (row, target) in zip(rows, centred) {
            let residual = target - zip(row, weights).reduce(0) { $0 + $1.0 * $1.1 }
            // The leverage of a row is its squared length after the forward substitution, plus the
            // mean's share.
            let leverage = factor.forward(row).reduce(0) { $0 + $1 * $1 } + 1 / Double(rows.count)
            let left = residual / max(1e-9, 1 - leverage)
            error += left * left
        }
        return (weights, bias, error / Double(rows.count))
    }
}

/// The lower triangular factor of a symmetric positive definite matrix, row after row.
private struct Cholesky {
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
                for k in 0..<j { sum -= lower[i * size + k] * lower[j * size + k] }
                lower[i * size + j] =
                    i == j ? max(sum, 1e-12).squareRoot() : sum / lower[j * size + j]
            }
        }
    }

    /// Solves L·x = b.
    func forward(_ right: [Double]) -> [Double] {
        var result = right
        for i in 0..<size {
            var sum = result[i]
            for k in 0..<i { sum -= lower[i * size + k] * result[k] }
            result[i] = sum / lower[i * size + i]
        }
        return result
    }

    /// Solves Lᵀ·x = b.
    func backward(_ right: [Double]) -> [Double] {
        var result = right
        for i in (0..<size).reversed() {
            result[i] /= lower[i * size + i]
            for k in 0..<i { result[k] -= lower[i * size + k] * result[i] }
        }
        return result
    }
}
