// ofa-bench infer: times passes of compiled networks beside passes of the same subnet inside its supernet and, on
// request, beside ONNX Runtime.
import ArgumentParser
import Foundation
import Metering
import Networks
import Tensors

/// Times inference of cut networks.
struct InferBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "infer",
        abstract: "Times compiled networks beside the subnet in its supernet and ONNX Runtime.",
        discussion: """
            The sides take turns in short rounds. On a machine with other work, compare the fastest passes and the \
            lowest tenths; the medians then tell about the other work. With --onnxruntime, OFA_PEER_PYTHON names a \
            Python with onnxruntime and numpy; the peer runs the network that ours exports.

            With --int8, the network in eight bits is timed beside its floats, and beside the peer on its file.

            Example: ofa-bench infer --arch max,mid,min --resolution 224 --batch 1 --threads 1 --onnxruntime
            """)

    /// The search space.
    @Option(help: "The search space: ofa-mbv3-w1.0, ofa-mbv3-w1.2 or fashion-mbv3.")
    var space = "ofa-mbv3-w1.0"
    /// The networks.
    @Option(help: "Networks, separated by commas: max, mid, min.") var arch = "max,mid,min"
    /// Height and width of the images.
    @Option(help: "Height and width of the images, in pixels.") var resolution = 224
    /// Images of a pass.
    @Option(help: "Images of a pass.") var batch = 1
    /// Threads of either side.
    @Option(help: "Threads of either side.")
    var threads = MachineLimits.current().processors.value
    /// Passes of a round.
    @Option(help: "Passes of either side in a round.") var runs = 5
    /// The number of rounds.
    @Option(help: "Rounds; the sides take turns.") var rounds = 40
    /// Whether to time ONNX Runtime too.
    @Flag(help: "Time ONNX Runtime too.") var onnxruntime = false
    /// Whether to time networks in eight bits too.
    @Flag(help: "Time the networks in eight bits too.") var int8 = false
    /// Whether to profile the compiled pass.
    @Flag(help: "Show where each millisecond and byte of the compiled pass goes.")
    var profile = false
    /// Whether the profile lists every operator at every place.
    @Flag(help: "With --profile: also a line for every operator at every place.") var lines = false
    /// Whether to answer in JSON.
    @Flag(help: "Print one JSON document on standard output, and nothing else there.")
    var json = false

    /// The passes of one side, in milliseconds.
    struct Side: Encodable {
        /// The side's name.
        let name: String
        /// The fastest pass, the lowest tenth, and the median.
        let minMs, tenthMs, medianMs: Double

        init(_ name: String, _ times: [Double]) {
            let sorted = times.sorted()
            self.name = name
            (minMs, tenthMs, medianMs) = (
                sorted[0], sorted[sorted.count / 10], Statistics(times).median
            )
        }
    }

    /// The result for one network.
    struct Line: Encodable {
        /// The network's name; its multiply-accumulates per image.
        let name: String, macs: Int
        /// The pass inside the supernet, the compiled pass, and the peer's, nil if no peer ran.
        let inSupernet, compiled: Side, peer: Side?
        /// Milliseconds to compile the network, the fastest of three.
        let compileMs: Double
        /// Bytes of the packed weights and of the maps.
        let weightBytes, mapBytes: Int
        /// The largest difference of the compiled network's logits from those of the other sides, divided by the
        /// largest logit.
        let errorToSupernet: Double, errorToPeer: Double?
        /// The profile of a compiled pass; nil if not requested.
        let profile: CompiledProfile?
        /// The network in eight bits; nil if not requested.
        let int8: EightBits?
    }

    /// The whole answer.
    struct Report: Encodable {
        /// The settings.
        let space: String, resolution, batch, threads, runs, rounds: Int
        /// The instruction set of the engine's kernels.
        let instructionSet: String
        /// The load average before the first round.
        let loadAverageBefore: Double
        /// GFLOP per second of the engine's product on a block in cache, on all threads: the largest of all networks'.
        let productGflopPerS: Double
        /// The roofline beside which the compiled passes are profiled; nil if no profile was requested.
        let roofline: Roofline?
        /// The results of all networks.
        let networks: [Line]
    }

    /// Refuses invalid options.
    func validate() throws {
        for (name, value, range) in [
            ("resolution", resolution, 8...1024), ("batch", batch, 1...4096),
            ("threads", threads, 1...256), ("runs", runs, 1...10_000), ("rounds", rounds, 1...1000),
        ] where !range.contains(value) {
            throw ValidationError("--\(name) is \(value); it must lie in \(range)")
        }
    }

    /// Runs the benchmark.
    func run() throws {
        let space = try SearchSpace.named(space), engine = try CPUEngine(threads: threads)
        var load = [0.0]
        getloadavg(&load, 1)
        let weights = try Weights(supernetOf: space, seed: 1)
        weights.spreadStatistics()
        let supernet = try Network(supernet: weights, of: space, engine: engine)
        let roofline = profile ? try Roofline(engine) : nil
        var networks: [Line] = [], product = 0.0
        for name in arch.split(separator: ",") {
            let choice = try ArchChoice.read(
                String(name), space: space, resolution: resolution, count: 1, seed: 1)[0]
            networks.append(try time(choice, space, supernet, roofline))
            product = max(product, engine.productPeak() / 1e9)
        }
        let report = Report(
            space: space.name, resolution: resolution, batch: batch, threads: threads, runs: runs,
            rounds: rounds, instructionSet: engine.instructionSet.description,
            loadAverageBefore: load[0], productGflopPerS: product, roofline: roofline,
            networks: networks)
        if json {
            return try Output.json(
                Headline(
                    ms: networks.map(\.compiled.minMs), peer: networks.compactMap(\.peer?.minMs)),
                report)
        }
        try print(report)
    }

    private func time(
        _ choice: ArchChoice, _ space: SearchSpace, _ supernet: Network, _ roofline: Roofline?
    ) throws -> Line {
        guard let engine = supernet.engine as? CPUEngine else {
            throw BenchError("compiled networks run on a CPU engine")
        }
        let shape = try NetworkShape(space, choice.config), clock = ContinuousClock()
        let elastic = SubnetPass(supernet, shape, batch: batch)
        var compileMs = Double.infinity, made: CompiledSubnet?
        for _ in 0..<3 {
            made = nil
            let time = clock.measure {
                made = CompiledSubnet(
                    supernet.weights, shape, images: elastic.images, engine: engine)
            }
            compileMs = min(compileMs, time / .milliseconds(1))
        }
        guard let network = made else { throw BenchError("no network was compiled") }
        let peer = onnxruntime ? try self.peer(supernet, shape, elastic.images) : nil
        defer {
            do { try peer?.stop() } catch { Output.note("the peer did not end: \(error)") }
        }
        let expected = elastic.logits().map(Double.init)
        let logits = network.logits().map(Double.init)
        var inSupernet: [Double] = [], compiled: [Double] = [], theirs: [Double] = []
        for _ in 0..<rounds {
            inSupernet += elastic.milliseconds(.eval, runs: runs, warmup: 1)
            compiled += network.milliseconds(runs: runs, warmup: 1)
            theirs += try peer?.milliseconds(runs: runs + 1).dropFirst() ?? []
        }
        let found = try peer?.logits()
        let name = peer?.name ?? ""
        return Line(
            name: choice.name, macs: try NetworkCost(space, choice.config).macs,
            inSupernet: Side("in supernet", inSupernet), compiled: Side("compiled", compiled),
            peer: peer == nil ? nil : Side(name, theirs), compileMs: compileMs,
            weightBytes: network.weightBytes, mapBytes: network.workspaceBytes,
            errorToSupernet: Self.error(logits, expected),
            errorToPeer: found.map { Self.error(logits, $0) },
            profile: try roofline.map { try network.profile(runs: runs, $0) },
            int8: int8
                ? try eightBits(supernet, shape, network.network, elastic.images, engine) : nil)
    }

    private func peer(_ supernet: Network, _ shape: NetworkShape, _ images: FeatureMap) throws
        -> RuntimePeer
    {
        try runtime(supernet.model(shape, images: images.images), images)
    }

    /// Starts the peer on the bytes of a model.
    func runtime(_ model: [UInt8], _ images: FeatureMap) throws -> RuntimePeer {
        let (pixels, channels) = (images.pixels, images.channels)
        let values = images.tensor.values
        var planar = values
        for index in values.indices {
            let image = index / (pixels * channels), rest = index % (pixels * channels)
            planar[(image * channels + rest % channels) * pixels + rest / channels] = values[index]
        }
        return try RuntimePeer(
            model: model, images: planar,
            shape: [images.images, channels, images.height, images.width], threads: threads)
    }

    /// The largest difference, divided by the largest expected value.
    static func error(_ found: [Double], _ expected: [Double]) -> Double {
        let scale = expected.map(abs).max() ?? 0
        return (zip(found, expected).map { abs($0 - $1) }.max() ?? 0) / max(scale, 1e-30)
    }

    /// Profiles passes, and returns the profile of the fastest, because other programs slowed it least.
    func measured(_ engine: CPUEngine, _ pass: () -> Void) -> PassProfile {
        let clock = ContinuousClock()
        var fastest = Double.infinity, lines: [PassProfile.Line] = []
        for _ in 0..<max(50, runs) {
            let profile = OperatorProfile()
            engine.profile = profile
            let seconds = clock.measure(pass) / .seconds(1)
            engine.profile = nil
            guard seconds < fastest else { continue }
            fastest = seconds
            lines = profile.all.map {
                PassProfile.Line(
                    place: $0.place, name: $0.name, calls: $0.calls, seconds: $0.seconds,
                    flops: $0.flops, bytes: $0.bytes)
            }
        }
        return PassProfile(lines, passes: 1, seconds: fastest)
    }

    private func print(_ report: Report) throws {
        try Output.line(
            "infer, \(report.space), \(resolution) pixels, batch \(batch), \(threads) threads,"
                + " \(rounds) rounds of \(runs) passes; kernels \(report.instructionSet), product in"
                + " cache \(decimal(report.productGflopPerS, 1)) GFLOP/s; load before"
                + " \(decimal(report.loadAverageBefore, 1))")
        var table = Table(
            text: ["network", "side"],
            numbers: [
                "min ms", "tenth ms", "median ms", "GFLOP/s", "of ours: min", "tenth", "median",
            ])
        for line in report.networks {
            let ours = line.compiled
            for side in [ours, line.inSupernet] + (line.peer.map { [$0] } ?? []) {
                table.rows.append([
                    line.name, side.name, decimal(side.minMs, 2), decimal(side.tenthMs, 2),
                    decimal(side.medianMs, 2),
                    decimal(2e-6 * Double(line.macs * batch) / side.minMs, 1),
                    decimal(side.minMs / ours.minMs, 2), decimal(side.tenthMs / ours.tenthMs, 2),
                    decimal(side.medianMs / ours.medianMs, 2),
                ])
            }
        }
        try table.print()
        for line in report.networks {
            let peer = line.errorToPeer.map { ", to the peer \(Self.exponent($0))" } ?? ""
            try Output.line(
                "\(line.name): compiled in \(decimal(line.compileMs, 1)) ms, weights"
                    + " \(megabytes(line.weightBytes)), maps \(megabytes(line.mapBytes)); largest"
                    + " difference to the supernet \(Self.exponent(line.errorToSupernet))\(peer)")
        }
        for line in report.networks {
            guard let profile = line.profile else { continue }
            try Output.line("\n\(line.name), where the fastest compiled pass spends its time:")
            try profile.print(lines: lines)
        }
        try report.roofline?.print()
        try printEightBits(report.networks)
    }

    private static func exponent(_ value: Double) -> String { String(format: "%.1e", value) }
}
