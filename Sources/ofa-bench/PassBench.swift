// Runs `ofa-bench train` and `ofa-bench eval`: alternating rounds of our engine and the peer, a measurement of the
// machine's peak rate (GFLOP/s of matrix products), and the report.
import Foundation
import Networks
import Tensors

/// Times passes of one or several networks.
struct PassBench {
    private let mode: PassMode
    private let options: PassOptions

    /// Takes `options`, which must have passed `check`.
    init(_ mode: PassMode, _ options: PassOptions) {
        self.mode = mode
        self.options = options
    }

    /// Times all networks and prints the answer.
    func run() throws {
        let space = try options.searchSpace(), choices = try options.choices()
        let engine = try CPUEngine(threads: options.threads)
        let peer = options.peer ? try Peer.find() : nil
        var load = [0.0]
        getloadavg(&load, 1)
        var networks: [PassReport.Network] = [], blas = 0.0, product = 0.0
        for choice in choices {
            networks.append(try time(choice, space, engine, peer))
            // The machine's peak rate is measured after every network, and the largest value counts, because other
            // programs may slow single measurements.
            blas = max(blas, engine.blasPeak())
            product = max(product, engine.productPeak())
        }
        let peak = PassReport.Peak(blasGflopPerS: blas / 1e9, productGflopPerS: product / 1e9)
        for index in networks.indices {
            networks[index].ours.set(peak: peak)
            networks[index].peer?.set(peak: peak)
        }
        let ratios = networks.compactMap(\.ratio)
        func mean(_ values: [Double]) -> Double? {
            values.count > 1 ? Statistics.geometricMean(values) : nil
        }
        let report = PassReport(
            mode: mode, space: space.name, resolution: choices.first?.config.resolution ?? 0,
            batch: options.batch, threads: options.threads, runs: options.runs,
            rounds: options.rounds, warmup: options.warmup,
            instructionSet: engine.instructionSet.description, blasCore: BLASCore.current,
            loadAverageBefore: load[0], peak: peak, networks: networks,
            geometricMeanRatio: mean(ratios.map(\.ratio)),
            geometricMeanRatioOfFastest: mean(ratios.map(\.fastest)))
        if options.json { return try Output.json(report.headline, report) }
        try report.print(lines: options.lines)
    }

    private func time(
        _ choice: ArchChoice, _ space: SearchSpace, _ engine: CPUEngine, _ peer: Peer?
    ) throws -> PassReport.Network {
        let cost = try NetworkCost(space, choice.config)
        let gflop = Double(mode.flopsPerMac * cost.macs * options.batch) / 1e9
        let request = peer == nil ? nil : try self.request(choice, space)
        Memory.resetPeak()
        let pass = try SubnetPass(space, choice.config, batch: options.batch, engine: engine)
        var ours: [Double] = [], fastest = Double.infinity, theirs: [Peer.Result] = []
        Output.note(
            "\(choice.name): \(options.rounds) rounds of \(options.runs) passes"
                + (peer == nil ? "" : ", in turn with the peer"))
        for round in 1...options.rounds {
            if let peer, let request {
                let result = try peer.measure(request)
                guard result.params == cost.parameters else {
                    throw BenchError(
                        "the peer built a network of \(result.params) parameters, ours has"
                            + " \(cost.parameters): these are not the same networks")
                }
                theirs.append(result)
            }
            let times = pass.milliseconds(mode, runs: options.runs, warmup: options.warmup)
            ours.append(Statistics(times).median)
            fastest = min(fastest, times.min() ?? fastest)
            note(choice, round, ours: ours[round - 1], peer: theirs.last?.medianMs)
        }
        let memory = Memory.peakBytes
        let medians = theirs.map(\.medianMs), fastestPeer = theirs.map(\.minMs).min() ?? 0
        warn(choice, "ours", ours)
        if !medians.isEmpty { warn(choice, "the peer's", medians) }
        return PassReport.Network(
            name: choice.name, arch: choice.config, params: cost.parameters, macs: cost.macs,
            gflopPerPass: gflop,
            ours: PassReport.Side(
                medians: ours, fastest: fastest, batch: options.batch, gflop: gflop,
                peakRssBytes: memory),
            weightBytes: pass.weightBytes,
            gradientBytes: mode == .train ? pass.gradientBytes : 0,
            workspaceBytes: pass.workspaceBytes,
            peerName: theirs.first?.peer,
            peer: theirs.isEmpty
                ? nil
                : PassReport.Side(
                    medians: medians, fastest: fastestPeer, batch: options.batch, gflop: gflop,
                    peakRssBytes: theirs.map(\.peakRssBytes).max()),
            ratio: theirs.isEmpty
                ? nil
                : Ratio(
                    peer: medians, ours: ours, fastestPeer: fastestPeer, fastestOurs: fastest),
            profile: options.profile ? pass.profile(mode, runs: options.runs) : nil)
    }

    private func request(_ choice: ArchChoice, _ space: SearchSpace) throws -> Peer.Request {
        Peer.Request(
            mode: mode, genes: choice.genes, width: try options.peerWidth(),
            classes: space.classes, resolution: choice.config.resolution, batch: options.batch,
            threads: options.threads, layout: options.layout, runs: options.runs,
            warmup: options.warmup)
    }

    /// Prints a warning if the medians of one side's rounds differ by more than a quarter of the smallest median.
    private func warn(_ choice: ArchChoice, _ side: String, _ rounds: [Double]) {
        let spread = Statistics(rounds).spread
        if spread > 1.25 {
            Output.note(
                "\(choice.name): \(side) rounds differ by a factor of \(decimal(spread, 2)): other"
                    + " work ran beside them; repeat on a quiet machine")
        }
    }

    private func note(_ choice: ArchChoice, _ round: Int, ours: Double, peer: Double?) {
        let theirs = peer.map { ", peer \(decimal($0, 1)) ms, ratio \(decimal($0 / ours, 2))" }
        Output.note(
            "\(choice.name): round \(round) of \(options.rounds): ours \(decimal(ours, 1)) ms"
                + (theirs ?? ""))
    }
}
