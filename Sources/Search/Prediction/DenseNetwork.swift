// A stack of dense layers with rectifiers between them, like the published accuracy predictor. A linear model is a
// stack of one layer.
import Tensors

/// Dense layers, x·W + b, rectified except for the last; one output.
struct DenseNetwork: Sendable, Hashable {
    /// Weights of every layer, (inputs, outputs).
    var weights: [Matrix]
    /// Biases of every layer.
    var biases: [[Float]]

    /// The number of features, then the number of outputs of each layer; the last layer has one output.
    var sizes: [Int] { (weights.first.map { [$0.rows] } ?? []) + weights.map(\.columns) }

    /// Makes a network with random weights, uniform in ±1/√inputs, and zero biases.
    init(sizes: [Int], using generator: inout RandomStream) {
        weights = zip(sizes, sizes.dropFirst()).map { inputs, outputs in
            let bound = 1 / Float(inputs).squareRoot()
            return Matrix(
                rows: inputs, columns: outputs,
                values: (0..<inputs * outputs).map { _ in generator.uniform(in: -bound...bound) })
        }
        biases = sizes.dropFirst().map { Array(repeating: 0, count: $0) }
    }

    /// Makes a network of `weights` and `biases`, whose sizes must match.
    init(weights: [Matrix], biases: [[Float]]) {
        precondition(weights.map(\.columns) == biases.map(\.count), "biases fit the weights")
        self.weights = weights
        self.biases = biases
    }

    /// Returns the layers, at least two, as a `DenseStack`, which is fast for many rows of features that are 0 or 1.
    ///
    /// Errors: those of `DenseStack.init`.
    func stack() throws -> DenseStack {
        try stack(first: weights[0].values)
    }

    /// Returns the same as `stack()`, but with weights `first` for the first layer. The first layer's number of inputs
    /// may change, its number of outputs may not.
    func stack(first: [Float]) throws -> DenseStack {
        try DenseStack(
            first: .init(weights: first, bias: biases[0]),
            hidden: (1..<weights.count - 1).map {
                .init(weights: weights[$0].values, bias: biases[$0])
            },
            last: weights[weights.count - 1].values, lastBias: biases[weights.count - 1][0])
    }

    /// Returns the output for every row of features.
    func predict(_ features: Matrix) -> [Float] {
        activations(features).last?.values ?? []
    }

    /// Returns the features, then the output of every layer, as matrices of (rows, units).
    func activations(_ features: Matrix) -> [Matrix] {
        var result = [features]
        for layer in weights.indices {
            var output = matrixMultiply(result[layer], weights[layer])
            let isLast = layer == weights.count - 1
            for row in 0..<output.rows {
                for unit in 0..<output.columns {
                    let value = output.values[row * output.columns + unit] + biases[layer][unit]
                    output.values[row * output.columns + unit] = isLast ? value : max(0, value)
                }
            }
            result.append(output)
        }
        return result
    }
}
