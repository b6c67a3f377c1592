// Searches for the network of the highest predicted accuracy within a device's limits: exhaustively in small spaces, by
// evolution in large spaces. The evolution is that of Cai et al., ICLR 2020 (regularised evolution, Real et al., 2019),
// with some differences. Children climb (Climb.swift), and no network is scored twice. The result may come from the
// last generation and always meets the limits; if no network meets them, the search fails at once. The search ends when
// it stops improving. The same seed gives the same result.
import Devices
import Networks
import Tensors

/// The result of a search.
public struct SearchResult: Codable, Hashable, Sendable {
    /// The best network; genes of skipped layers are 0.
    public var arch: SubnetConfig
    /// The network's score: with a predictor, its predicted accuracy in 0…1.
    public var predictedAccuracy: Double
    /// The network's costs on the device.
    public var metrics: NetworkMetrics
    /// Number of distinct networks scored.
    public var evaluations: Int
    /// Number of generations after the initial population; 0 for an exhaustive search.
    public var generations: Int
    /// The seed that reproduces the search.
    public var seed: UInt64
}

/// A search for one device in one space; it can be run repeatedly.
public struct EvolutionarySearch: Sendable {
    /// The parameters of the evolution. The defaults were chosen on the published Note10 tables and
    /// predictor, by the mean over sixteen seeds at six latency limits.
    public struct Options: Codable, Hashable, Sendable {
        /// Population size. Also the number of groups into which the resolutions are divided; each group provides at
        /// most one initial network.
        public var population = 8
        /// Random networks drawn for each initial climb, which starts from the best of them.
        public var draws = 60
        /// The largest number of children that climb.
        public var generations = 1000
        /// The largest number of networks that the search scores; the published search scores 50,100.
        public var evaluations = 100_000
        /// The search ends when more than this many networks were scored since the last improvement.
        public var patience = 30_000
        /// Probability that selection passes over a parent and considers the next-best parent.
        public var nextParent = 0.5
        /// Share of children that are crossovers of two parents.
        public var crossShare = 0.5
        /// Probability that a mutation redraws a further gene.
        public var furtherMutation = 0.8
        /// Spaces of at most this many networks are searched exhaustively.
        public var exhaustiveLimit: UInt64 = 20_000
        /// The largest number of networks that the search for a front scores; the default is enough for six evolutions.
        /// In a test (ops/docs/results.md), the best network known from single searches was missed by 16 of 120 pairs
        /// of evolutions, by 15 of 1,820 sets of four, and by 1 of 8,008 sets of six.
        public var frontEvaluations = 43_200_000
        /// The largest number of networks that one evolution of a front scores; with more networks, an evolution would
        /// rarely find better local optima (ops/docs/results.md). A larger `frontEvaluations` is divided evenly among
        /// several evolutions with different starts.
        public var frontShare = 7_200_000
        /// Determines every random draw.
        public var seed: UInt64 = 0

        /// The largest `frontEvaluations` accepted: about ten minutes on two processors.
        public static let mostFrontEvaluations = 100_000_000

        /// Makes the default options.
        public init() {}
    }

    /// Batch size of an exhaustive search.
    private static let batch = 2048

    /// The space, with the resolutions searched.
    let space: SearchSpace
    let device: DeviceTarget
    let options: Options
    let layout: GeneLayout
    let costs: LayerCosts
    /// A small network that meets the limits.
    let anchor: SubnetConfig
    /// Whether the search has a latency table.
    let hasLatency: Bool

    /// Prepares a search of `space` at `resolutions`, by default at all resolutions of the space.
    ///
    /// `energyTable` holds millijoules per part of a network; without it, energy is modelled. Errors: `infeasible` with
    /// the smallest reachable values; `missingLatency` for a part or resolution that a table lacks, or a latency limit
    /// without a table; `invalidOption` for options, limits or a space that cannot be searched.
    public init(
        space: SearchSpace, resolutions: [Int]? = nil, device: DeviceTarget,
        latencyTable: LatencyTable? = nil, energyTable: LatencyTable? = nil,
        options: Options = Options()
    ) throws {
        var space = space
        space.resolutions = Set(resolutions ?? space.resolutions).sorted()
        try Self.validate(space, device, latencyTable, options)
        self.space = space
        self.device = device
        self.options = options
        layout = try GeneLayout(space)
        costs = try LayerCosts(space, table: latencyTable, energy: energyTable)
        anchor = try Feasibility(space, costs, device).anchor()
        hasLatency = latencyTable != nil
    }

    /// Searches with a fitted predictor. `stop` is called before every batch of scores and cancels the search by
    /// throwing. Errors: `outsideDomain` if the predictor does not cover the space searched, `invalidOption` if no
    /// network has a score.
    public func run(
        predictor: AccuracyPredictor, stop: @escaping () throws -> Void = {}
    ) throws -> SearchResult {
        try predictor.checkSearch(space)
        let score = try predictor.score(layout)
        var result = try run(geneScore: { population in
            try stop()
            return try score(population)
        })
        result.predictedAccuracy = AccuracyPredictor.limited(result.predictedAccuracy)
        return result
    }

    /// Searches for the network with the largest score; `score` maps a batch of networks to their scores in the same
    /// order.
    public func run(score: ([SubnetConfig]) throws -> [Double]) throws -> SearchResult {
        try withoutActuallyEscaping(score) { score in
            try run(geneScore: { population in try score(population.map(layout.config)) })
        }
    }

    private func run(geneScore score: @escaping GeneScore) throws -> SearchResult {
        let limits = LimitCosts(layout, costs, device)
        let outcome: Evolution.Outcome
        if isEnumerable {
            var best: Evolution.Member?
            let count = try forEachFeasible(limits, score) { genes, score in
                if score.isFinite, score > best?.score ?? -.infinity {
                    best = Evolution.Member(genes: genes, score: score)
                }
            }
            outcome = Evolution.Outcome(best: best, evaluations: count, generations: 0)
        } else {
            var evolution = try Evolution(
                layout, limits, anchor: try layout.genes(anchor), options, score)
            outcome = try evolution.run()
        }
        guard let best = outcome.best else { throw Self.noScore }
        return result(best, outcome)
    }

    static var noScore: SearchError {
        SearchError(.invalidOption, "no network has a score: the predictor gives no numbers")
    }

    /// Whether the space is small enough for an exhaustive search.
    var isEnumerable: Bool { layout.networkCount.map { $0 <= options.exhaustiveLimit } ?? false }

    /// Scores every network that meets the limits, calls `body` with each network and its score, and returns the number
    /// of networks scored. `progress` gets the finished share of the space and cancels by throwing.
    func forEachFeasible(
        _ limits: LimitCosts, _ score: GeneScore, progress: (Double) throws -> Void = { _ in },
        _ body: (Genes, Double) -> Void
    ) throws -> Int {
        let all = Double(layout.networkCount ?? 1)
        var count = 0, seen = 0
        var batch: [Genes] = []
        func flush() throws {
            for (genes, score) in zip(batch, try score(batch)) { body(genes, score) }
            try progress(min(1, Double(seen) / all))
            count += batch.count
            batch.removeAll(keepingCapacity: true)
        }
        try layout.forEachNetwork { genes in
            seen += 1
            if limits.areMet(genes) { batch.append(genes) }
            if batch.count == Self.batch { try flush() }
        }
        if !batch.isEmpty { try flush() }
        return count
    }

    func result(_ member: Evolution.Member, _ outcome: Evolution.Outcome) -> SearchResult {
        let config = layout.config(member.genes)
        return SearchResult(
            arch: config, predictedAccuracy: member.score,
            metrics: costs.metrics(config, on: device), evaluations: outcome.evaluations,
            generations: outcome.generations, seed: options.seed)
    }

    /// Returns the costs of a network on this search's device; throws if the network is not of the space searched.
    public func metrics(_ config: SubnetConfig) throws -> NetworkMetrics {
        try space.validate(config)
        return costs.metrics(config, on: device)
    }

    private static func validate(
        _ space: SearchSpace, _ device: DeviceTarget, _ table: LatencyTable?, _ options: Options
    ) throws {
        try device.validate()
        guard !space.resolutions.isEmpty else {
            throw SearchError(.invalidOption, "a search needs at least one resolution")
        }
        guard device.limits.latencyMsMax == nil || table != nil else {
            throw DeviceError(
                .missingLatency,
                "device \(device.name) limits latency but has no latency table",
                remedy: "measure or give one"
            )
        }
        guard options.population >= 2, options.draws >= 1, options.generations >= 0,
            options.evaluations >= 1, options.patience >= 0, options.frontEvaluations >= 1,
            options.frontShare >= 1,
            (0..<1).contains(options.nextParent), (0...1).contains(options.crossShare),
            (0..<1).contains(options.furtherMutation)
        else {
            throw SearchError(
                .invalidOption,
                "a search needs a population of 2 or more, and shares and probabilities in 0…1")
        }
    }
}
