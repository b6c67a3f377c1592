// The multilayer predictor's mathematics: products, gradients, fitting.
import Tensors
import Testing

@testable import Search

@Suite struct DenseNetworkTests {
    @Test("a product agrees with a hand-computed one")
    func product() {
        let left = Matrix(rows: 2, columns: 3, values: [1, 2, 0, -1, 0, 3])
        let right = Matrix(rows: 3, columns: 2, values: [4, 5, 6, 7, 8, 9])
        #expect(matrixMultiply(left, right).values == [16, 19, 20, 22])
        #expect(left.transposed.values == [1, -1, 2, 0, 0, 3])
    }

    @Test("gradients agree with finite differences wherever no rectifier switches")
    func gradients() {
        var generator = RandomStream(seed: 3)
        let network = DenseNetwork(sizes: [4, 5, 3, 1], using: &generator)
        let features = Matrix(
            rows: 6, columns: 4,
            values: (0..<24).map { _ in Float.random(in: -1...1, using: &generator) })
        let targets = (0..<6).map { _ in Float.random(in: -1...1, using: &generator) }
        let gradients = network.gradients(features, targets, weightDecay: 0)
        func loss(_ network: DenseNetwork) -> Float {
            let errors = zip(network.predict(features), targets).map { $0 - $1 }
            return errors.reduce(0) { $0 + $1 * $1 } / 6
        }
        func active(_ network: DenseNetwork) -> [[Bool]] {
            network.activations(features)[1...2].map { $0.values.map { $0 > 0 } }
        }
        var compared = 0
        func compare(_ gradient: Float, _ change: (inout DenseNetwork, Float) -> Void) {
            let step: Float = 1e-2
            var (up, down) = (network, network)
            change(&up, step)
            change(&down, -step)
            guard active(up) == active(network), active(down) == active(network) else { return }
            // Without a switch the loss is quadratic: central differences are exact but for
            // rounding, about 1e-7 over a step of 2e-2.
            #expect(abs(gradient - (loss(up) - loss(down)) / (2 * step)) < 1e-4)
            compared += 1
        }
        for layer in 0..<3 {
            for place in network.weights[layer].values.indices {
                compare(gradients.weights[layer].values[place]) {
                    $0.weights[layer].values[place] += $1
                }
            }
            for place in network.biases[layer].indices {
                compare(gradients.biases[layer][place]) { $0.biases[layer][place] += $1 }
            }
        }
        #expect(compared > 35)
    }

    @Test("weight decay pulls weights, not biases")
    func decay() {
        var generator = RandomStream(seed: 4)
        let network = DenseNetwork(sizes: [2, 2, 1], using: &generator)
        let features = Matrix(rows: 1, columns: 2, values: [1, 1])
        let plain = network.gradients(features, [0], weightDecay: 0)
        let decayed = network.gradients(features, [0], weightDecay: 0.5)
        let pull = decayed.weights[0].values[1] - plain.weights[0].values[1]
        #expect(abs(pull - 0.5 * network.weights[0].values[1]) < 1e-6)
        #expect(decayed.biases == plain.biases)
    }

    @Test("a stack prepared for zeros and ones gives what the layers give, for any number of rows")
    func stack() throws {
        var generator = RandomStream(seed: 7)
        let network = DenseNetwork(sizes: [30, 50, 33, 1], using: &generator)
        for set in InstructionSet.available {
            for count in [1, 95, 96, 97, 200] {
                let rows = (0..<count).map { _ in
                    (0..<30).filter { _ in generator.below(3) == 0 }
                }
                var features = Matrix(rows: count, columns: 30)
                var ends: [Int] = []
                for (row, ones) in rows.enumerated() {
                    for one in ones { features.values[row * 30 + one] = 1 }
                    ends.append((ends.last ?? 0) + ones.count)
                }
                let stack = try DenseStack(
                    first: .init(weights: network.weights[0].values, bias: network.biases[0]),
                    hidden: [.init(weights: network.weights[1].values, bias: network.biases[1])],
                    last: network.weights[2].values, lastBias: network.biases[2][0],
                    instructionSet: set)
                let found = stack.outputs(ones: rows.joined().map(Int32.init), ends: ends)
                // Fifty products of numbers below 3 in another order: about 50 · 3 · 2^-24.
                for (left, right) in zip(found, network.predict(features)) {
                    #expect(abs(left - right) < 1e-5, "\(set), \(count) rows")
                }
            }
        }
    }

    @Test("fitting is repeatable by seed and learns what is not linear")
    func adam() throws {
        var generator = RandomStream(seed: 6)
        let features = Matrix(
            rows: 64, columns: 2, values: (0..<128).map { _ in Float(generator.below(2)) })
        let targets = (0..<64).map {
            features.values[2 * $0] != features.values[2 * $0 + 1] ? 0.9 : 0.8
        }
        var options = AdamOptions()
        options.hidden = [16]
        options.learningRate = 1e-2
        options.weightDecay = 0
        let model = try DenseNetwork.fitted(features, targets, options: options, seed: 1)
        for (predicted, target) in zip(model.predict(features), targets) {
            #expect(abs(Double(predicted) - target) < 0.02)
        }
        #expect(try DenseNetwork.fitted(features, targets, options: options, seed: 1) == model)
        #expect(try DenseNetwork.fitted(features, targets, options: options, seed: 2) != model)
    }
}
