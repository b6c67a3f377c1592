// Reads the published latency tables of the Note10 phone, the published accuracy predictor and published measurements
// of subnets, for ofa-bench search.
import Devices
import Foundation
import Interchange
import Metering
import Networks
import Search

/// The published latency tables and accuracy predictor.
struct Published {
    private static let resolutions = [160, 176, 192, 208, 224]
    private let folder: String
    private let space: SearchSpace
    private let table: LatencyTable
    private let predictor: AccuracyPredictor

    /// Reads tables and predictor from the folder OFA_PUBLISHED, by default ../shared/published.
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

    /// Searches within a latency limit in milliseconds. Also returns the elapsed and the processor seconds, which
    /// include preparation.
    func search(_ limit: Double, _ options: EvolutionarySearch.Options) throws -> (
        result: SearchResult, seconds: Double, cpuSeconds: Double
    ) {
        try timed {
            try search(Constraints(latencyMsMax: limit), options).run(predictor: predictor)
        }
    }

    /// Searches the Pareto front of accuracy against latency, on all processors. Also returns the elapsed and the
    /// processor seconds.
    func front(_ options: EvolutionarySearch.Options) throws -> (
        result: ParetoFront, seconds: Double, cpuSeconds: Double
    ) {
        try timed {
            try search(Constraints(), options).front(
                predictor: predictor, threads: MachineLimits.current().processors.value)
        }
    }

    private func search(_ limits: Constraints, _ options: EvolutionarySearch.Options) throws
        -> EvolutionarySearch
    {
        try EvolutionarySearch(
            space: space, resolutions: Self.resolutions,
            device: DeviceTarget(name: "note10", kind: .phone, limits: limits),
            latencyTable: table, options: options)
    }

    /// Returns the learning curve of the default predictor on the measured subnets of the ofa-mbv3-w1.0 supernet.
    func learningCurve(draws: Int) throws -> [LearningPoint] {
        let space = try SearchSpace.named("ofa-mbv3-w1.0")
        return try AccuracyPredictor.learningCurve(
            try measuredSubnets("\(folder)/dynas", space), space: space,
            sizes: [50, 100, 200, 400],
            heldOut: 500, draws: draws)
    }

    /// Reads the subnets in a folder's tables with their accuracies, averaged over repeated measurements.
    private func measuredSubnets(_ folder: String, _ space: SearchSpace) throws -> [AccuracySample]
    {
        var lines: [Substring] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() {
            let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
            let own = text.split(whereSeparator: \.isNewline)
            lines += lines.isEmpty ? own : Array(own.dropFirst())
        }
        return try MeasuredNetworks(
            csv: lines.joined(separator: "\n"), space: space, source: folder
        ).samples
    }

    private func timed<Value>(_ body: () throws -> Value) throws -> (Value, Double, Double) {
        let start = ContinuousClock.now, cpu = try Clocks.processCPUNanoseconds()
        let value = try body()
        return (
            value, (.now - start) / .seconds(1),
            Double(try Clocks.processCPUNanoseconds() - cpu) / 1e9
        )
    }

    /// Runs one search of the peer and returns the seconds that it reports.
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
