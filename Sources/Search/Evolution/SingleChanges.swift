// A first-order approximation of a score near one network: every single change of a gene is scored, and a network's
// score is estimated by the sum of the score differences of its changes. The sum is exact for one change and
// approximate for several.
import Networks

/// The single changes of one network.
struct SingleChanges {
    /// A changed gene with its new value.
    private enum Change {
        case layer(Int, choice: Int)
        case depth(Int, Int)
        case width(Int, Int)
        case resolution(Int)
    }

    private let layout: GeneLayout
    private let genes: Genes
    private var changes: [Change] = []
    /// The changed networks, in the order of the scores given to `values`.
    private(set) var networks: [Genes] = []

    /// Lists the single changes of a network: every other depth of a stage, every other width, every other resolution
    /// among `resolutions` and, unless genes are coupled, every other choice of a layer. A layer that the network skips
    /// is changed at the smallest depth that runs the layer.
    init(_ layout: GeneLayout, _ genes: Genes, _ resolutions: ClosedRange<Int>) {
        self.layout = layout
        self.genes = genes
        networks.reserveCapacity(layout.layers * layout.choices + 3 * layout.stages)
        func add(_ change: Change, _ edit: (inout Genes) -> Void) {
            var other = genes
            edit(&other)
            layout.applyCoupling(&other)
            networks.append(other)
            changes.append(change)
        }
        for stage in 0..<layout.stages {
            let gene = layout.depthGene(stage)
            for depth in 0..<layout.levels[gene] where depth != Int(genes[gene]) {
                add(.depth(stage, depth)) { $0[gene] = UInt8(depth) }
            }
        }
        for width in 0..<layout.widths {
            let gene = layout.widthGene(width)
            for value in 0..<layout.levels[gene] where value != Int(genes[gene]) {
                add(.width(width, value)) { $0[gene] = UInt8(value) }
            }
        }
        for resolution in resolutions where resolution != Int(genes[layout.resolutionGene]) {
            add(.resolution(resolution)) { $0[layout.resolutionGene] = UInt8(resolution) }
        }
        if layout.isCoupled { return }
        for layer in 0..<layout.layers {
            guard let depth = depth(for: layer) else { continue }
            let gene = layout.depthGene(layout.stageOf[layer])
            for choice in 0..<layout.levels[layer] where choice != Int(genes[layer]) {
                add(.layer(layer, choice: choice)) {
                    $0[layer] = UInt8(choice)
                    $0[gene] = UInt8(depth)
                }
            }
        }
    }

    /// Returns the depth index at which a layer's changes are scored: the network's own if the layer is active,
    /// otherwise the index of the smallest depth that runs the layer; nil if no depth runs the layer.
    private func depth(for layer: Int) -> Int? {
        let stage = layout.stageOf[layer], own = Int(genes[layout.depthGene(stage)])
        func has(_ depth: Int) -> Bool { layout.layers(of: stage, depth: depth).contains(layer) }
        if has(own) { return own }
        return (0..<layout.levels[layout.depthGene(stage)]).filter(has)
            .min { layout.activeCount(stage, $0) < layout.activeCount(stage, $1) }
    }

    /// Returns the score differences that the single changes make: changes of layers, depths and widths as values for a
    /// knapsack, and changes of the resolution as one value per resolution. `base` is the score of the unchanged
    /// network, and `scores` are the scores of `networks`, in the same order.
    func values(_ base: Double, _ scores: [Double]) -> (Knapsack.Values, resolutions: [Float]) {
        var values = Knapsack.Values(
            layers: Array(repeating: 0, count: layout.layers * layout.choices),
            depths: Array(repeating: 0, count: layout.stages * layout.depths),
            widths: Array(repeating: 0, count: layout.widths * layout.widthLevels))
        var resolutions = Array(
            repeating: Knapsack.impossible, count: layout.space.resolutions.count)
        resolutions[Int(genes[layout.resolutionGene])] = 0
        func difference(_ score: Double, _ other: Double) -> Float {
            score.isFinite && other.isFinite ? Float(score - other) : Knapsack.impossible / 100
        }
        for (change, score) in zip(changes, scores) {
            switch change {
            case .depth(let stage, let depth):
                values.depths[stage * layout.depths + depth] = difference(score, base)
            case .width(let width, let value):
                values.widths[width * layout.widthLevels + value] = difference(score, base)
            case .resolution(let place): resolutions[place] = difference(score, base)
            case .layer: break
            }
        }
        for (change, score) in zip(changes, scores) {
            guard case .layer(let layer, let choice) = change, let depth = depth(for: layer) else {
                continue
            }
            // A skipped layer's change is compared with the network that differs from the base network only in depth.
            let of = values.depths[layout.stageOf[layer] * layout.depths + depth]
            values.layers[layer * layout.choices + choice] =
                difference(score, base) - of
        }
        return (values, resolutions)
    }
}
