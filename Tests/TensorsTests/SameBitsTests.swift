// Results repeat: the same number of threads gives the same bits in every operator, another number the same values
// within the rounding of its sums, and a map's own values do not depend on the number at all.
import Testing

@testable import Tensors

@Suite struct SameBitsTests {
    @Test(
        "the same number of threads gives the same bits; another number changes sums over images only, by rounding",
        arguments: sets)
    func repeats(set: InstructionSet) throws {
        for (name, run) in OperatorTable.operators {
            func once(_ threads: Int, isAbsolute: Bool = false) throws -> OperatorTable.Left {
                let engine = try CPUEngine(threads: threads, instructionSet: set)
                return run(OperatorTable.Numbers(engine: engine, isAbsolute: isAbsolute))
            }
            let alone = try once(1), sizes = try once(1, isAbsolute: true).sums
            for threads in 1...4 {
                let first = try once(threads), second = try once(threads)
                let what = "\(set) \(name), \(threads) threads"
                #expect(bits(first.values) == bits(second.values), "\(what)")
                #expect(first.sums == second.sums, "\(what)")
                #expect(bits(first.values) == bits(alone.values), "\(what)")
                #expect(alone.sums.allSatisfy { $0.isFinite }, "\(what)")
                // Each sum is off by a rounding a term of what the terms' sizes add up to, and so is the other.
                let each = 2 * 1.5 * 1.5 * Double(OperatorTable.rows + 4) * unit
                for (i, (one, other)) in zip(alone.sums, first.sums).enumerated() {
                    #expect(abs(one - other) <= each * sizes[i], "\(what): \(other), alone \(one)")
                }
            }
        }
    }
}
