// Factors and solutions against ones computed by hand, and matrices that have no factor.
import Testing

@testable import Tensors

@Suite struct CholeskyFactorTests {
    // L = (2 0 0, 1 3 0, -1 2 1); only the lower triangle of L·Lᵀ is given.
    private let matrix: [Double] = [4, .nan, .nan, 2, 10, .nan, -2, 5, 6]

    @Test("a matrix computed from its factor is taken apart again; the upper triangle is not read")
    func factor() {
        let factor = CholeskyFactor(matrix, size: 3, penalty: 0)
        #expect(factor.forward([2, 7, 4]) == [1, 2, 1])
        #expect(factor.backward([1, 8, 1]) == [0, 2, 1])
        #expect(factor.solve([4, 2, -2]) == [1, 0, 0])
        #expect(factor.forward([2, 7, 4, 4, 5, 1], count: 2) == [1, 2, 1, 2, 1, 1])
        #expect(abs(factor.logRootDeterminant - 1.791759469228055) < 1e-15)  // log 6
    }

    @Test("the penalty is added to the diagonal")
    func penalty() {
        let factor = CholeskyFactor([3, 0, 0, 8], size: 2, penalty: 1)
        #expect(factor.solve([4, 9]) == [1, 1])
    }

    @Test("of no rows nothing is solved")
    func empty() {
        let factor = CholeskyFactor([], size: 0, penalty: 1)
        #expect(factor.solve([]).isEmpty && factor.forward([], count: 0).isEmpty)
        #expect(factor.logRootDeterminant == 0)
    }

    @Test("repeated columns and zeros have a factor too; what is not finite is seen")
    func degenerate() {
        let repeated = CholeskyFactor([1, 0, 1, 1], size: 2, penalty: 0).solve([1, 1])
        #expect(abs(repeated[0] + repeated[1] - 1) < 1e-3)
        #expect(CholeskyFactor([0], size: 1, penalty: 0).solve([0]) == [0])
        let bad = CholeskyFactor([.nan, 0, 0, 1], size: 2, penalty: 1).solve([1, 1])
        #expect(bad.contains { !$0.isFinite })
    }

    @Test("the lower triangle of a Gram matrix, and the same bits every time")
    func gram() {
        let rows: [Double] = [1, 2, 3, 4, 5, 6]
        let gram = gramMatrix(rows, count: 2, width: 3)
        #expect(
            [gram[0], gram[3], gram[4], gram[6], gram[7], gram[8]] == [17, 22, 29, 27, 36, 45])
        var stream = RandomStream(seed: 4)
        let many = (0..<300 * 70).map { _ in Double(stream.normal()) }
        let first = gramMatrix(many, count: 300, width: 70)
        #expect(gramMatrix(many, count: 300, width: 70) == first)
    }
}
