// The knapsack: the best sum at every cost, against all networks of small spaces.
import Networks
import Tensors
import TestSupport
import Testing

@testable import Search

@Suite struct KnapsackTests {
    /// Values and costs drawn for every choice; a twentieth of the choices may not be taken.
    private func draw(_ layout: GeneLayout, _ stream: inout RandomStream) -> (
        Knapsack.Values, LimitCosts.Steps
    ) {
        func value() -> Float { Float(stream.below(2001)) / 1000 - 1 }
        let values = Knapsack.Values(
            layers: (0..<layout.layers * layout.choices).map { _ in value() },
            depths: (0..<layout.stages * layout.depths).map { _ in value() })
        let costs = (0..<layout.layers * layout.choices).map { _ in
            stream.below(20) == 0 ? -1 : Int32(stream.below(40))
        }
        return (
            values,
            LimitCosts.Steps(
                layers: costs, depths: Array(repeating: 0, count: layout.stages * layout.depths))
        )
    }

    /// The sum and the cost of a network; nil where it takes what may not be taken.
    private func sum(
        _ layout: GeneLayout, _ genes: Genes, _ values: Knapsack.Values,
        _ costs: LimitCosts.Steps
    ) -> (value: Float, cost: Int)? {
        var value: Float = 0, cost = 0
        for stage in 0..<layout.stages {
            for layer in layout.activeLayers(stage, genes) {
                let place = layer * layout.choices + Int(genes[layer])
                if costs.layers[place] < 0 { return nil }
                value += values.layers[place]
                cost += Int(costs.layers[place])
            }
            value +=
                values.depths[
                    stage * layout.depths + Int(genes[layout.layers + stage])]
        }
        return (value, cost)
    }

    @Test(
        "at every cost the best sum is that of all networks, and its network has it",
        arguments: 1...6)
    func enumeration(seed: UInt64) throws {
        var compOFA = try SearchSpace.named("compofa-mbv3-w1.0")
        compOFA.resolutions = [224]
        var tiny = tinySpace
        tiny.resolutions = [16]
        for space in [tiny, compOFA] {
            let layout = try GeneLayout(space)
            var stream = RandomStream(seed: seed)
            let (values, costs) = draw(layout, &stream)
            let top = Knapsack.steps + Knapsack.beyond
            var best = [Float](repeating: -.infinity, count: top + 1)
            layout.forEachNetwork { genes in
                guard let found = sum(layout, genes, values, costs), found.cost <= top else {
                    return
                }
                best[found.cost] = max(best[found.cost], found.value)
            }
            var knapsack = try Knapsack(layout)
            // A second time in the same memory.
            var free = costs
            free.layers = costs.layers.map { $0 < 0 ? $0 : 0 }
            knapsack.solve(values, costs: free)
            knapsack.solve(values, costs: costs)
            let like = try layout.genes(space.smallest)
            var reached = 0
            for cost in 0...top {
                if best[cost] == -.infinity {
                    #expect(
                        knapsack.best(cost) < Knapsack.impossible / 100,
                        "seed \(seed), \(space.name), cost \(cost)")
                    continue
                }
                reached += 1
                // Sums of some twenty numbers below 2 in another order.
                #expect(
                    abs(knapsack.best(cost) - best[cost]) < 2e-5,
                    "seed \(seed), \(space.name), cost \(cost)")
                let network = try #require(
                    sum(layout, knapsack.network(cost, like: like), values, costs),
                    "seed \(seed), \(space.name), cost \(cost)")
                #expect(network.cost == cost && abs(network.value - best[cost]) < 2e-5)
            }
            #expect(reached > 0, "seed \(seed), \(space.name)")
        }
    }
}
