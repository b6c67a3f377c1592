// Least squares with a penalty, against what can be computed by hand.
import Tensors
import Testing

@testable import Search

@Suite struct RidgeTests {
    @Test("ridge finds the coefficients of a linear rule, and the mean of a constant")
    func rule() {
        var generator = RandomStream(seed: 5)
        let features = (0..<200).map { _ in
            (0..<3).map { _ in Double(generator.below(2)) }
        }
        let targets = features.map { 0.5 + 0.2 * $0[0] - 0.1 * $0[2] }
        let fit = Ridge(features, targets)
        func predict(_ fit: Ridge, _ row: [Double]) -> Double {
            fit.bias + zip(fit.weights, row).reduce(0) { $0 + $1.0 * $1.1 }
        }
        for (row, target) in zip(features, targets) {
            #expect(abs(predict(fit, row) - target) < 1e-3)
        }
        #expect(fit.penalty == Ridge.penalties[0])
        let constant = Ridge(features, Array(repeating: 0.7, count: 200))
        #expect(features.allSatisfy { abs(predict(constant, $0) - 0.7) < 1e-9 })
    }

    @Test("the leave-one-out error is that of leaving one out")
    func leaveOneOut() {
        var generator = RandomStream(seed: 6)
        let features = (0..<12).map { _ in (0..<4).map { _ in Double(generator.normal()) } }
        let targets = features.map { $0[0] - $0[1] * $0[2] }
        let fit = Ridge(features, targets, penalties: [1e-9])
        var sum = 0.0
        for place in features.indices {
            var (rows, values) = (features, targets)
            rows.remove(at: place)
            values.remove(at: place)
            let other = Ridge(rows, values, penalties: [1e-9])
            let predicted =
                other.bias + zip(other.weights, features[place]).reduce(0) { $0 + $1.0 * $1.1 }
            sum += (predicted - targets[place]) * (predicted - targets[place]) / 12
        }
        // Without a penalty the shortcut is exact but for rounding.
        #expect(abs(fit.leaveOneOutRMSE - sum.squareRoot()) < 1e-6)
    }
}
