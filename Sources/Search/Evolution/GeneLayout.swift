// A compact encoding of networks, because a search copies and changes many networks: one choice of kernel and ratio per
// layer, one depth per stage, the width genes if the space has any, and one resolution. Each gene is an index into a
// list of the space.
import Networks

/// The genes of one network: choices of the layers, then depths of the stages, then widths, then the resolution.
typealias Genes = [UInt8]

/// The encoding of a space's networks as genes.
struct GeneLayout: Sendable {
    /// The space, its resolutions ascending.
    let space: SearchSpace
    /// Number of layers of all stages at full depth.
    let layers: Int
    /// Number of stages, each with a depth gene.
    let stages: Int
    /// Number of width genes.
    let widths: Int
    /// The largest number of values of a layer's gene. Each value stands for one kernel size and one expand ratio of
    /// the layer's stage; the ratio varies fastest.
    let choices: Int
    /// The largest number of values that a depth gene has.
    let depths: Int
    /// The largest number of values that a width gene has.
    let widthLevels: Int
    /// Number of values of every gene.
    let levels: [Int]
    /// The indices of all genes except coupled genes, whose values follow from the depths.
    let free: [Int]
    /// The stage of each layer.
    let stageOf: [Int]
    /// The number of expand ratios that each layer may have, at least 1.
    let ratios: [Int]
    /// The first layer of each stage.
    private let firstLayer: [Int]
    /// The index after the last layer of each stage.
    private let endLayer: [Int]
    /// The number of layers that run, by stage and depth.
    private let active: [Int]
    /// For each width gene, the index in the space's list of widths that each value of the gene stands for; of equal
    /// widths, only the first is listed.
    private let widthIndices: [[Int]]
    /// The one choice that all layers of a stage have, by stage and depth; empty unless genes are coupled.
    private let coupled: [UInt8]

    /// Lays out `space`; throws `invalidOption` unless every gene has 1 to 255 values.
    init(_ space: SearchSpace) throws {
        self.space = space
        let most = space.stages.map(\.depths.count).max() ?? 1
        layers = space.layerCount
        stages = space.stages.count
        widths = space.widthGenes.count
        choices = space.stages.map(\.choices).max() ?? 1
        depths = most
        stageOf = space.stages.indices.flatMap { stage in
            space.stages[stage].places.map { _ in stage }
        }
        ratios = stageOf.map { max(1, space.stages[$0].expandRatios.count) }
        firstLayer = space.stages.map(\.places.lowerBound)
        endLayer = space.stages.map(\.places.upperBound)
        active = space.stages.flatMap { stage in
            (0..<most).map { place in
                stage.active(stage.depths[min(place, stage.depths.count - 1)])
            }
        }
        widthIndices = space.widthGenes.enumerated().map { gene, widths in
            let open = space.openValues[gene].compactMap {
                widths.firstIndex(of: widths[$0])
            }
            return Set(open).sorted()
        }
        widthLevels = widthIndices.map(\.count).max() ?? 0
        levels =
            stageOf.map { space.stages[$0].choices } + space.stages.map(\.depths.count)
            + widthIndices.map(\.count) + [space.resolutions.count]
        guard levels.allSatisfy({ (1...255).contains($0) }) else {
            throw SearchError(
                .invalidOption,
                "a search handles 1 to 255 values of a gene; space \(space.name) has \(levels)")
        }
        coupled = Self.coupled(space, depths: most)
        free = Array((coupled.isEmpty ? 0 : layers)..<levels.count)
    }

    private static func coupled(_ space: SearchSpace, depths: Int) -> [UInt8] {
        guard let coupling = space.coupling else { return [] }
        return space.stages.indices.flatMap { number in
            (0..<depths).map { place in
                let stage = space.stages[number]
                let ratio = coupling.expandRatios[min(place, coupling.expandRatios.count - 1)]
                let kernel = stage.kernelSizes.firstIndex(of: coupling.kernelSizes[number]) ?? 0
                return UInt8(
                    kernel * max(1, stage.expandRatios.count)
                        + (stage.expandRatios.firstIndex(of: ratio) ?? 0))
            }
        }
    }

    /// Whether the depths determine the choices of the layers.
    var isCoupled: Bool { !coupled.isEmpty }

    /// Returns the choice of all layers of a stage at depth index `depth`; genes must be coupled.
    func coupledChoice(_ stage: Int, _ depth: Int) -> UInt8 { coupled[stage * depths + depth] }

    /// Returns the index of a stage's depth gene.
    func depthGene(_ stage: Int) -> Int { layers + stage }
    /// Returns the index of a width gene.
    func widthGene(_ width: Int) -> Int { layers + stages + width }
    /// The index of the resolution's gene.
    var resolutionGene: Int { layers + stages + widths }

    /// Returns the index, in the space's list of widths, that the value of a width gene stands for.
    func widthIndex(_ width: Int, _ genes: Genes) -> Int {
        widthIndices[width][Int(genes[layers + stages + width])]
    }

    /// Number of networks; nil if it exceeds 64 bits.
    var networkCount: UInt64? {
        let count = space.networkCount
        return count <= UInt128(UInt64.max) ? UInt64(count) : nil
    }

    /// Returns how many layers of a stage run at depth index `depth`.
    func activeCount(_ stage: Int, _ depth: Int) -> Int { active[stage * depths + depth] }

    /// Returns the active layers of a stage.
    func activeLayers(_ stage: Int, _ genes: Genes) -> Range<Int> {
        let first = firstLayer[stage]
        return first..<first + active[stage * depths + Int(genes[layers + stage])]
    }

    /// Returns the layers of a stage that run at depth index `depth`.
    func layers(of stage: Int, depth: Int) -> Range<Int> {
        firstLayer[stage]..<firstLayer[stage] + active[stage * depths + depth]
    }

    /// Returns whether a gene belongs to a layer that the network skips.
    func isSkipped(_ gene: Int, _ genes: Genes) -> Bool {
        gene < layers && gene >= activeLayers(stageOf[gene], genes).upperBound
    }

    /// Sets coupled genes to the values that follow from the depths; has no effect if no genes are coupled.
    func applyCoupling(_ genes: inout Genes) {
        guard !coupled.isEmpty else { return }
        for layer in 0..<layers {
            let stage = stageOf[layer]
            genes[layer] = coupledChoice(stage, Int(genes[layers + stage]))
        }
    }

    /// Returns a number that identifies a network, in mixed radix modulo 2^128: unique if the product of all radices is
    /// at most 2^128, otherwise a hash, whose collisions are improbable.
    func key(_ genes: Genes) -> UInt128 {
        var key = UInt128(genes[resolutionGene])
        let depthFactor = UInt128(depths | 1), choiceFactor = UInt128(choices | 1)
        for stage in 0..<stages {
            key = key &* depthFactor &+ UInt128(genes[layers + stage])
            let active = activeLayers(stage, genes).upperBound
            for layer in firstLayer[stage]..<endLayer[stage] {
                key = key &* choiceFactor
                if layer < active { key = key &+ UInt128(genes[layer]) }
            }
        }
        for width in 0..<widths {
            let gene = widthGene(width)
            key = key &* UInt128(levels[gene] | 1) &+ UInt128(genes[gene])
        }
        return key
    }

    /// Returns the network that `genes` stand for; in the result, genes of skipped layers are 0.
    func config(_ genes: Genes) -> SubnetConfig {
        var config = SubnetConfig(
            kernelSizes: Array(repeating: 0, count: space.kernelGeneCount),
            expandRatios: Array(repeating: 0, count: layers),
            depths: (0..<stages).map { space.stages[$0].depths[Int(genes[layers + $0])] },
            widths: (0..<widths).map { widthIndex($0, genes) },
            resolution: space.resolutions[Int(genes[resolutionGene])])
        for stage in 0..<stages {
            for layer in activeLayers(stage, genes) {
                space.stages[stage].set(Int(genes[layer]), of: layer, in: &config)
            }
        }
        return config
    }

    /// Returns the genes of a network of the space; genes of skipped layers are 0. Errors: those of `space.validate`.
    func genes(_ config: SubnetConfig) throws -> Genes {
        try space.validate(config)
        let config = space.canonical(config)
        var genes = Genes(repeating: 0, count: levels.count)
        for (number, stage) in space.stages.enumerated() {
            for layer in stage.places.prefix(stage.active(config.depths[number])) {
                genes[layer] = UInt8(stage.choice(of: layer, in: config) ?? 0)
            }
            genes[layers + number] = UInt8(
                stage.depths.firstIndex(of: config.depths[number]) ?? 0)
        }
        for width in 0..<widths {
            genes[widthGene(width)] = UInt8(
                widthIndices[width].firstIndex(of: config.widths[width]) ?? 0)
        }
        genes[resolutionGene] = UInt8(space.resolutions.firstIndex(of: config.resolution) ?? 0)
        return genes
    }

    /// Calls `body` with every network once; genes of skipped layers are 0, or follow from the depths if coupled.
    func forEachNetwork(_ body: (Genes) throws -> Void) rethrows {
        var genes = Genes(repeating: 0, count: levels.count)
        while true {
            applyCoupling(&genes)
            try body(genes)
            // To get the next network, the first gene below its maximum is incremented, and the genes before it are
            // reset.
            var gene = free[0]
            while gene < levels.count {
                let top = isSkipped(gene, genes) ? 1 : levels[gene]
                if Int(genes[gene]) + 1 < top {
                    genes[gene] += 1
                    break
                }
                genes[gene] = 0
                gene += 1
            }
            if gene == levels.count { return }
        }
    }
}
