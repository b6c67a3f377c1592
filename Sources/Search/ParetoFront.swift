// The whole front of accuracy against one cost, in one run: everything that was scored on the way and that nothing else
// dominates. How networks are found for all costs at once: FrontEvolution.swift; here several evolutions run side by side.
import Networks
import Synchronization
import Tensors

/// Networks none of which is both cheaper and better than another.
public struct ParetoFront: Codable, Hashable, Sendable {
    /// What a front is drawn over.
    public enum Axis: String, Codable, Sendable, CaseIterable {
        /// Latency in milliseconds, by table.
        case latency
        /// Multiply-accumulates.
        case macs
        /// Energy in millijoules.
        case energy

        /// What stands beside it in a plot.
        var label: String {
            switch self {
            case .latency: "latency, ms"
            case .macs: "multiply-accumulates"
            case .energy: "energy, mJ"
            }
        }

        var quantity: Quantity {
            switch self {
            case .latency: .latencyMs
            case .macs: .macs
            case .energy: .energyMJ
            }
        }
    }

    /// The cost.
    public var axis: Axis
    /// The networks, cheapest first, accuracies ascending.
    public var networks: [SearchResult]

    /// The best network whose cost is at most `limit`; nil when none is.
    public func best(atMost limit: Double) -> SearchResult? {
        networks.last { ($0.metrics.value(of: axis.quantity) ?? .infinity) <= limit }
    }
}

extension EvolutionarySearch {
    /// The front of a fitted predictor's accuracy over `axis` (latency where it is known, multiply-accumulates
    /// otherwise), within the device's limits; `options.frontEvaluations` say how thorough.
    ///
    /// The number of threads, of which it uses one for each `options.frontShare`, changes nothing but the time; each
    /// takes up to 0.6 GB for what it has scored. `progress` is told, on the caller's thread, which share of the
    /// caller's part is done, and ends the run by an error. Errors:
    /// `outsideDomain`, `missingLatency`, `invalidOption` where no network has a score, and what `progress` throws.
    public func front(
        predictor: AccuracyPredictor, over axis: ParetoFront.Axis? = nil, threads: Int = 1,
        progress: (Double) throws -> Void = { _ in }
    ) throws -> ParetoFront {
        try predictor.checkSearch(space)
        return try front(
            geneScore: { try predictor.score(layout) }, over: axis, threads: threads,
            progress: progress)
    }

    /// The front of any score: larger is better; it gets networks in batches and answers in their order, up to
    /// `options.frontEvaluations` of them in all, on the caller's thread.
    public func front(
        score: ([SubnetConfig]) throws -> [Double], over axis: ParetoFront.Axis? = nil
    ) throws -> ParetoFront {
        try withoutActuallyEscaping(score) { score in
            try front(
                geneScore: { { try score($0.map(layout.config)) } }, over: axis, threads: 1
            ) { _ in }
        }
    }

    private func front(
        geneScore: () throws -> GeneScore, over axis: ParetoFront.Axis?, threads: Int,
        progress: (Double) throws -> Void
    ) throws -> ParetoFront {
        let axis = axis ?? (hasLatency ? .latency : .macs)
        guard axis != .latency || hasLatency else {
            throw SearchError(
                .missingLatency, "a front over latency needs a latency table", remedy: "give one")
        }
        // The axis comes first, without a limit; the device's limits hold beside it.
        let limits = LimitCosts(
            layout, costs, device,
            quantities: [(axis.quantity, .infinity)]
                + device.limits.limits.map { ($0.quantity, $0.limit) })
        var archive = FrontArchive()
        var outcome = Evolution.Outcome()
        if isEnumerable {
            outcome.evaluations = try forEachFeasible(
                limits, geneScore(), progress: progress
            ) { genes, score in
                archive.add(genes, cost: limits.value(0, genes), score: score)
            }
        } else {
            (archive, outcome) = try evolve(
                limits, geneScore, threads: threads, progress: progress)
        }
        let networks = archive.sorted.map {
            result(Evolution.Member(genes: $0.genes, score: $0.score), outcome)
        }
        guard !networks.isEmpty else { throw Self.noScore }
        return ParetoFront(axis: axis, networks: networks)
    }

    /// Evolutions that know nothing of each other, and what all of them found. Each has a score of its own, since a
    /// score is used by one thread at a time.
    private func evolve(
        _ limits: LimitCosts, _ geneScore: () throws -> GeneScore, threads: Int,
        progress: (Double) throws -> Void
    ) throws -> (FrontArchive, Evolution.Outcome) {
        let total = options.frontEvaluations
        let count = (total - 1) / options.frontShare + 1
        let found = Mutex<[Int: (FrontArchive, Evolution.Outcome)]>([:])
        let failure = Mutex<(any Error)?>(nil)
        let pool = try ThreadPool(threads: min(max(threads, 1), count))
        pool.run { thread in
            let mine = Array(stride(from: thread, to: count, by: pool.threads))
            for (done, place) in mine.enumerated() {
                do {
                    var options = options
                    // No two evolutions of a front, nor of fronts with as many, draw from one seed.
                    options.seed = options.seed &* UInt64(count) &+ UInt64(place)
                    options.frontEvaluations = total / count + (place < total % count ? 1 : 0)
                    var evolution = try FrontEvolution(
                        layout, limits, anchor: try layout.genes(anchor), options, try geneScore())
                    let result = try evolution.run { share in
                        if let error = failure.withLock({ $0 }) { throw error }
                        if thread == 0 {
                            try progress((Double(done) + share) / Double(mine.count))
                        }
                    }
                    found.withLock { $0[place] = result }
                } catch {
                    // The first says what went wrong, the others end by it.
                    failure.withLock { $0 = $0 ?? error }
                    return
                }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
        var archive = FrontArchive(), outcome = Evolution.Outcome()
        for (_, (its, part)) in found.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
            archive.add(its)
            outcome.evaluations += part.evaluations
            outcome.generations = max(outcome.generations, part.generations)
        }
        return (archive, outcome)
    }
}

/// Everything scored that nothing else dominates.
struct FrontArchive {
    /// A network of the front.
    struct Entry {
        let genes: Genes
        let cost, score: Double
    }

    private var front: [Entry] = []
    private var waiting: [Entry] = []

    /// Considers a network.
    mutating func add(_ genes: Genes, cost: Double, score: Double) {
        guard score.isFinite else { return }
        waiting.append(Entry(genes: genes, cost: cost, score: score))
        if waiting.count > 4096 { settle() }
    }

    /// Considers what another archive has.
    mutating func add(_ other: FrontArchive) {
        waiting += other.front + other.waiting
        settle()
    }

    /// The front, cheapest first.
    var sorted: [Entry] {
        mutating get {
            settle()
            return front
        }
    }

    private mutating func settle() {
        let all = front + waiting
        waiting.removeAll(keepingCapacity: true)
        front.removeAll(keepingCapacity: true)
        let order = all.indices.sorted {
            (all[$0].cost, -all[$0].score, $0) < (all[$1].cost, -all[$1].score, $1)
        }
        for place in order where all[place].score > front.last?.score ?? -.infinity {
            front.append(all[place])
        }
    }
}
