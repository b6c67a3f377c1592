// Fits a stack of dense layers by Adam (Kingma and Ba, 2015) on the mean squared error.
import Foundation
import Tensors

/// Options for fitting a predictor of dense layers.
public struct AdamOptions: Codable, Hashable, Sendable {
    /// Units of each hidden layer; the published predictor has three hidden layers of 400 units.
    public var hidden = [400, 400, 400]
    /// Number of steps, of one batch each.
    public var steps = 300
    /// Networks per step.
    public var batch = 64
    /// Initial step size; it decays to 0 along a cosine.
    public var learningRate: Float = 1e-3
    /// Weight decay, for targets scaled to unit deviation.
    ///
    /// The published 1e-4 belongs to unscaled targets. With scaled targets, fits on 400 of the 1,357 measured subnets
    /// of the w1.0 supernet were tested on the other subnets. Their RMSE was 0.12 points with 1e-2, and 0.14 with 1e-4.
    public var weightDecay: Float = 1e-2

    /// Makes the default options.
    public init() {}
}

extension DenseNetwork {
    /// Fits a network to `targets`, which are first scaled to zero mean and unit deviation; the last layer undoes the
    /// scaling. The numbers given to `worked` add up to the number of rows; `worked` cancels by throwing.
    static func fitted(
        _ features: Matrix, _ targets: [Double], options: AdamOptions, seed: UInt64,
        worked: AccuracyPredictor.Worked = { _ in }
    ) throws -> DenseNetwork {
        var generator = RandomStream(seed: seed)
        let mean = targets.reduce(0, +) / Double(targets.count)
        let variance = targets.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(targets.count)
        let scale = variance > 0 ? variance.squareRoot() : 1
        let scaled = targets.map { Float(($0 - mean) / scale) }

        var network = DenseNetwork(
            sizes: [features.columns] + options.hidden + [1], using: &generator)
        var adam = Adam(network)
        var order: [Int] = []
        for step in 0..<options.steps {
            if order.isEmpty { order = generator.shuffled(Array(0..<features.rows)) }
            let rows = Array(order.prefix(options.batch))
            order.removeFirst(rows.count)
            let gradients = network.gradients(
                features.selecting(rows), rows.map { scaled[$0] }, weightDecay: options.weightDecay)
            let progress = Float(step) / Float(options.steps)
            let rate = options.learningRate * (1 + cos(Float.pi * progress)) / 2
            adam.step(&network, gradients, rate: rate)
            if step % Self.stepsBetween == 0 {
                let steps = min(Self.stepsBetween, options.steps - step)
                try worked(Double(features.rows * steps) / Double(options.steps))
            }
        }
        let last = network.weights.count - 1
        for place in network.weights[last].values.indices {
            network.weights[last].values[place] *= Float(scale)
        }
        network.biases[last][0] = network.biases[last][0] * Float(scale) + Float(mean)
        return network
    }

    /// The number of steps between two calls of `worked`; that many steps take some hundredths of a second.
    private static let stepsBetween = 20

    /// Returns the gradients of the mean squared error plus weight decay, shaped like the network.
    func gradients(_ features: Matrix, _ targets: [Float], weightDecay: Float) -> DenseNetwork {
        let levels = activations(features)
        var result = self
        var delta = levels[levels.count - 1]
        for row in targets.indices {
            delta.values[row] = (delta.values[row] - targets[row]) * 2 / Float(targets.count)
        }
        for layer in weights.indices.reversed() {
            result.weights[layer] = matrixMultiply(levels[layer].transposed, delta)
            for place in weights[layer].values.indices {
                result.weights[layer].values[place] += weightDecay * weights[layer].values[place]
            }
            result.biases[layer] = delta.columnSums
            guard layer > 0 else { break }
            delta = matrixMultiply(delta, weights[layer].transposed)
            for place in delta.values.indices where levels[layer].values[place] <= 0 {
                delta.values[place] = 0
            }
        }
        return result
    }
}

/// Running means of the gradients and of their squares.
private struct Adam {
    private var first: DenseNetwork
    private var second: DenseNetwork
    private var steps: Float = 0

    init(_ network: DenseNetwork) {
        first = network
        for layer in network.weights.indices {
            first.weights[layer] = Matrix(
                rows: network.weights[layer].rows, columns: network.weights[layer].columns)
            first.biases[layer] = Array(repeating: 0, count: network.biases[layer].count)
        }
        second = first
    }

    mutating func step(_ network: inout DenseNetwork, _ gradients: DenseNetwork, rate: Float) {
        steps += 1
        for layer in network.weights.indices {
            update(
                &network.weights[layer].values, gradients.weights[layer].values,
                &first.weights[layer].values, &second.weights[layer].values, rate)
            update(
                &network.biases[layer], gradients.biases[layer], &first.biases[layer],
                &second.biases[layer], rate)
        }
    }

    /// Updates `values` and the running means `first` and `second`, with the published decays 0.9 and 0.999 and epsilon
    /// 1e-8.
    private func update(
        _ values: inout [Float], _ gradients: [Float], _ first: inout [Float],
        _ second: inout [Float], _ rate: Float
    ) {
        let firstScale = 1 - pow(Float(0.9), steps)
        let secondScale = 1 - pow(Float(0.999), steps)
        for place in values.indices {
            let gradient = gradients[place]
            first[place] = 0.9 * first[place] + 0.1 * gradient
            second[place] = 0.999 * second[place] + 0.001 * gradient * gradient
            values[place] -=
                rate * (first[place] / firstScale)
                / ((second[place] / secondScale).squareRoot() + 1e-8)
        }
    }
}

extension Matrix {
    /// Returns the rows at indices `places`, in their order.
    fileprivate func selecting(_ places: [Int]) -> Matrix {
        Matrix(
            rows: places.count, columns: columns,
            values: places.flatMap { values[$0 * columns..<($0 + 1) * columns] })
    }

    /// The sum of every column.
    fileprivate var columnSums: [Float] {
        var sums = [Float](repeating: 0, count: columns)
        for row in 0..<rows {
            for column in 0..<columns { sums[column] += values[row * columns + column] }
        }
        return sums
    }
}
