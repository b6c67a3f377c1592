// The cost of a device target through the lineage, against a hand computation.

import Accounting
import Testing

@Suite struct AmortisationTests {
    /// Microjoules of a joule, so that thirds are exact to six places.
    private let unit: Int64 = 1_000_000

    private var costs: [(node: String, cost: Int64)] {
        [
            ("data", 10), ("full", 100), ("kernel", 60), ("depth", 30), ("accuracy", 8),
            ("predictor", 2),
            ("table A", 4), ("table B", 6), ("search A1", 1), ("search A2", 1), ("search B1", 1),
            ("failed", 20),
        ].map { ($0, $1 * unit) }
    }

    private let shared: Set = ["data", "full", "kernel", "depth", "accuracy", "predictor"]

    private var targets: [(target: String, nodes: Set<String>)] {
        [
            ("A1", shared.union(["table A", "search A1"])),
            ("A2", shared.union(["table A", "search A2"])),
            ("B1", shared.union(["table B", "search B1"])),
        ]
    }

    @Test("three targets cost 73, 73 and 77; the failed attempt stays unallocated; the sum is 243")
    func threeTargets() {
        let result = Amortisation(costs: costs, ancestors: targets)
        #expect(result.targets.map(\.cost) == [73, 73, 77].map { $0 * unit })
        #expect(result.unallocated == 20 * unit)
    }

    @Test(
        "a fourth target cut from an earlier network costs 43.5 and lowers the others"
    )
    func fourTargets() {
        let result = Amortisation(
            costs: costs + [("search C", unit)],
            ancestors: targets + [("C", ["data", "full", "kernel", "search C"])])
        let costs = result.targets.map(\.cost)
        let expected = [58.833_333, 58.833_333, 62.833_333, 43.5]
        for (cost, joules) in zip(costs, expected) {
            #expect(abs(Double(cost) / Double(unit) - joules) < 3e-6)
        }
        #expect(result.unallocated == 20 * unit)
        #expect(costs.reduce(0, +) + result.unallocated == 244 * unit)
    }

    @Test("costs that do not divide are conserved, and no target gathers all odd units")
    func odd() {
        let nodes = (0..<30).map { "n\($0)" }
        let result = Amortisation(
            costs: nodes.map { ($0, Int64(10)) },
            ancestors: ["a", "b", "c"].map { ($0, Set(nodes)) })
        #expect(result.targets.map(\.cost) == [100, 100, 100])
        #expect(result.unallocated == 0)
    }

    @Test("without targets everything is unallocated")
    func none() {
        let result = Amortisation(costs: costs, ancestors: [(target: String, nodes: Set<String>)]())
        #expect(result.targets.isEmpty)
        #expect(result.unallocated == 243 * unit)
    }
}
