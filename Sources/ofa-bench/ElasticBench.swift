// ofa-bench elastic: measures the overhead of running a subnet inside its supernet.
import ArgumentParser
import Foundation
import Metering
import Networks
import Tensors

/// Times each subnet in two forms, in alternating passes: inside its supernet, and extracted from the supernet.
struct ElasticBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "elastic",
        abstract: "Times random subnets inside their supernet and extracted from it.",
        discussion: """
            A pass is forward, loss and backward (or forward alone with --eval); the two sides take turns pass by \
            pass. Activation is the work of changing to another subnet: resolving its shape, and deriving the smaller \
            depthwise filters, which every pass does again.

            Example: ofa-bench elastic --count 20 --resolution 128 --batch 32
            """)

    /// The search space.
    @Option(help: "The search space: ofa-mbv3-w1.0, ofa-mbv3-w1.2 or fashion-mbv3.")
    var space = "ofa-mbv3-w1.0"
    /// The number of networks.
    @Option(help: "How many random networks.") var count = 20
    /// The seed of the networks.
    @Option(help: "The seed of the random networks.") var seed: UInt64 = 1
    /// Height and width of the images.
    @Option(help: "Height and width of the images, in pixels.") var resolution = 128
    /// Images of a pass.
    @Option(help: "Images of a pass.") var batch = 32
    /// Threads of the engine.
    @Option(help: "Threads of the engine.")
    var threads = MachineLimits.current().processors.value
    /// The number of passes inside the supernet; the extracted network runs as many.
    @Option(help: "Passes of either side.") var runs = 15
    /// Whether to time inference instead of training.
    @Flag(help: "Time inference instead of training.") var eval = false
    /// Whether to answer in JSON.
    @Flag(help: "Print one JSON document on standard output, and nothing else there.")
    var json = false

    /// The result for one network.
    struct Line: Encodable {
        /// The network's name.
        let name: String
        /// Median milliseconds of a pass inside the supernet and of the extracted network.
        let elasticMs, staticMs: Double
        /// The time inside the supernet divided by the time of the extracted network: of the medians, and of the
        /// fastest passes.
        let ratio, ratioOfFastest: Double
        /// Milliseconds to change to this network: to resolve its shape and derive its depthwise filters.
        let activationMs: Double
    }

    /// The whole answer.
    struct Report: Encodable {
        /// The kind of pass: train or eval.
        let mode: PassMode
        /// The results of all networks.
        let networks: [Line]
        /// Geometric means of the ratios.
        let geometricMeanRatio, geometricMeanRatioOfFastest: Double
        /// The largest `activationMs`.
        let activationMsMax: Double
    }

    /// Refuses invalid options.
    func validate() throws {
        for (name, value, range) in [
            ("count", count, 1...1000), ("resolution", resolution, 8...1024),
            ("batch", batch, 1...4096), ("threads", threads, 1...256), ("runs", runs, 1...10_000),
        ] where !range.contains(value) {
            throw ValidationError("--\(name) is \(value); it must lie in \(range)")
        }
    }

    /// Runs the benchmark.
    func run() throws {
        let space = try SearchSpace.named(space), engine = try CPUEngine(threads: threads)
        let weights = try Weights(supernetOf: space, seed: 1)
        let supernet = try Network(supernet: weights, of: space, engine: engine)
        let choices = try ArchChoice.read(
            "random", space: space, resolution: resolution, count: count, seed: seed)
        var lines: [Line] = []
        for choice in choices {
            let line = try time(choice, in: space, supernet)
            Output.note(
                "\(choice.name) of \(count): in place \(decimal(line.elasticMs, 2)) ms, cut out"
                    + " \(decimal(line.staticMs, 2)) ms")
            lines.append(line)
        }
        let report = Report(
            mode: eval ? .eval : .train, networks: lines,
            geometricMeanRatio: Statistics.geometricMean(lines.map(\.ratio)),
            geometricMeanRatioOfFastest: Statistics.geometricMean(lines.map(\.ratioOfFastest)),
            activationMsMax: lines.map(\.activationMs).max() ?? 0)
        if json {
            return try Output.json(
                Headline(ms: lines.map(\.elasticMs), peer: lines.map(\.staticMs)), report)
        }
        var table = Table(
            text: ["network"],
            numbers: ["in place ms", "cut out ms", "ratio", "of fastest", "activation ms"])
        for line in lines {
            table.rows.append([
                line.name, decimal(line.elasticMs, 2), decimal(line.staticMs, 2),
                decimal(line.ratio, 3), decimal(line.ratioOfFastest, 3),
                decimal(line.activationMs, 3),
            ])
        }
        try table.print()
        try Output.line(
            "geometric mean \(decimal(report.geometricMeanRatio, 3)); of the fastest passes"
                + " \(decimal(report.geometricMeanRatioOfFastest, 3)); longest activation"
                + " \(decimal(report.activationMsMax, 3)) ms")
    }

    private func time(_ choice: ArchChoice, in space: SearchSpace, _ supernet: Network) throws
        -> Line
    {
        let mode: PassMode = eval ? .eval : .train, clock = ContinuousClock()
        let start = clock.now
        let shape = try NetworkShape(space, choice.config)
        let shaping = start.duration(to: clock.now)
        let elastic = SubnetPass(supernet, shape, batch: batch)
        let own = supernet.extract(shape, statistics: supernet.weights.statistics)
        let cut = SubnetPass(
            Network(own, widest: shape, engine: supernet.engine), shape, batch: batch)
        var inPlace: [Double] = [], apart: [Double] = []
        for run in 0..<runs + 2 {
            let pair = [elastic.bareMilliseconds(mode), cut.bareMilliseconds(mode)]
            guard run >= 2 else { continue }
            inPlace.append(pair[0])
            apart.append(pair[1])
        }
        let filters = elastic.profile(mode, runs: 3).operators
            .filter { $0.name == "elasticKernel" }.reduce(0) { $0 + $1.ms }
        let (ours, theirs) = (Statistics(inPlace), Statistics(apart))
        return Line(
            name: choice.name, elasticMs: ours.median, staticMs: theirs.median,
            ratio: ours.median / theirs.median, ratioOfFastest: ours.min / theirs.min,
            activationMs: shaping / .milliseconds(1) + filters)
    }
}
