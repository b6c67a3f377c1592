// The rules by which numbers become codes: rounding, clamping, and the tables, sums and products of codes.
import Tensors
import Testing

@Suite struct QuantisationTests {
    @Test("codes are rounded half to even, and clamped")
    func rounding() {
        let codes = Quantisation(scale: 0.5, zero: 10)
        #expect([0.25, 0.75, 1.25, -0.25, -0.75].map { codes.code($0) } == [10, 12, 12, 10, 8])
        #expect(codes.code(1e30) == 255 && codes.code(-1e30) == 0 && codes.code(.infinity) == 255)
        #expect(codes.code(.nan) == 0 && codes.code(.signalingNaN) == 0)
        #expect(codes.real(0) == -5 && codes.real(255) == 122.5 && codes.range == -5...122.5)
        // 3 · 0.5 = 1.5 and 5 · 0.5 = 2.5 lie in the middle between two codes.
        #expect([3, 5, -3, -5].map { codes.code($0, times: 0.5) } == [12, 12, 8, 8])
        #expect(codes.code(.max, times: 1) == 255 && codes.code(.min, times: 1) == 0)
    }

    @Test("codes cover a range and contain 0 exactly")
    func covering() {
        for (low, high) in [(Float(-1), Float(3)), (2, 5), (-7, -1), (0, 6), (-0.001, 1000)] {
            let codes = Quantisation(covering: low...high)
            #expect(codes.real(codes.zero) == 0)
            // The code of 0 is rounded, so the ends are met up to half a step.
            #expect(codes.range.lowerBound <= min(low, 0) + 0.51 * codes.scale)
            #expect(codes.range.upperBound >= max(high, 0) - 0.51 * codes.scale)
        }
        #expect(Quantisation(covering: 0...6).zero == 0)
        #expect(Quantisation(covering: 0...0) == Quantisation(scale: 1 / 255, zero: 0))
    }

    @Test("a table has each code's value of the function, within half a step")
    func tables() {
        let from = Quantisation(covering: -3...5), to = Quantisation(covering: -0.375...5)
        let table = CodeFunction.hSwish.table(from: from, to: to)
        for code in 0...255 {
            let x = from.real(UInt8(code)), y = x * min(max(x + 3, 0), 6) / 6
            #expect(abs(to.real(table[code]) - y) <= 0.5001 * to.scale)
        }
        let gates = CodeFunction.hardSigmoid.table(from: from, to: Quantisation(covering: 0...1))
        #expect(gates[0] == 0 && gates[255] == 255 && gates == gates.sorted())
    }

    @Test("sums and products are those of the numbers, within half a step")
    func sumsAndProducts() {
        let a = Quantisation(covering: -1...3), b = Quantisation(covering: -2...2)
        let to = Quantisation(covering: -3...5), wide = Quantisation(covering: -6...6)
        let sum = CodeSum(a, b, to: to), product = CodeProduct(a, b, to: wide)
        for first in stride(from: UInt8(0), to: 255, by: 5) {
            for second in stride(from: UInt8(0), to: 255, by: 3) {
                let (x, y) = (a.real(first), b.real(second))
                #expect(abs(to.real(sum.code(first, second)) - (x + y)) <= 0.501 * to.scale)
                #expect(abs(wide.real(product.code(first, second)) - x * y) <= 0.501 * wide.scale)
            }
        }
        #expect(sum.code(255, 255) == 255 && sum.code(0, 0) == 0)
        // 128 / 3 = 42.67 and 3 · (1 / 3) in floats, each product rounded together with its sum.
        let thirds = CodeSum(
            Quantisation(scale: 1, zero: 0), Quantisation(scale: 1, zero: 7),
            to: Quantisation(scale: 3, zero: 9))
        let third = Float(1) / 3
        #expect(thirds.base == 9 - (7 * third).addingProduct(third, 0))
        #expect(thirds.code(128, 10) == 53)
    }
}
