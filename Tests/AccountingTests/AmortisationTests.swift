// The cost of a device target through the lineage, against a hand computation.

import Metering
import Testing

@testable import Accounting

/// An amount of `microjoules` with bounds at half and double.
func amount(_ microjoules: Int64, seconds: Int64 = 0) -> CostSum {
    var amount = CostSum()
    amount.attempts = 1
    amount.energy = Energy(
        microjoules: microjoules, low: microjoules / 2, high: 2 * microjoules)
    amount.wallNs = seconds * 1_000_000_000
    amount.emissionUg = microjoules / 7
    (amount.gramsLow, amount.gramsHigh) = (0, Double(microjoules))
    (amount.methods, amount.tier) = (["test"], .model)
    return amount
}

@Suite struct AmortisationTests {
    private typealias Targets = Amortisation<String, String>
    /// Microjoules of a joule, so that thirds are exact to six places.
    private let unit: Int64 = 1_000_000

    private var costs: [(node: String, cost: CostSum)] {
        [
            ("data", 10), ("full", 100), ("kernel", 60), ("depth", 30), ("accuracy", 8),
            ("predictor", 2),
            ("table A", 4), ("table B", 6), ("search A1", 1), ("search A2", 1), ("search B1", 1),
            ("failed", 20),
        ].map { ($0, amount($1 * unit)) }
    }

    private let shared: Set = ["data", "full", "kernel", "depth", "accuracy", "predictor"]

    private func heirs(_ uses: [Int64] = [1, 1, 1]) -> [Targets.Heir] {
        [
            .init("A1", nodes: shared.union(["table A", "search A1"]), uses: uses[0]),
            .init("A2", nodes: shared.union(["table A", "search A2"]), uses: uses[1]),
            .init("B1", nodes: shared.union(["table B", "search B1"]), uses: uses[2]),
        ]
    }

    private func joules(_ shares: [Targets.Share]) -> [Int64] {
        shares.map(\.cost.energy.microjoules)
    }

    @Test("three targets cost 73, 73 and 77; the failed attempt stays unallocated; the sum is 243")
    func threeTargets() {
        let result = Targets(costs: costs, heirs: heirs())
        #expect(joules(result.targets) == [73, 73, 77].map { $0 * unit })
        #expect(result.targets.map(\.own.energy.microjoules) == [1, 1, 7].map { $0 * unit })
        #expect(result.unallocated.map(\.node) == ["failed"])
        #expect(result.unallocatedCost.energy.microjoules == 20 * unit)
        #expect(result.shared == CostSum())
    }

    @Test("a fourth target cut from an earlier network costs 43.5 and lowers the others")
    func fourTargets() {
        let result = Targets(
            costs: costs + [("search C", amount(unit))],
            heirs: heirs() + [.init("C", nodes: ["data", "full", "kernel", "search C"])])
        let costs = joules(result.targets)
        let expected = [58.833_333, 58.833_333, 62.833_333, 43.5]
        for (cost, joules) in zip(costs, expected) {
            #expect(abs(Double(cost) / Double(unit) - joules) < 3e-6)
        }
        #expect(result.unallocatedCost.energy.microjoules == 20 * unit)
        #expect(costs.reduce(0, +) + 20 * unit == 244 * unit)
    }

    @Test("marginal costs are what a target alone caused; the rest is shared")
    func marginal() {
        let result = Targets(costs: costs, heirs: heirs(), split: .marginal)
        #expect(joules(result.targets) == [1, 1, 7].map { $0 * unit })
        #expect(result.shared.energy.microjoules == 214 * unit)
        #expect(result.unallocatedCost.energy.microjoules == 20 * unit)
    }

    @Test("by uses, shared costs go with the weights; what only unused targets have is unallocated")
    func uses() {
        // 210 shared by all at 3 : 1 : 0, the table of A at 3 : 1.
        let result = Targets(costs: costs, heirs: heirs([3, 1, 0]), split: .use)
        #expect(joules(result.targets) == [161_500_000, 54_500_000, 0])
        #expect(result.unallocated.map(\.node) == ["table B", "search B1", "failed"])
        #expect(result.unallocatedCost.energy.microjoules == 27 * unit)
    }

    @Test("costs that do not divide are conserved, and no target gathers all odd units")
    func odd() {
        let nodes = (0..<30).map { "n\($0)" }
        let result = Targets(
            costs: nodes.map { ($0, amount(10)) },
            heirs: ["a", "b", "c"].map { .init($0, nodes: Set(nodes)) })
        #expect(joules(result.targets) == [100, 100, 100])
        #expect(result.unallocated.isEmpty)
    }

    @Test("without targets everything is unallocated")
    func none() {
        let result = Targets(costs: costs, heirs: [])
        #expect(result.targets.isEmpty)
        #expect(result.unallocatedCost.energy.microjoules == 243 * unit)
    }

    @Test("10,000 random divisions conserve time, energy and carbon, and bounds enclose values")
    func random() {
        var state: UInt64 = 7
        func next(_ bound: UInt64) -> Int64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int64((state >> 33) % bound)
        }
        var failures = 0
        for round in 0..<10_000 {
            let costs = (0..<Int(next(4) + 1)).map { (node: $0, cost: amount(next(1_000_003))) }
            let heirs = (0..<Int(next(5))).map { target in
                Amortisation<Int, Int>.Heir(
                    target, nodes: Set(costs.indices.filter { _ in next(3) > 0 }), uses: next(9))
            }
            let split = AmortisationSplit.allCases[round % 3]
            let result = Amortisation<Int, Int>(costs: costs, heirs: heirs, split: split)
            let parts =
                result.targets.map(\.cost) + [result.shared, result.unallocatedCost]
            let (sum, whole) = (CostSum.sum(parts), CostSum.sum(costs.map(\.cost)))
            let isWhole =
                sum.energy.microjoules == whole.energy.microjoules
                && sum.emissionUg == whole.emissionUg && sum.wallNs == whole.wallNs
            let encloses = parts.allSatisfy {
                $0.energy.low <= $0.energy.microjoules && $0.energy.microjoules <= $0.energy.high
            }
            if !isWhole || !encloses { failures += 1 }
        }
        #expect(failures == 0)
    }
}
