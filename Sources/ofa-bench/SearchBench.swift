// ofa-bench search: runs our search on the published Note10 latency tables and accuracy predictor. It reports the
// accuracies found at several latency limits, and how much less accurate the networks of a Pareto front are than those
// of single searches. It also times our search with as many evaluations as the published search makes and, with --peer,
// the published search. A search uses one thread; a front uses all processors.
import ArgumentParser
import Search

/// Times searches and reports their results.
struct SearchBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Searches under latency limits: what is found, and how long it takes.",
        discussion: """
            Needs the published tables and predictor: OFA_PUBLISHED names their folder (../shared/published).

            Example: ofa-bench search --peer --rounds 3
            """)

    /// The latency limits.
    @Option(help: "Latency limits in milliseconds, separated by commas.")
    var limits = "15,20,25,30,40,50"
    /// The number of seeds searched at each limit.
    @Option(help: "Seeds searched at every limit, from 0.") var seeds = 5
    /// Rounds of timing.
    @Option(help: "Rounds of timing, ours and the peer's in turn.") var rounds = 3
    /// The number of limits at which a Pareto front is compared with single searches.
    @Option(help: "Latency limits at which one front is compared with searches; 0 for none.")
    var frontLimits = 20
    /// The number of fronts, one for each seed.
    @Option(help: "Seeds of that comparison, from 0: a front with searches of its seed.")
    var frontSeeds = 1
    /// The number of random draws of training subnets for the predictor's learning curve.
    @Option(help: "Draws of the learning curve on measured subnets; 0 for none.") var draws = 20
    /// Whether to run the peer.
    @Flag(help: "Also time the published search.") var peer = false
    /// Whether to answer in JSON.
    @Flag(help: "Print one JSON document.") var json = false

    /// Refuses invalid options.
    func validate() throws {
        guard seeds > 0, rounds > 0, frontLimits >= 0, frontSeeds > 0, draws >= 0,
            !milliseconds.isEmpty,
            milliseconds.allSatisfy({ $0 > 0 })
        else { throw ValidationError("limits, --seeds and --rounds must be positive numbers") }
    }

    private var milliseconds: [Double] {
        limits.split(separator: ",").map { Double($0.trimmingCharacters(in: .whitespaces)) ?? 0 }
    }

    /// The result at one limit.
    struct AtLimit: Codable {
        let limitMs: Double
        /// The mean and the best predicted accuracy over the seeds, in percent.
        let mean, best: Double
        let meanSeconds, mostSeconds, meanEvaluations: Double
        /// Processor seconds of a search; other programs do not lengthen these.
        let meanCPUSeconds, mostCPUSeconds: Double
    }

    /// The comparison of a Pareto front with single searches.
    struct FrontReport: Codable {
        let seed: UInt64
        let networks, evaluations: Int
        let seconds, cpuSeconds: Double
        /// For each limit: the accuracy that a single search with the same seed finds, minus the accuracy of the
        /// front's best network within the limit, in percentage points.
        let losses: [Double]
        /// The largest of `losses`, and its limit.
        let worstLoss, worstLimitMs: Double
    }

    /// The whole answer.
    struct Report: Encodable {
        /// Our median milliseconds for as many evaluations as the published search makes.
        let ours: Double
        let peer, ratio: Double?
        let evaluations: Int
        let oursRounds, peerRounds: [Double]
        let limits: [AtLimit]
        let fronts: [FrontReport]
        let learningCurve: [LearningPoint]

        private enum CodingKeys: CodingKey {
            case evaluations, oursRounds, peerRounds, limits, fronts, learningCurve
        }
    }

    /// Runs the benchmark.
    func run() throws {
        let published = try Published()
        let found = try milliseconds.map { try atLimit($0, published) }
        let fronts = try (0..<(frontLimits > 0 ? frontSeeds : 0)).map {
            try compareFront(published, seed: UInt64($0))
        }
        let curve = draws > 0 ? try published.learningCurve(draws: draws) : []
        let peer = peer ? try Peer.find("evolution.py") : nil
        var ours: [Double] = [], theirs: [Double] = [], evaluations = 0
        for round in 0..<rounds {
            var options = EvolutionarySearch.Options()
            options.seed = UInt64(round)
            // The published search makes this number of evaluations.
            options.evaluations = 50_100
            options.patience = options.evaluations
            options.generations = .max
            let timed = try published.search(25, options)
            ours.append(1000 * timed.seconds)
            evaluations = timed.result.evaluations
            if let peer { theirs.append(1000 * (try published.seconds(peer))) }
        }
        let median = Statistics(ours).median
        let peerMedian = theirs.isEmpty ? nil : Statistics(theirs).median
        let report = Report(
            ours: median, peer: peerMedian, ratio: peerMedian.map { $0 / median },
            evaluations: evaluations, oursRounds: ours, peerRounds: theirs, limits: found,
            fronts: fronts, learningCurve: curve)
        if json { return try Output.json(Headline(ms: ours, peer: theirs), report) }
        try show(report)
    }

    private func atLimit(_ limit: Double, _ published: Published) throws -> AtLimit {
        var accuracies: [Double] = [], evaluations: [Double] = []
        var seconds: [Double] = [], cpuSeconds: [Double] = []
        for seed in 0..<seeds {
            var options = EvolutionarySearch.Options()
            options.seed = UInt64(seed)
            let timed = try published.search(limit, options)
            accuracies.append(100 * timed.result.predictedAccuracy)
            seconds.append(timed.seconds)
            cpuSeconds.append(timed.cpuSeconds)
            evaluations.append(Double(timed.result.evaluations))
        }
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
        return AtLimit(
            limitMs: limit, mean: mean(accuracies), best: accuracies.max() ?? 0,
            meanSeconds: mean(seconds), mostSeconds: seconds.max() ?? 0,
            meanEvaluations: mean(evaluations), meanCPUSeconds: mean(cpuSeconds),
            mostCPUSeconds: cpuSeconds.max() ?? 0)
    }

    private func compareFront(_ published: Published, seed: UInt64) throws -> FrontReport {
        var options = EvolutionarySearch.Options()
        options.seed = seed
        let (front, seconds, cpuSeconds) = try published.front(options)
        var losses: [(limit: Double, points: Double)] = []
        for place in 0..<frontLimits {
            let limit = 12.5 + 47.5 * Double(place) / Double(max(frontLimits - 1, 1))
            let single = try published.search(limit, options).result
            let own = front.best(atMost: limit)?.predictedAccuracy ?? 0
            losses.append((limit, 100 * (single.predictedAccuracy - own)))
        }
        let worst = losses.max { $0.points < $1.points }
        return FrontReport(
            seed: seed, networks: front.networks.count,
            evaluations: front.networks.first?.evaluations ?? 0, seconds: seconds,
            cpuSeconds: cpuSeconds, losses: losses.map(\.points), worstLoss: worst?.points ?? 0,
            worstLimitMs: worst?.limit ?? 0)
    }

    private func show(_ report: Report) throws {
        var table = Table(
            text: ["limit"],
            numbers: [
                "mean %", "best %", "mean s", "most s", "mean CPU s", "most CPU s", "evaluations",
            ])
        for row in report.limits {
            table.rows.append([
                "\(decimal(row.limitMs, 1)) ms", decimal(row.mean, 3), decimal(row.best, 3),
                decimal(row.meanSeconds, 2), decimal(row.mostSeconds, 2),
                decimal(row.meanCPUSeconds, 2), decimal(row.mostCPUSeconds, 2),
                decimal(row.meanEvaluations, 0),
            ])
        }
        try table.print()
        for front in report.fronts {
            let mean = front.losses.reduce(0, +) / Double(max(front.losses.count, 1))
            try Output.line(
                "front of seed \(front.seed): \(front.networks) networks of \(front.evaluations) scored in "
                    + "\(decimal(front.seconds, 1)) s (CPU \(decimal(front.cpuSeconds, 1)) s); against single searches at "
                    + "\(frontLimits) limits it is worse by at most \(decimal(front.worstLoss, 3)) points, at "
                    + "\(decimal(front.worstLimitMs, 1)) ms, and by \(decimal(mean, 3)) in the mean"
            )
        }
        if !report.learningCurve.isEmpty {
            var curve = Table(
                text: ["samples"], numbers: ["RMSE points", "MAE points", "Spearman", "Kendall"])
            curve.rows = report.learningCurve.map { point in
                [
                    "\(point.samples)", decimal(100 * point.rmse, 3), decimal(100 * point.mae, 3),
                    decimal(point.spearman, 4), decimal(point.kendall, 4),
                ]
            }
            try curve.print()
        }
        try Output.line(
            "\(report.evaluations) evaluations: ours \(decimal(report.ours, 0)) ms"
                + (report.peer.map { ", peer \(decimal($0, 0)) ms" } ?? "")
                + (report.ratio.map { ", ratio \(decimal($0, 1))" } ?? ""))
    }
}
