// ofa-bench search: the search beside the published one, on the published Note10 tables and predictor, one thread each:
// what is found at several latency limits, and how long as many evaluations take.
import ArgumentParser
import Foundation
import Interchange
import Networks
import Search

/// Times searches and says what they find.
struct SearchBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Searches under latency limits: what is found, and how long it takes.",
        discussion: """
            Needs the published tables and predictor: OFA_PUBLISHED names their folder (../shared/published).

            Example: ofa-bench search --peer --rounds 3
            """)

    /// The limits.
    @Option(help: "Latency limits in milliseconds, separated by commas.")
    var limits = "15,20,25,30,40,50"
    /// Seeds of each limit.
    @Option(help: "Seeds searched at every limit, from 0.") var seeds = 5
    /// Rounds of timing.
    @Option(help: "Rounds of timing, ours and the peer's in turn.") var rounds = 3
    /// Limits of the comparison with a front.
    @Option(help: "Latency limits at which one front is compared with searches; 0 for none.")
    var frontLimits = 20
    /// Whether the peer is run.
    @Flag(help: "Time the published search beside ours.") var peer = false
    /// Whether to answer in JSON.
    @Flag(help: "Print one JSON document.") var json = false

    /// Refuses what makes no sense.
    func validate() throws {
        guard seeds > 0, rounds > 0, frontLimits >= 0, !milliseconds.isEmpty,
            milliseconds.allSatisfy({ $0 > 0 })
        else { throw ValidationError("limits, --seeds and --rounds must be positive numbers") }
    }

    private var milliseconds: [Double] {
        limits.split(separator: ",").map { Double($0.trimmingCharacters(in: .whitespaces)) ?? 0 }
    }

    /// What was found at one limit.
    struct AtLimit: Codable {
        let limitMs: Double
        /// Predicted accuracies in percent.
        let mean, best: Double
        let meanSeconds, mostSeconds, meanEvaluations: Double
    }

    /// How a front compares.
    struct FrontReport: Codable {
        let networks, evaluations: Int
        let seconds: Double
        /// Points by which a single search was better, at the limit where it was most.
        let worstLoss: Double
    }

    /// Everything.
    struct Report: Codable {
        /// Medians in milliseconds for as many evaluations.
        let ours: Double
        let peer, ratio: Double?
        let unit = "ms"
        let evaluations: Int
        let oursRounds, peerRounds: [Double]
        let limits: [AtLimit]
        let front: FrontReport?

        private enum CodingKeys: CodingKey {
            case ours, peer, ratio, unit, evaluations, oursRounds, peerRounds, limits, front
        }
    }

    /// Runs everything and prints it.
    func run() throws {
        let published = try Published()
        let found = try milliseconds.map { try atLimit($0, published) }
        let front = frontLimits > 0 ? try compareFront(published) : nil
        let peer = peer ? try Peer.find("evolution.py") : nil
        var ours: [Double] = [], theirs: [Double] = [], evaluations = 0
        for round in 0..<rounds {
            var options = EvolutionarySearch.Options()
            options.seed = UInt64(round)
            options.patience = options.generations
            let (result, seconds) = try published.search(25, options)
            ours.append(1000 * seconds)
            evaluations = result.evaluations
            if let peer { theirs.append(1000 * (try published.seconds(peer))) }
        }
        let median = Statistics(ours).median
        let peerMedian = theirs.isEmpty ? nil : Statistics(theirs).median
        let report = Report(
            ours: median, peer: peerMedian, ratio: peerMedian.map { $0 / median },
            evaluations: evaluations, oursRounds: ours, peerRounds: theirs, limits: found,
            front: front)
        if json { return try Output.json(Headline(ms: ours, peer: theirs), report) }
        try show(report)
    }

    private func atLimit(_ limit: Double, _ published: Published) throws -> AtLimit {
        var accuracies: [Double] = [], seconds: [Double] = [], evaluations: [Double] = []
        for seed in 0..<seeds {
            var options = EvolutionarySearch.Options()
            options.seed = UInt64(seed)
            let (result, time) = try published.search(limit, options)
            accuracies.append(100 * result.predictedAccuracy)
            seconds.append(time)
            evaluations.append(Double(result.evaluations))
        }
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
        return AtLimit(
            limitMs: limit, mean: mean(accuracies), best: accuracies.max() ?? 0,
            meanSeconds: mean(seconds), mostSeconds: seconds.max() ?? 0,
            meanEvaluations: mean(evaluations))
    }

    private func compareFront(_ published: Published) throws -> FrontReport {
        let start = ContinuousClock.now
        let front = try published.front()
        let seconds = (.now - start) / .seconds(1)
        var worst = -Double.infinity
        for place in 0..<frontLimits {
            let limit = 12.5 + 47.5 * Double(place) / Double(max(frontLimits - 1, 1))
            let single = try published.search(limit, EvolutionarySearch.Options()).result
            let own = front.best(atMost: limit)?.predictedAccuracy ?? 0
            worst = max(worst, 100 * (single.predictedAccuracy - own))
        }
        return FrontReport(
            networks: front.networks.count, evaluations: front.networks.first?.evaluations ?? 0,
            seconds: seconds, worstLoss: worst)
    }

    private func show(_ report: Report) throws {
        var table = Table(
            text: ["limit"], numbers: ["mean %", "best %", "mean s", "most s", "evaluations"])
        for row in report.limits {
            table.rows.append([
                "\(decimal(row.limitMs, 1)) ms", decimal(row.mean, 3), decimal(row.best, 3),
                decimal(row.meanSeconds, 2), decimal(row.mostSeconds, 2),
                decimal(row.meanEvaluations, 0),
            ])
        }
        try table.print()
        if let front = report.front {
            try Output.line(
                "front: \(front.networks) networks of \(front.evaluations) scored in "
                    + "\(decimal(front.seconds, 1)) s; a single search is better by at most "
                    + "\(decimal(front.worstLoss, 3)) points at \(frontLimits) limits")
        }
        try Output.line(
            "\(report.evaluations) evaluations: ours \(decimal(report.ours, 0)) ms"
                + (report.peer.map { ", peer \(decimal($0, 0)) ms" } ?? "")
                + (report.ratio.map { ", ratio \(decimal($0, 1))" } ?? ""))
    }
}

/// The published tables and predictor.
struct Published {
    private static let resolutions = [160, 176, 192, 208, 224]
    private let folder: String
    private let space: SearchSpace
    private let table: LatencyTable
    private let predictor: AccuracyPredictor

    /// Reads them from OFA_PUBLISHED, or from shared/published beside the package.
    init(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws {
        let named = environment["OFA_PUBLISHED"].flatMap { $0.isEmpty ? nil : $0 }
        folder = named ?? "../shared/published"
        guard FileManager.default.fileExists(atPath: "\(folder)/note10") else {
            throw BenchError(
                "there is no note10 in \(folder): name the folder of the published data with OFA_PUBLISHED"
            )
        }
        space = try SearchSpace.named("ofa-mbv3-w1.2")
        table = try LatencyTable(contentsOf: "\(folder)/note10")
        let path = "\(folder)/acc_predictor.pth"
        let file = try TorchCheckpoint.decode(
            bytes: [UInt8](try Data(contentsOf: URL(filePath: path))))
        predictor = try AccuracyPredictor(
            stateDict: file.tensors.mapValues { ($0.shape, $0.values) }, space: space, source: path)
    }

    /// A search under a latency limit, and its seconds, preparation included.
    func search(_ limit: Double, _ options: EvolutionarySearch.Options) throws -> (
        result: SearchResult, seconds: Double
    ) {
        let start = ContinuousClock.now
        let device = DeviceTarget(
            name: "note10", kind: .phone, limits: Constraints(latencyMsMax: limit))
        let search = try EvolutionarySearch(
            space: space, resolutions: Self.resolutions, device: device, latencyTable: table,
            options: options)
        let result = try search.run(predictor: predictor)
        return (result, (.now - start) / .seconds(1))
    }

    /// One front over latency.
    func front() throws -> ParetoFront {
        try EvolutionarySearch(
            space: space, resolutions: Self.resolutions,
            device: DeviceTarget(name: "note10", kind: .phone, limits: Constraints()),
            latencyTable: table
        ).front(predictor: predictor)
    }

    /// The seconds of one search of the peer.
    func seconds(_ peer: Peer) throws -> Double {
        let text = try peer.output([
            peer.script,
            "--tables", "\(folder)/note10", "--predictor", "\(folder)/acc_predictor.pth",
            "--max-latency-ms", "25", "--seeds", "1",
        ])
        struct Line: Decodable {
            let seconds: Double
            let evaluations: Int
        }
        guard let line = text.split(separator: "\n").first else {
            throw BenchError("the peer printed nothing")
        }
        return try JSONDecoder().decode(Line.self, from: Data(line.utf8)).seconds
    }
}
