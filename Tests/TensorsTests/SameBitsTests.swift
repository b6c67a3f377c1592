// Results repeat: the same number of threads gives the same bits in every operator, another number the same values
// within the rounding of its sums, and a map's own values do not depend on the number at all.
import TestSupport
import Testing

@testable import Tensors

@Suite struct SameBitsTests {
    @Test(
        "the same number of threads gives the same bits; another number changes sums over images only, by rounding",
        arguments: sets)
    func repeats(set: InstructionSet) throws {
        for entry in OperatorTable.operators {
            for item in entry.cases where item.size <= 14 {
                try repeats(entry, item, set)
            }
        }
    }

    private func repeats(
        _ entry: OperatorTable.Operator, _ item: KernelCase, _ set: InstructionSet
    ) throws {
        func once(_ threads: Int, isAbsolute: Bool = false) throws -> OperatorTable.Left {
            let engine = try CPUEngine(threads: threads, instructionSet: set)
            return entry.run(
                OperatorTable.Numbers(engine: engine, item: item, isAbsolute: isAbsolute))
        }
        let alone = try once(1), sizes = try once(1, isAbsolute: true).sums
        for threads in 1...4 {
            let first = try once(threads), second = try once(threads)
            let what = "\(set) \(entry.name) \(item), run with \(threads)"
            #expect(bits(first.values) == bits(second.values), "\(what)")
            #expect(first.sums == second.sums, "\(what)")
            #expect(bits(first.values) == bits(alone.values), "\(what)")
            #expect(alone.sums.allSatisfy { $0.isFinite }, "\(what)")
            // Each sum is off by a rounding a term of what the terms' sizes add up to, and so is the other.
            let each = 2 * 1.5 * 1.5 * Double(item.rows + 4) * unit
            let off = zip(alone.sums, first.sums).enumerated().first { i, pair in
                !(abs(pair.0 - pair.1) <= each * sizes[i])
            }
            #expect(off == nil, "\(what)")
        }
    }
}
