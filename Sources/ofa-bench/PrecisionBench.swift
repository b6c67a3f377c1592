// Runs `ofa-bench train --precision bf16`: training passes with 16-bit feature maps in turn with float32.
import Foundation
import Networks
import Tensors

/// Times training passes of one or several networks with both formats of feature maps, in alternating passes.
struct PrecisionBench {
    private let options: PassOptions

    /// The figures of one format.
    struct Side: Encodable {
        /// Milliseconds of a pass: median and least.
        let medianMs, minMs: Double
        /// Bytes of feature maps and gradients that a pass keeps.
        let workspaceBytes: Int
        /// The mean loss per image of the first pass.
        let loss: Double
    }

    /// The results for one network.
    struct Line: Encodable {
        /// The network's name.
        let name: String
        /// The two sides.
        let float32, bf16: Side
        /// The time with float32 divided by the time with bf16: of the medians, and of the fastest passes.
        let ratio, ratioOfFastest: Double
        /// The distance between the gradients of the first pass, divided by the length of the float32 gradient.
        let gradientDistance: Double
        /// The profile of a pass with bf16, if wanted.
        let profile: PassProfile?
    }

    /// The whole answer.
    struct Report: Encodable {
        /// The settings.
        let space: String, batch, threads, passes: Int
        /// The instruction set, and whether it multiplies 16-bit values.
        let instructionSet: String, multipliesHalves: Bool
        /// The load average before the first pass.
        let loadAverageBefore: Double
        /// The results of all networks.
        let networks: [Line]
    }

    /// Takes `options`, which must have passed `check`.
    init(_ options: PassOptions) { self.options = options }

    /// Times all networks and prints the answer.
    func run() throws {
        let space = try options.searchSpace()
        let engine = try CPUEngine(threads: options.threads)
        var load = [0.0]
        getloadavg(&load, 1)
        let lines = try options.choices().map { try time($0, space, engine) }
        let report = Report(
            space: space.name, batch: options.batch, threads: options.threads,
            passes: options.rounds * options.timedRuns,
            instructionSet: engine.instructionSet.description,
            multipliesHalves: engine.instructionSet.multipliesHalves, loadAverageBefore: load[0],
            networks: lines)
        let headline = Headline(
            ms: lines.map(\.bf16.medianMs), peer: lines.map(\.float32.medianMs))
        if options.json { return try Output.json(headline, report) }
        try print(report)
    }

    private func time(_ choice: ArchChoice, _ space: SearchSpace, _ engine: CPUEngine) throws
        -> Line
    {
        var sides: [(pass: SubnetPass, loss: Double, gradients: [Float])] = []
        for format in [MapFormat.float32, .bfloat16] {
            let pass = try SubnetPass(space, choice.config, batch: options.batch, engine: engine)
            pass.network.trainingFormat = format
            let loss = pass.firstLoss()
            sides.append((pass, loss, engine.download(pass.network.gradients.all)))
        }
        var times: [[Double]] = [[], []]
        for round in 1...options.rounds {
            for _ in 0..<options.timedRuns {
                for side in sides.indices {
                    times[side] += sides[side].pass.milliseconds(.train, runs: 1, warmup: 0)
                }
            }
            Output.note("\(choice.name): round \(round) of \(options.rounds)")
        }
        let found = sides.indices.map { index in
            let all = Statistics(times[index])
            return Side(
                medianMs: all.median, minMs: all.min,
                workspaceBytes: sides[index].pass.workspaceBytes, loss: sides[index].loss)
        }
        return Line(
            name: choice.name, float32: found[0], bf16: found[1],
            ratio: found[0].medianMs / found[1].medianMs,
            ratioOfFastest: found[0].minMs / found[1].minMs,
            gradientDistance: Self.distance(sides[1].gradients, from: sides[0].gradients),
            profile: options.profile ? sides[1].pass.profile(.train, runs: options.timedRuns) : nil)
    }

    /// Returns the distance between two vectors, divided by the length of `whole`.
    static func distance(_ other: [Float], from whole: [Float]) -> Double {
        var apart = 0.0, length = 0.0
        for (a, b) in zip(other, whole) {
            apart += (Double(a) - Double(b)) * (Double(a) - Double(b))
            length += Double(b) * Double(b)
        }
        return (apart / length).squareRoot()
    }

    private func print(_ report: Report) throws {
        try Output.line(
            "train, \(report.space), batch \(report.batch), \(report.threads) threads,"
                + " \(report.passes) alternating passes; kernels \(report.instructionSet), products of"
                + " \(report.multipliesHalves ? "16-bit values" : "widened values"); load before"
                + " \(decimal(report.loadAverageBefore, 1))")
        var table = Table(
            text: ["network", "maps"],
            numbers: [
                "median ms", "min ms", "ratio", "of fastest", "a pass keeps", "first loss",
                "gradient off by",
            ])
        for line in report.networks {
            for (name, side, isOurs) in [
                ("float32", line.float32, false), ("bf16", line.bf16, true),
            ] {
                table.rows.append([
                    line.name, name, decimal(side.medianMs, 2), decimal(side.minMs, 2),
                    isOurs ? decimal(line.ratio, 2) : "",
                    isOurs ? decimal(line.ratioOfFastest, 2) : "",
                    megabytes(side.workspaceBytes), decimal(side.loss, 4),
                    isOurs ? decimal(line.gradientDistance, 4) : "",
                ])
            }
        }
        try table.print()
        for line in report.networks {
            guard let profile = line.profile else { continue }
            try Output.line("\n\(line.name) with bf16, where the fastest pass spends its time:")
            try profile.print(lines: options.lines)
        }
    }
}
