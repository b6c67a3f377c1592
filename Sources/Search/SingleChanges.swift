// What a score is near one network: the network is scored with every single gene changed, and the differences are taken
// as a sum. That is exact for one change and a first approximation for many.
import Networks

/// The single changes of one network.
struct SingleChanges {
    /// A change, as a place among the values of a sum.
    private enum Change {
        case layer(Int, choice: Int)
        case depth(Int, Int)
        case resolution(Int)
    }

    private let layout: GeneLayout
    private let genes: Genes
    private var changes: [Change] = []
    /// The networks, in the order their scores are wanted.
    private(set) var networks: [Genes] = []

    /// Lists the changes of a network: every other choice of a layer (of a skipped one at the first depth that has it),
    /// every other depth, every other resolution of these.
    init(_ layout: GeneLayout, _ genes: Genes, _ resolutions: ClosedRange<Int>) {
        self.layout = layout
        self.genes = genes
        networks.reserveCapacity(layout.layers * layout.choices + 3 * layout.stages)
        func add(_ change: Change, _ edit: (inout Genes) -> Void) {
            var other = genes
            edit(&other)
            layout.settle(&other)
            networks.append(other)
            changes.append(change)
        }
        for stage in 0..<layout.stages {
            let gene = layout.layers + stage
            for depth in layout.space.depths.indices where depth != Int(genes[gene]) {
                add(.depth(stage, depth)) { $0[gene] = UInt8(depth) }
            }
        }
        for resolution in resolutions where resolution != Int(genes[layout.resolutionGene]) {
            add(.resolution(resolution)) { $0[layout.resolutionGene] = UInt8(resolution) }
        }
        if layout.isCoupled { return }
        for layer in 0..<layout.layers {
            guard let depth = depth(for: layer) else { continue }
            let gene = layout.layers + layer / layout.maxDepth
            for choice in 0..<layout.choices where choice != Int(genes[layer]) {
                add(.layer(layer, choice: choice)) {
                    $0[layer] = UInt8(choice)
                    $0[gene] = UInt8(depth)
                }
            }
        }
    }

    /// The place of the depth that a layer is looked at with: the network's own where it uses the layer.
    private func depth(for layer: Int) -> Int? {
        let own = Int(genes[layout.layers + layer / layout.maxDepth])
        let place = layer % layout.maxDepth
        if place < layout.space.depths[own] { return own }
        return layout.space.depths.indices.filter { place < layout.space.depths[$0] }
            .min { layout.space.depths[$0] < layout.space.depths[$1] }
    }

    /// The differences to the network's own score, in the order of `networks`, as values of choices; and by resolution.
    func values(_ base: Double, _ scores: [Double]) -> (Knapsack.Values, resolutions: [Float]) {
        let depths = layout.space.depths.count
        var values = Knapsack.Values(
            layers: Array(repeating: 0, count: layout.layers * layout.choices),
            depths: Array(repeating: 0, count: layout.stages * depths))
        var resolutions = Array(
            repeating: Knapsack.impossible, count: layout.space.resolutions.count)
        resolutions[Int(genes[layout.resolutionGene])] = 0
        func difference(_ score: Double, _ other: Double) -> Float {
            score.isFinite && other.isFinite ? Float(score - other) : Knapsack.impossible / 100
        }
        for (change, score) in zip(changes, scores) {
            switch change {
            case .depth(let stage, let depth):
                values.depths[stage * depths + depth] = difference(score, base)
            case .resolution(let place): resolutions[place] = difference(score, base)
            case .layer: break
            }
        }
        for (change, score) in zip(changes, scores) {
            guard case .layer(let layer, let choice) = change, let depth = depth(for: layer) else {
                continue
            }
            // A skipped layer beside the network that has it as it is written.
            let stage = layer / layout.maxDepth
            let of = values.depths[stage * depths + depth]
            values.layers[layer * layout.choices + choice] =
                difference(score, base) - of
        }
        return (values, resolutions)
    }
}
