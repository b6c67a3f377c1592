// The kernels that a roofline is measured with, on every instruction set.
import Testing

@testable import Tensors

@Suite struct RatesTests {
    @Test(
        "multiply-adds on registers tend to 1 in every lane, and the number of a round is told",
        arguments: sets)
    func multiplyAdds(set: InstructionSet) {
        let kernels = set.kernels
        var sum: Float = -1
        let count = kernels.multiply_adds(0, &sum)
        #expect(count >= 1 && (sum < 0.6 * Float(count)))
        let before = sum
        #expect(kernels.multiply_adds(1, &sum) == count)
        // A round takes each value a quarter of the way to 1; every sum rounds less than twice a value.
        let expected = before + 0.25 * (Float(count) - before)
        #expect(abs(sum - expected) <= 2 * Float(count) * Float(count).ulp)
        _ = kernels.multiply_adds(200, &sum)
        #expect(abs(sum - Float(count)) <= 2 * Float(count) * Float(count).ulp)
    }

    @Test("a sum counts every float once, whatever their number", arguments: sets)
    func sums(set: InstructionSet) {
        let kernels = set.kernels
        for count in [0, 1, 3, 4, 15, 16, 17, 127, 128, 129, 300, 1000] {
            // Sums of whole numbers below 2^24 are exact.
            let values = Tensor((0..<count).map { Float($0 % 97 + 1) } + [1000])
            let expected = (0..<count).reduce(0) { $0 + $1 % 97 + 1 }
            #expect(kernels.sum_floats(values.pointer, Int64(count)) == Float(expected))
            withExtendedLifetime(values) {}
        }
    }

    @Test("an engine's rates are those of all its threads")
    func engine() throws {
        let engine = try CPUEngine(threads: 2)
        for rate in [
            engine.multiplyAddPeak(tries: 2), engine.readPeak(bytes: 4096, tries: 2),
            engine.readPeak(bytes: 64 << 20, tries: 1), engine.productPeak(tries: 2),
        ] {
            #expect(rate.isFinite && rate > 0)
        }
    }
}
