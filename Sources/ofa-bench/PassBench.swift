// Runs `ofa-bench train` and `ofa-bench eval`: alternating rounds of our engine and the peers, a measurement of the
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
        let peers = try options.peers(mode).map { ($0, try Peer.find($0.script)) }
        let roofline = options.profile && mode == .eval ? try Roofline(engine) : nil
        var load = [0.0]
        getloadavg(&load, 1)
        var networks: [PassReport.Network] = [], blas = 0.0, product = 0.0
        for choice in choices {
            networks.append(try time(choice, space, engine, peers, roofline))
            // The machine's peak rate is measured after every network, and the largest value counts, because other
            // programs may slow single measurements.
            blas = max(blas, engine.blasPeak())
            product = max(product, engine.productPeak())
        }
        let peak = PassReport.Peak(blasGflopPerS: blas / 1e9, productGflopPerS: product / 1e9)
        for index in networks.indices { networks[index].set(peak: peak) }
        let ratios = networks.compactMap(\.ratio)
        func mean(_ values: [Double]) -> Double? {
            values.count > 1 ? Statistics.geometricMean(values) : nil
        }
        let report = PassReport(
            mode: mode, space: space.name, resolution: choices.first?.config.resolution ?? 0,
            batch: options.batch, threads: options.threads, runs: options.timedRuns,
            rounds: options.rounds, warmup: options.warmup,
            instructionSet: engine.instructionSet.description, blasCore: BLASCore.current,
            loadAverageBefore: load[0], peak: peak, roofline: roofline, networks: networks,
            peers: PassReport.figures(networks), geometricMeanRatio: mean(ratios.map(\.ratio)),
            geometricMeanRatioOfFastest: mean(ratios.map(\.fastest)))
        if options.json { return try Output.json(report.headline, report) }
        try report.print(lines: options.lines)
    }

    private func time(
        _ choice: ArchChoice, _ space: SearchSpace, _ engine: CPUEngine,
        _ peers: [(kind: PassPeer, peer: Peer)], _ roofline: Roofline?
    ) throws -> PassReport.Network {
        let cost = try NetworkCost(space, choice.config)
        let gflop = Double(mode.flopsPerMac * cost.macs * options.batch) / 1e9
        Memory.resetPeak()
        let models = FileManager.default.temporaryDirectory.appending(
            path: "ofa-model-\(UUID().uuidString)")
        defer { remove(models) }
        let pass = try self.pass(
            choice, space, engine, model: peers.contains { $0.kind.readsModels } ? models : nil)
        // The supernet from which a compiled network was made is no part of its memory.
        if mode == .eval { Memory.resetPeak() }
        var ours: [Double] = [], fastest = Double.infinity
        var theirs = [[Peer.Result]](repeating: [], count: peers.count)
        Output.note(
            "\(choice.name): \(options.rounds) rounds of \(options.timedRuns) passes"
                + (peers.isEmpty
                    ? "" : ", in turn with \(peers.map(\.kind.rawValue).joined(separator: ", "))"))
        for round in 1...options.rounds {
            for (place, (kind, peer)) in peers.enumerated() {
                let result = try peer.measure(request(kind, choice, space, models))
                guard result.params == nil || result.params == cost.parameters else {
                    throw BenchError(
                        "the peer built a network of \(result.params ?? 0) parameters, ours has"
                            + " \(cost.parameters): these are not the same networks")
                }
                theirs[place].append(result)
            }
            let times = pass.milliseconds(mode, runs: options.timedRuns, warmup: options.warmup)
            ours.append(Statistics(times).median)
            fastest = min(fastest, times.min() ?? fastest)
            note(
                choice, round, ours: ours[round - 1],
                peers: zip(peers, theirs).map { ($0.kind, $1[round - 1].medianMs) })
        }
        let memory = Memory.peakBytes
        warn(choice, "our", ours)
        func side(_ medians: [Double], _ fastest: Double, _ memory: Int?) -> PassReport.Side {
            PassReport.Side(
                medians: medians, fastest: fastest, batch: options.batch, gflop: gflop,
                peakRssBytes: memory)
        }
        let sides = zip(peers, theirs).map { peer, results in
            let medians = results.map(\.medianMs), best = results.map(\.minMs).min() ?? 0
            warn(choice, "\(peer.kind.rawValue)'s", medians)
            return PassReport.PeerSide(
                name: peer.kind.rawValue, version: results.first?.peer ?? "",
                side: side(medians, best, results.map(\.peakRssBytes).max()),
                ratio: Ratio(
                    peer: medians, ours: ours, fastestPeer: best, fastestOurs: fastest))
        }
        return PassReport.Network(
            choice, cost, gflopPerPass: gflop, ours: side(ours, fastest, memory), pass: pass,
            peers: sides,
            profile: options.profile ? try profile(pass, roofline) : nil)
    }

    /// Prepares the pass that is timed, and writes the network's model for runtimes into the folder `model` unless it is
    /// nil.
    private func pass(
        _ choice: ArchChoice, _ space: SearchSpace, _ engine: CPUEngine, model: URL?
    ) throws -> any TimedPass {
        guard mode == .eval else {
            return try SubnetPass(space, choice.config, batch: options.batch, engine: engine)
        }
        let weights = try Weights(supernetOf: space, seed: 1)
        weights.spreadStatistics()
        let supernet = try Network(supernet: weights, of: space, engine: engine)
        let shape = try NetworkShape(space, choice.config)
        if let model {
            try FileManager.default.createDirectory(at: model, withIntermediateDirectories: true)
            try Data(supernet.model(shape, images: options.batch)).write(to: file(model))
        }
        return CompiledSubnet(
            weights, shape, images: SubnetPass(supernet, shape, batch: options.batch).images,
            engine: engine)
    }

    private func profile(_ pass: any TimedPass, _ roofline: Roofline?) throws -> BenchProfile? {
        if let pass = pass as? SubnetPass {
            return .plain(pass.profile(mode, runs: options.timedRuns))
        }
        guard let pass = pass as? CompiledSubnet, let roofline else { return nil }
        return .compiled(try pass.profile(runs: options.timedRuns, roofline))
    }

    /// The file of a network's model in the folder `models`.
    private func file(_ models: URL) -> URL { models.appending(path: "network.onnx") }

    private func remove(_ models: URL) {
        guard FileManager.default.fileExists(atPath: models.path) else { return }
        do {
            try FileManager.default.removeItem(at: models)
        } catch {
            Output.note("cannot remove \(models.path): \(error.localizedDescription)")
        }
    }

    private func request(
        _ peer: PassPeer, _ choice: ArchChoice, _ space: SearchSpace, _ models: URL
    ) throws -> Peer.Request {
        Peer.Request(
            peer: peer, mode: mode, genes: choice.genes, width: try options.peerWidth(),
            classes: space.classes, resolution: choice.config.resolution, batch: options.batch,
            threads: options.threads, layout: options.layout, runs: options.timedRuns,
            warmup: options.warmup, model: peer.readsModels ? file(models) : nil)
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

    private func note(
        _ choice: ArchChoice, _ round: Int, ours: Double, peers: [(PassPeer, Double)]
    ) {
        let theirs = peers.map {
            ", \($0.rawValue) \(decimal($1, 1)) ms, ratio \(decimal($1 / ours, 2))"
        }
        Output.note(
            "\(choice.name): round \(round) of \(options.rounds): ours \(decimal(ours, 1)) ms"
                + theirs.joined())
    }
}
