// Networks as short rows of small numbers, which a search copies and changes by the hundred thousand: one choice of
// kernel and ratio a layer, one depth a stage, one resolution; each a place in the space's lists.
import Networks

/// The genes of one network: choices of the layers, then depths of the stages, then the resolution.
typealias Genes = [UInt8]

/// How networks of a space are written as genes.
struct GeneLayout: Sendable {
    /// The space, its resolutions ascending.
    let space: SearchSpace
    /// Layers of all stages at full depth.
    let layers: Int
    /// Elastic stages.
    let stages: Int
    /// Kernels times ratios: the values of a layer's gene, kernel-major.
    let choices: Int
    /// How many values every gene has.
    let levels: [Int]
    /// The genes that are not decided by others.
    let free: [Int]
    /// Layers of a stage at full depth.
    let maxDepth: Int
    /// By stage and depth: the choice of coupled genes; empty where genes are free.
    private let coupled: [UInt8]

    /// Lays out `space`; throws `invalidOption` for lists of over 255 values.
    init(_ space: SearchSpace) throws {
        self.space = space
        layers = space.layerCount
        stages = space.stages.count
        maxDepth = space.maxDepth
        choices = space.kernelSizes.count * space.expandRatios.count
        levels =
            Array(repeating: choices, count: layers)
            + Array(repeating: space.depths.count, count: stages) + [space.resolutions.count]
        guard levels.allSatisfy({ (1...255).contains($0) }) else {
            throw SearchError(
                .invalidOption,
                "a search handles 1 to 255 values of a gene; space \(space.name) has \(levels)")
        }
        var coupled: [UInt8] = []
        if let coupling = space.coupling {
            for stage in space.stages.indices {
                for ratio in coupling.expandRatios {
                    let kernel = space.kernelSizes.firstIndex(of: coupling.kernelSizes[stage]) ?? 0
                    let place = space.expandRatios.firstIndex(of: ratio) ?? 0
                    coupled.append(UInt8(kernel * space.expandRatios.count + place))
                }
            }
        }
        self.coupled = coupled
        free = Array((coupled.isEmpty ? 0 : layers)..<layers + stages + 1)
    }

    /// Whether the depths decide the choices of the layers.
    var isCoupled: Bool { !coupled.isEmpty }

    /// The choice of a stage's layers at a place of the depths, where they are coupled.
    func coupledChoice(_ stage: Int, _ depth: Int) -> UInt8 {
        coupled[stage * space.depths.count + depth]
    }

    /// The place of the resolution among the genes.
    var resolutionGene: Int { layers + stages }

    /// How many networks there are; nil above 2^64.
    var networkCount: UInt64? {
        var total = UInt64(space.resolutions.count)
        for _ in 0..<stages {
            var perStage: UInt64 = 0
            for depth in space.depths {
                var power: UInt64 = 1
                for _ in 0..<(coupled.isEmpty ? depth : 0) {
                    let (product, overflow) = power.multipliedReportingOverflow(
                        by: UInt64(choices))
                    if overflow { return nil }
                    power = product
                }
                let (sum, overflow) = perStage.addingReportingOverflow(power)
                if overflow { return nil }
                perStage = sum
            }
            let (product, overflow) = total.multipliedReportingOverflow(by: perStage)
            if overflow { return nil }
            total = product
        }
        return total
    }

    /// The layers of a stage that the genes use.
    func activeLayers(_ stage: Int, _ genes: Genes) -> Range<Int> {
        let first = stage * maxDepth
        return first..<first + space.depths[Int(genes[layers + stage])]
    }

    /// Whether a gene belongs to a layer that the network skips.
    func isSkipped(_ gene: Int, _ genes: Genes) -> Bool {
        gene < layers
            && gene % maxDepth >= space.depths[Int(genes[layers + gene / maxDepth])]
    }

    /// Sets coupled genes as the depths want them; does nothing where genes are free.
    func settle(_ genes: inout Genes) {
        guard !coupled.isEmpty else { return }
        for layer in 0..<layers {
            let stage = layer / maxDepth
            genes[layer] = coupledChoice(stage, Int(genes[layers + stage]))
        }
    }

    /// A number that two rows share exactly if they are the same network.
    ///
    /// Exact for spaces below 2^128 networks; the odd factors mix larger ones, where two of a search's networks meet
    /// with a probability below 2^-90.
    func key(_ genes: Genes) -> UInt128 {
        var key = UInt128(genes[resolutionGene])
        let depthFactor = UInt128(space.depths.count | 1), choiceFactor = UInt128(choices | 1)
        for stage in 0..<stages {
            let depth = genes[layers + stage]
            key = key &* depthFactor &+ UInt128(depth)
            let first = stage * maxDepth, active = space.depths[Int(depth)]
            for layer in 0..<maxDepth {
                key = key &* choiceFactor
                if layer < active { key = key &+ UInt128(genes[first + layer]) }
            }
        }
        return key
    }

    /// The network that the genes say; skipped layers hold 0.
    func config(_ genes: Genes) -> SubnetConfig {
        let ratios = space.expandRatios.count
        var config = SubnetConfig(
            kernelSizes: Array(repeating: 0, count: layers),
            expandRatios: Array(repeating: 0, count: layers),
            depths: (0..<stages).map { space.depths[Int(genes[layers + $0])] },
            resolution: space.resolutions[Int(genes[resolutionGene])])
        for stage in 0..<stages {
            for layer in activeLayers(stage, genes) {
                config.kernelSizes[layer] = space.kernelSizes[Int(genes[layer]) / ratios]
                config.expandRatios[layer] = space.expandRatios[Int(genes[layer]) % ratios]
            }
        }
        return config
    }

    /// The genes of a network of the space; genes of skipped layers are 0. Throws as the space's check.
    func genes(_ config: SubnetConfig) throws -> Genes {
        try space.validate(config)
        let ratios = space.expandRatios.count
        var genes = Genes(repeating: 0, count: levels.count)
        for layer in 0..<layers where config.isActive(layer: layer) {
            let kernel = space.kernelSizes.firstIndex(of: config.kernelSizes[layer]) ?? 0
            let ratio = space.expandRatios.firstIndex(of: config.expandRatios[layer]) ?? 0
            genes[layer] = UInt8(kernel * ratios + ratio)
        }
        for (stage, depth) in config.depths.enumerated() {
            genes[layers + stage] = UInt8(space.depths.firstIndex(of: depth) ?? 0)
        }
        genes[resolutionGene] = UInt8(space.resolutions.firstIndex(of: config.resolution) ?? 0)
        return genes
    }

    /// Calls `body` with every network once; skipped layers are 0.
    func forEachNetwork(_ body: (Genes) throws -> Void) rethrows {
        var genes = Genes(repeating: 0, count: levels.count)
        while true {
            settle(&genes)
            try body(genes)
            // The next row: the first gene that can grow does, and those before it start again.
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

/// A fast generator for the draws of a search (SplitMix64: Steele et al., 2014), started from a seed.
struct GeneRandom {
    private var state: UInt64

    /// The stream of a seed. The seed is mixed: streams that begin a few steps apart fall into step with each other as
    /// soon as one takes a draw more than the other.
    init(seed: UInt64) {
        state = Self.mixed(seed &+ 0x5851_F42D_4C95_7F2D)
    }

    /// The next 64 random bits.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mixed(state)
    }

    /// These bits, mixed so that every one of them decides about every other.
    static func mixed(_ state: UInt64) -> UInt64 {
        var bits = state
        bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        return bits ^ bits >> 31
    }

    /// A place of a list of this length, 1 to 2^32.
    mutating func place(below count: Int) -> Int {
        Int(truncatingIfNeeded: ((next() >> 32) &* UInt64(truncatingIfNeeded: count)) >> 32)
    }

    /// Whether an event of this probability happens.
    mutating func happens(_ probability: Double) -> Bool {
        Double(next() >> 11) * 0x1p-53 < probability
    }
}
