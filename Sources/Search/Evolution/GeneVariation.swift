// Makes new networks for a search: draws random networks, redraws single genes, crosses parents, and repairs a network
// that exceeds a limit by lowering genes until all limits are met.
import Networks

/// Draws and changes genes under limits.
struct GeneVariation {
    private let layout: GeneLayout
    /// The source of random draws.
    var random: GeneRandom

    /// The largest number of steps of one repair.
    private static let mostSteps = 300

    /// Prepares to draw and vary networks of `layout`.
    init(_ layout: GeneLayout, seed: UInt64) {
        self.layout = layout
        random = GeneRandom(seed: seed)
    }

    /// Returns a random network whose resolution is one of the indices `resolutions`.
    mutating func fresh(_ resolutions: ClosedRange<Int>) -> Genes {
        var genes = layout.levels.map { UInt8(random.place(below: $0)) }
        genes[layout.resolutionGene] = draw(resolutions)
        layout.applyCoupling(&genes)
        return genes
    }

    /// Returns a child of one or two of `parents`; the first parent is likely to be an early element of `parents`.
    mutating func child(
        _ parents: [Genes], _ resolutions: ClosedRange<Int>,
        _ options: EvolutionarySearch.Options
    ) -> Genes {
        var first = 0
        while first + 1 < parents.count && random.happens(options.nextParent) { first += 1 }
        var genes = parents[first]
        if random.happens(options.crossShare) {
            let other = parents[random.place(below: parents.count)]
            for gene in genes.indices where random.happens(0.5) { genes[gene] = other[gene] }
            if random.happens(0.5) { redraw(&genes, resolutions) }
        } else {
            repeat { redraw(&genes, resolutions) } while random.happens(options.furtherMutation)
        }
        layout.applyCoupling(&genes)
        return genes
    }

    /// Moves random genes down their lists of values, one gene by one value per step, until `limits` are met; returns
    /// false if `mostSteps` steps do not suffice. The resolution gene stays within `resolutions`.
    mutating func repair(
        _ genes: inout Genes, _ limits: LimitCosts, _ resolutions: ClosedRange<Int>
    ) -> Bool {
        for _ in 0..<Self.mostSteps {
            if limits.areMet(genes) { return true }
            step(&genes, up: false, resolutions)
            layout.applyCoupling(&genes)
        }
        return false
    }

    private mutating func draw(_ places: ClosedRange<Int>) -> UInt8 {
        UInt8(places.lowerBound + random.place(below: places.count))
    }

    /// Returns the index of a random gene, but never of a coupled gene or of a gene of a skipped layer.
    private mutating func gene(_ genes: Genes) -> Int {
        while true {
            let gene = layout.free[random.place(below: layout.free.count)]
            if !layout.isSkipped(gene, genes) { return gene }
        }
    }

    /// Redraws one random gene; for a layer's gene, redraws the kernel, the ratio, or both.
    private mutating func redraw(_ genes: inout Genes, _ resolutions: ClosedRange<Int>) {
        let gene = gene(genes)
        if gene == layout.resolutionGene {
            genes[gene] = draw(resolutions)
        } else if gene >= layout.layers {
            genes[gene] = UInt8(random.place(below: layout.levels[gene]))
        } else {
            let ratios = layout.ratios[gene]
            let old = Int(genes[gene]), new = random.place(below: layout.levels[gene])
            switch random.place(below: 3) {
            case 0: genes[gene] = UInt8(new / ratios * ratios + old % ratios)
            case 1: genes[gene] = UInt8(old / ratios * ratios + new % ratios)
            default: genes[gene] = UInt8(new)
            }
        }
    }

    /// Moves one random gene one value up or down its list of values, if there is such a value; for a layer's gene,
    /// moves the kernel or the ratio.
    private mutating func step(
        _ genes: inout Genes, up: Bool, _ resolutions: ClosedRange<Int>
    ) {
        let gene = gene(genes), by = up ? 1 : -1
        if gene >= layout.layers {
            let next = Int(genes[gene]) + by
            let places =
                gene == layout.resolutionGene ? resolutions : 0...layout.levels[gene] - 1
            if places.contains(next) { genes[gene] = UInt8(next) }
            return
        }
        let ratios = layout.ratios[gene], kernels = layout.levels[gene] / ratios
        let kernel = Int(genes[gene]) / ratios, ratio = Int(genes[gene]) % ratios
        let canKernel = (0..<kernels).contains(kernel + by)
        let canRatio = (0..<ratios).contains(ratio + by)
        guard canKernel || canRatio else { return }
        if canKernel && (!canRatio || random.happens(0.5)) {
            genes[gene] = UInt8((kernel + by) * ratios + ratio)
        } else {
            genes[gene] = UInt8(kernel * ratios + ratio + by)
        }
    }
}
