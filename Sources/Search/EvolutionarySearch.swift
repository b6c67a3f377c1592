// Finds the network of the best predicted accuracy within a device's limits, by evolution: the best
// networks are mutated and crossed, generation after generation. After Cai et al., ICLR 2020
// (regularised evolution, Real et al., 2019), without its faults: limits that no network meets are
// answered at once, no network is scored twice, the last generation counts, every child is
// feasible, and a seed repeats the result.
import Networks
import Tensors

/// What a search found.
public struct SearchResult: Codable, Hashable, Sendable {
    /// The best network; skipped layers hold 0.
    public var arch: SubnetConfig
    /// Its predicted accuracy.
    public var predictedAccuracy: Double
    /// What it needs on the device.
    public var metrics: NetworkMetrics
    /// Number of different networks that were scored.
    public var evaluations: Int
    /// Number of generations after the first population.
    public var generations: Int
    /// The seed that repeats the search.
    public var seed: UInt64
}

/// A search for one device in one space; a value that can be run again.
public struct EvolutionarySearch: Sendable {
    /// The knobs of the evolution; the defaults are the published ones, and an early end.
    public struct Options: Codable, Hashable, Sendable {
        /// Networks of a generation.
        public var population = 100
        /// The most generations after the first population.
        public var generations = 500
        /// Generations without a better network after which the search ends.
        public var patience = 100
        /// Share of a generation that survives and has children.
        public var parentShare = 0.25
        /// Share of a generation that is mutated from one parent; the rest is crossed from two.
        public var mutationShare = 0.5
        /// Probability with which a mutation redraws a layer, a depth or the resolution.
        public var mutationProbability = 0.1
        /// Decides every draw.
        public var seed: UInt64 = 0

        /// The defaults.
        public init() {}
    }

    /// A network with its score.
    private struct Scored {
        let config: SubnetConfig
        let score: Double
    }

    /// Attempts to draw a child that is feasible and new before it is repaired or given up.
    private static let attempts = 20

    /// The space, with the resolutions searched.
    private let space: SearchSpace
    private let device: DeviceTarget
    private let options: Options
    private let costs: LayerCosts
    /// A small network that meets the limits; infeasible children are moved towards it.
    private let anchor: SubnetConfig

    /// Prepares a search of `space` at these resolutions (all of the space's by default).
    ///
    /// Errors: `infeasible` with the smallest reachable values, `missingLatency` naming a key,
    /// `invalidOption`.
    public init(
        space: SearchSpace, resolutions: [Int]? = nil, device: DeviceTarget,
        latencyTable: LatencyTable? = nil, options: Options = Options()
    ) throws {
        var space = space
        space.resolutions = (resolutions ?? space.resolutions).sorted()
        try Self.validate(space, device, latencyTable, options)
        self.space = space
        self.device = device
        self.options = options
        costs = try LayerCosts(space, table: latencyTable)
        anchor = try Feasibility(space, costs, device).anchor()
    }

    /// Searches with a fitted predictor; throws `outsideDomain` if it does not cover the search.
    public func run(predictor: AccuracyPredictor) throws -> SearchResult {
        try predictor.checkDomain(space: space, resolutions: space.resolutions)
        return try run(score: predictor.predict)
    }

    /// Searches with any score, larger is better; it gets networks in batches and answers in their
    /// order.
    public func run(score: ([SubnetConfig]) throws -> [Double]) throws -> SearchResult {
        var generator = RandomStream(seed: options.seed)
        var seen: Set<SubnetConfig> = []
        var children: [SubnetConfig] = []
        for _ in 0..<options.population {
            if let child = newChild(&seen, &generator, make: { space.sample(using: &$0) }) {
                children.append(child)
            }
        }
        if seen.insert(anchor).inserted { children.append(anchor) }
        var pool: [Scored] = []
        var best: Scored?
        var generation = 0
        var stalled = 0
        while true {
            pool += zip(children, try score(children)).map { Scored(config: $0, score: $1) }
            // Indices break ties, so that equal scores have one order on every machine.
            pool = pool.enumerated().sorted {
                ($0.element.score, $1.offset) > ($1.element.score, $0.offset)
            }.map(\.element)
            pool = Array(pool.prefix(options.population))
            stalled += 1
            if let top = pool.first, top.score > best?.score ?? -.infinity {
                best = top
                stalled = 0
            }
            if generation == options.generations || stalled > options.patience { break }
            children = breed(pool, &seen, &generator)
            if children.isEmpty { break }
            generation += 1
        }
        guard let best else {
            throw SearchError(
                .invalidOption, "no network has a score: the predictor gives no numbers")
        }
        return SearchResult(
            arch: best.config.canonical, predictedAccuracy: best.score,
            metrics: costs.metrics(best.config, on: device), evaluations: seen.count,
            generations: generation, seed: options.seed)
    }

    /// What a network needs on this search's device.
    public func metrics(_ config: SubnetConfig) throws -> NetworkMetrics {
        try space.validate(config)
        return costs.metrics(config, on: device)
    }

    /// The children of a sorted pool: mutated and crossed from its best, all feasible and all new.
    private func breed(
        _ pool: [Scored], _ seen: inout Set<SubnetConfig>, _ generator: inout RandomStream
    ) -> [SubnetConfig] {
        let parents = pool.prefix(max(1, Int(Double(options.population) * options.parentShare)))
        func parent(_ generator: inout RandomStream) -> SubnetConfig {
            parents[generator.place(below: parents.count)].config
        }
        let mutations = Int(Double(options.population) * options.mutationShare)
        var children: [SubnetConfig] = []
        for place in 0..<options.population - min(parents.count, options.population - 1) {
            let child = newChild(&seen, &generator) { generator in
                place < mutations
                    ? mutated(parent(&generator), &generator)
                    : crossed(parent(&generator), parent(&generator), &generator)
            }
            if let child { children.append(child) }
        }
        return children
    }

    /// A feasible network not seen before; nil when the attempts are used up.
    private func newChild(
        _ seen: inout Set<SubnetConfig>, _ generator: inout RandomStream,
        make: (inout RandomStream) -> SubnetConfig
    ) -> SubnetConfig? {
        var last: SubnetConfig?
        for _ in 0..<Self.attempts {
            let child = make(&generator)
            last = child
            if isFeasible(child), seen.insert(child).inserted { return child }
        }
        guard let last else { return nil }
        let repaired = repaired(last, &generator)
        return seen.insert(repaired).inserted ? repaired : nil
    }

    private func isFeasible(_ config: SubnetConfig) -> Bool {
        device.limits.areMet(by: costs.metrics(config, on: device))
    }

    private func mutated(
        _ config: SubnetConfig, _ generator: inout RandomStream
    ) -> SubnetConfig {
        let fresh = space.sample(using: &generator)
        var config = config
        if generator.happens(options.mutationProbability) { config.resolution = fresh.resolution }
        for layer in config.kernelSizes.indices where generator.happens(options.mutationProbability)
        {
            config.kernelSizes[layer] = fresh.kernelSizes[layer]
            config.expandRatios[layer] = fresh.expandRatios[layer]
        }
        for stage in config.depths.indices where generator.happens(options.mutationProbability) {
            config.depths[stage] = fresh.depths[stage]
        }
        return config
    }

    private func crossed(
        _ left: SubnetConfig, _ right: SubnetConfig, _ generator: inout RandomStream
    ) -> SubnetConfig {
        var config = left
        if generator.happens(0.5) { config.resolution = right.resolution }
        for layer in config.kernelSizes.indices {
            if generator.happens(0.5) { config.kernelSizes[layer] = right.kernelSizes[layer] }
            if generator.happens(0.5) { config.expandRatios[layer] = right.expandRatios[layer] }
        }
        for stage in config.depths.indices where generator.happens(0.5) {
            config.depths[stage] = right.depths[stage]
        }
        return config
    }

    /// Moves genes to those of the anchor, in random order, until the limits are met.
    private func repaired(
        _ config: SubnetConfig, _ generator: inout RandomStream
    ) -> SubnetConfig {
        var config = config
        let layers = space.layerCount
        for gene in Array(0...layers + space.stages.count).shuffled(using: &generator) {
            if isFeasible(config) { return config }
            if gene < layers {
                config.kernelSizes[gene] = anchor.kernelSizes[gene]
                config.expandRatios[gene] = anchor.expandRatios[gene]
            } else if gene < layers + space.stages.count {
                config.depths[gene - layers] = anchor.depths[gene - layers]
            } else {
                config.resolution = anchor.resolution
            }
        }
        return config
    }

    private static func validate(
        _ space: SearchSpace, _ device: DeviceTarget, _ table: LatencyTable?, _ options: Options
    ) throws {
        try device.validate()
        guard !space.resolutions.isEmpty else {
            throw SearchError(.invalidOption, "a search needs at least one resolution")
        }
        guard device.limits.latencyMsMax == nil || table != nil else {
            throw SearchError(
                .missingLatency,
                "device \(device.name) limits latency but has no latency table: measure or give one"
            )
        }
        guard options.population >= 2, options.generations >= 0, options.patience >= 0,
            (0...1).contains(options.parentShare), (0...1).contains(options.mutationShare),
            (0...1).contains(options.mutationProbability)
        else {
            throw SearchError(
                .invalidOption,
                "a search needs a population of 2 or more, and shares and probabilities in 0…1")
        }
    }
}
