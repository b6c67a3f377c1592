// Improves one network by local search, a very large-scale neighbourhood search (Ahuja et al., 2002). A step first
// scores all single changes of genes. Then knapsacks over the score differences propose networks that differ in many
// genes and lie close below the limits. The best network within the limits starts the next step.
//
// With the published Note10 tables and predictor at 25 ms, climbs from 40 random networks took about five steps of 200
// evaluations. The median result was 0.7 points below the best known network; one result was within 0.1 points.
import Networks

/// Climbs from network to better network until a step finds no better network.
struct Climb {
    /// A network with its score.
    struct Member: Equatable {
        let genes: Genes
        let score: Double
    }

    /// Penalties per changed gene, in units of the mean absolute score difference that a single change of a layer
    /// makes. Without a penalty a knapsack changes every gene that raises the sum. A large penalty keeps the proposed
    /// network near the current network.
    private static let cautions: [Float] = [0, 0.5, 2]
    /// The penalty of knapsacks at another resolution or width than the current network's.
    private static let usual: Float = 0.5
    /// The largest number of networks that one knapsack proposes, not counting the networks proposed for `lowerCosts`
    /// of `climb`.
    private static let proposals = 4

    private let layout: GeneLayout
    private var knapsack: Knapsack
    /// The networks scored by all climbs.
    var scored: ScoredNetworks

    /// Prepares climbs among networks of `layout`; all climbs together score at most `most` networks.
    init(_ layout: GeneLayout, most: Int, _ score: @escaping GeneScore) throws {
        self.layout = layout
        knapsack = try Knapsack(layout)
        scored = ScoredNetworks(layout, most: most, score)
    }

    /// Returns the best network reached from `start` at `resolutions` and within `limits`; nil if `start` has no finite
    /// score or exceeds the limits. For a front, each step also proposes the best network in each of `lowerCosts`
    /// narrow ranges of cost, from the limit downwards. `seen` is called with each network that first gets a finite
    /// score in this climb, and with the score; such a network may exceed the limits.
    mutating func climb(
        from start: Genes, _ limits: LimitCosts, _ resolutions: ClosedRange<Int>,
        lowerCosts: Int = 0,
        _ random: inout GeneRandom, seen: (Genes, Double) -> Void
    ) throws -> Member? {
        guard let first = try scored.scores(of: [start], seen: seen).first,
            first.isFinite, limits.areMet(start)
        else { return nil }
        var current = Member(genes: start, score: first)
        while scored.left > 0 {
            let size = Int(current.genes[layout.resolutionGene])
            let near = (size - 1..<size + 2).clamped(
                to: resolutions.lowerBound..<resolutions.upperBound + 1)
            let single = SingleChanges(
                layout, current.genes, near.lowerBound...near.upperBound - 1)
            var best = current
            func consider(_ networks: [Genes], _ scores: [Double]) {
                for (genes, score) in zip(networks, scores)
                where score > best.score && limits.areMet(genes) {
                    best = Member(genes: genes, score: score)
                }
            }
            let scores = try scored.scores(of: single.networks, seen: seen)
            consider(single.networks, scores)
            let (values, sizes) = single.values(current.score, scores)
            let proposed = propose(current.genes, values, sizes, near, limits, lowerCosts, &random)
            consider(proposed, try scored.scores(of: proposed, seen: seen))
            if best.score <= current.score { break }
            current = best
        }
        return current
    }

    /// Returns networks that meet the limits and whose gene changes have the largest sums of score differences.
    private mutating func propose(
        _ genes: Genes, _ values: Knapsack.Values, _ sizes: [Float], _ resolutions: Range<Int>,
        _ limits: LimitCosts, _ lowerCosts: Int, _ random: inout GeneRandom
    ) -> [Genes] {
        let step = averageStep(values)
        var proposed: [Genes] = []
        for like in grounds(genes, values, sizes, resolutions) {
            let isOwn = like == genes
            for weights in limits.mixes(genes, &random) {
                guard
                    let costs = limits.knapsackSteps(like, weights: weights, steps: Knapsack.steps)
                else { continue }
                for caution in isOwn ? Self.cautions : [Self.usual] {
                    knapsack.solve(cautious(values, genes, caution * step), costs: costs)
                    for cost in bestCosts(isOwn && caution == Self.usual ? lowerCosts : 0) {
                        let network = knapsack.network(cost, like: like)
                        if limits.areMet(network) { proposed.append(network) }
                    }
                }
            }
        }
        return proposed
    }

    /// Returns the base networks of the knapsacks; a knapsack keeps the resolution and widths of its base network. The
    /// base networks are `genes` at each of `resolutions`, and `genes` with each single change of a width. Networks
    /// without a finite score are left out.
    private func grounds(
        _ genes: Genes, _ values: Knapsack.Values, _ sizes: [Float], _ resolutions: Range<Int>
    ) -> [Genes] {
        var grounds: [Genes] = []
        for resolution in resolutions where sizes[resolution] > Knapsack.impossible / 100 {
            var like = genes
            like[layout.resolutionGene] = UInt8(resolution)
            grounds.append(like)
        }
        for width in 0..<layout.widths {
            let gene = layout.widthGene(width)
            for value in 0..<layout.levels[gene] where value != Int(genes[gene]) {
                let worth = values.widths[width * layout.widthLevels + value]
                guard worth > Knapsack.impossible / 100 else { continue }
                var like = genes
                like[gene] = UInt8(value)
                grounds.append(like)
            }
        }
        return grounds
    }

    /// Returns the costs, in steps of the knapsack, of the `proposals` best sums. Also returns the cost of the best sum
    /// in each of `lowerCosts` ranges: each range is three steps wide, and the ranges follow each other from the limit
    /// downwards.
    private func bestCosts(_ lowerCosts: Int) -> [Int] {
        var best: [(sum: Float, cost: Int)] = []
        for cost in (0...Knapsack.steps + Knapsack.beyond).reversed() {
            let sum = knapsack.best(cost)
            if sum <= Knapsack.impossible / 100 { continue }
            if best.count == Self.proposals, let last = best.last, sum <= last.sum { continue }
            best.insert((sum, cost), at: best.firstIndex { $0.sum < sum } ?? best.count)
            if best.count > Self.proposals { best.removeLast() }
        }
        var costs = best.map(\.cost)
        let width = 3
        for range in 0..<lowerCosts {
            let top = Knapsack.steps - range * width
            let places = (max(top - width + 1, 0)...max(top, 0)).filter {
                knapsack.best($0) > Knapsack.impossible / 100
            }
            if let place = places.max(by: { knapsack.best($0) < knapsack.best($1) }) {
                costs.append(place)
            }
        }
        return costs
    }

    /// Returns the mean absolute difference in score that a single change of a layer makes.
    private func averageStep(_ values: Knapsack.Values) -> Float {
        var sum: Float = 0, count: Float = 0
        for value in values.layers where value != 0 && value > Knapsack.impossible / 1000 {
            sum += abs(value)
            count += 1
        }
        return count > 0 ? sum / count : 0
    }

    /// Returns `values`, minus `penalty` for every changed depth and every changed gene of an active layer.
    private func cautious(_ values: Knapsack.Values, _ genes: Genes, _ penalty: Float)
        -> Knapsack.Values
    {
        if penalty == 0 { return values }
        var values = values
        for stage in 0..<layout.stages {
            for depth in 0..<layout.depths where depth != Int(genes[layout.layers + stage]) {
                values.depths[stage * layout.depths + depth] -= penalty
            }
            for layer in layout.activeLayers(stage, genes) {
                for choice in 0..<layout.choices where choice != Int(genes[layer]) {
                    values.layers[layer * layout.choices + choice] -= penalty
                }
            }
        }
        return values
    }
}
