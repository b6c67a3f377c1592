// The Pareto front of accuracy against one cost: the networks scored in one run that no other network dominates.
// `FrontEvolution` searches for these networks; this file runs several evolutions in parallel.
import Devices
import Networks
import Synchronization
import Tensors

/// Networks of which each is more accurate than every cheaper network.
public struct ParetoFront: Codable, Hashable, Sendable {
    /// The cost axis of a front.
    public enum Axis: String, Codable, Sendable, CaseIterable {
        /// Latency in milliseconds, by the latency table.
        case latency
        /// Multiply-accumulates.
        case macs
        /// Energy in millijoules.
        case energy

        /// The axis label in a plot.
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

    /// The cost axis of the front.
    public var axis: Axis
    /// The networks, cheapest first, accuracies ascending.
    public var networks: [SearchResult]

    /// Returns the most accurate network of the front whose cost is at most `limit`; nil if no network is that cheap.
    public func best(atMost limit: Double) -> SearchResult? {
        networks.last { ($0.metrics.value(of: axis.quantity) ?? .infinity) <= limit }
    }
}

extension EvolutionarySearch {
    /// Returns the front of the predicted accuracy over `axis`, within the device's limits. By default `axis` is
    /// latency if the search has a latency table, otherwise multiply-accumulates. `options.frontEvaluations` sets the
    /// effort.
    ///
    /// The search uses one thread for each `options.frontShare` evaluations, up to `threads`; the number of threads
    /// affects only the time. With the default options each thread takes up to 0.6 GB for its scored networks. The
    /// caller's thread runs some of the evolutions, calls `progress` with their finished share, and cancels the search
    /// if `progress` throws. Errors: `outsideDomain` if the predictor does not cover the space, `missingLatency` for a
    /// front over latency without a table, `invalidOption` if no network has a score, and errors of `progress`.
    public func front(
        predictor: AccuracyPredictor, over axis: ParetoFront.Axis? = nil, threads: Int = 1,
        progress: (Double) throws -> Void = { _ in }
    ) throws -> ParetoFront {
        try predictor.checkSearch(space)
        var front = try front(
            geneScore: { try predictor.score(layout) }, over: axis, threads: threads,
            progress: progress)
        for place in front.networks.indices {
            front.networks[place].predictedAccuracy = AccuracyPredictor.limited(
                front.networks[place].predictedAccuracy)
        }
        return front
    }

    /// Returns the front of any score, of which larger values are better. `score` maps a batch of networks to their
    /// scores in the same order, and is called on the caller's thread.
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
            throw DeviceError(
                .missingLatency, "a front over latency needs a latency table", remedy: "give one")
        }
        // The first quantity is the cost axis, which has no limit of its own; the device's limits apply too.
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

    /// Runs independent evolutions and merges their results. Each evolution has its own score function, because a score
    /// function serves one thread at a time.
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
                    // The seed differs from the seeds of this front's other evolutions. It also differs from the seeds
                    // of fronts with another `options.seed` and the same number of evolutions.
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
                    // The first error is reported; the other evolutions stop when they see the error.
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

/// The networks that no other added network dominates.
struct FrontArchive {
    /// A network of the front.
    struct Entry {
        let genes: Genes
        let cost, score: Double
    }

    private var front: [Entry] = []
    private var waiting: [Entry] = []

    /// Adds a network with a finite score; dominated networks are removed before `sorted` returns.
    mutating func add(_ genes: Genes, cost: Double, score: Double) {
        guard score.isFinite else { return }
        waiting.append(Entry(genes: genes, cost: cost, score: score))
        if waiting.count > 4096 { mergeWaiting() }
    }

    /// Adds the networks of `other`.
    mutating func add(_ other: FrontArchive) {
        waiting += other.front + other.waiting
        mergeWaiting()
    }

    /// The front, cheapest first.
    var sorted: [Entry] {
        mutating get {
            mergeWaiting()
            return front
        }
    }

    private mutating func mergeWaiting() {
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
