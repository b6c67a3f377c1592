// The report of `ofa-bench train` and `ofa-bench eval`, as JSON and as tables.
import Foundation
import Networks

/// The whole answer.
struct PassReport: Encodable {
    /// A summary of the rounds of one side: our engine or the peer.
    struct Side: Encodable {
        /// The median of the rounds' medians, in milliseconds, and the fastest pass.
        let medianMs, minMs: Double
        /// The median of every round, in milliseconds.
        let roundsMs: [Double]
        /// Images and GFLOP per second, computed from the median time.
        let imagesPerS, gflopPerS: Double
        /// `gflopPerS` as a share, in 0...1, of the machine's peak rate of matrix products.
        private(set) var shareOfPeak: Double?
        /// Peak resident memory in bytes; nil if unknown.
        let peakRssBytes: Int?

        /// Summarises the rounds of one side; times in milliseconds.
        init(medians: [Double], fastest: Double, batch: Int, gflop: Double, peakRssBytes: Int?) {
            medianMs = Statistics(medians).median
            minMs = fastest
            roundsMs = medians
            imagesPerS = Double(batch) / medianMs * 1e3
            gflopPerS = gflop / medianMs * 1e3
            self.peakRssBytes = peakRssBytes
        }

        /// Sets `shareOfPeak`.
        mutating func set(peak: Peak) { shareOfPeak = gflopPerS / peak.gflopPerS }
    }

    /// The rounds of one peer.
    struct PeerSide: Encodable {
        /// The peer's name as in --peer, and its name and version as it states them.
        let name, version: String
        /// The rounds.
        var side: Side
        /// The peer's time divided by ours.
        let ratio: Ratio
    }

    /// The figures of one peer over all networks.
    struct PeerFigure: Encodable, Equatable {
        /// The peer's name as in --peer, and its name and version as it states them.
        let name, version: String
        /// The median milliseconds of a pass, or their geometric mean over several networks.
        let ms: Double
        /// `ms` divided by our milliseconds: above 1 if our engine is faster.
        let ratio: Double
    }

    /// The results of one network.
    struct Network: Encodable {
        /// The network's name and genes.
        let name: String, arch: SubnetConfig
        /// Parameters, multiply-accumulates per image, and GFLOP per pass.
        let params, macs: Int, gflopPerPass: Double
        /// The rounds of our engine.
        var ours: Side
        /// Bytes of our weights, of the gradients of all threads, and of the feature maps and tape (values saved for
        /// the backward pass) of a pass.
        let weightBytes, gradientBytes, workspaceBytes: Int
        /// All peers, in the order of --peer.
        var peers: [PeerSide]
        /// The version of the best peer, which has the least median; nil if no peer ran.
        let peerName: String?
        /// The rounds of the best peer.
        private(set) var peer: Side?
        /// The best peer's time divided by ours; nil if no peer ran.
        let ratio: Ratio?
        /// The profile of a pass of our engine; nil if not requested.
        let profile: BenchProfile?

        /// Takes the results; the best peer is found among `peers`.
        init(
            _ choice: ArchChoice, _ cost: NetworkCost, gflopPerPass: Double, ours: Side,
            pass: any TimedPass, peers: [PeerSide], profile: BenchProfile?
        ) {
            (name, arch) = (choice.name, choice.config)
            (params, macs, self.gflopPerPass) = (cost.parameters, cost.macs, gflopPerPass)
            self.ours = ours
            (weightBytes, gradientBytes) = (pass.weightBytes, pass.gradientBytes)
            workspaceBytes = pass.workspaceBytes
            self.peers = peers
            let best = peers.min { $0.side.medianMs < $1.side.medianMs }
            (peerName, peer, ratio) = (best?.version, best?.side, best?.ratio)
            self.profile = profile
        }

        /// Sets the share of the peak of every side.
        mutating func set(peak: Peak) {
            ours.set(peak: peak)
            peer?.set(peak: peak)
            for index in peers.indices { peers[index].side.set(peak: peak) }
        }
    }

    /// The machine's peak rate of matrix products on all threads, measured in two ways.
    struct Peak: Encodable {
        /// GFLOP per second of BLAS on 1024 x 1024 matrices, and of the engine's product on a block in cache.
        let blasGflopPerS, productGflopPerS: Double
        /// The larger of the two figures.
        var gflopPerS: Double { max(blasGflopPerS, productGflopPerS) }
    }

    /// The kind of pass: train, eval or calibrate.
    let mode: PassMode
    /// The settings.
    let space: String, resolution, batch, threads, runs, rounds, warmup: Int
    /// The instruction set of the engine's kernels, and the BLAS core.
    let instructionSet, blasCore: String
    /// The load average before the first round.
    let loadAverageBefore: Double
    /// The measured peak rate.
    let peak: Peak
    /// The roofline beside which a compiled network is profiled; nil if there is no such profile.
    let roofline: Roofline?
    /// The results of all networks.
    let networks: [Network]
    /// The figures of every peer, in the order of --peer.
    let peers: [PeerFigure]
    /// Geometric means of several networks' ratios to their best peers: of the medians, and of the fastest passes.
    let geometricMeanRatio: Double?, geometricMeanRatioOfFastest: Double?

    /// The median milliseconds of a pass, or their geometric mean over several networks; the peer is the best of all.
    var headline: Headline {
        Headline(
            ms: networks.map(\.ours.medianMs), peer: peers.map(\.ms).min().map { [$0] } ?? [])
    }

    /// Returns the figures of every peer over `networks`, which have the same peers.
    static func figures(_ networks: [Network]) -> [PeerFigure] {
        let ours = Statistics.geometricMean(networks.map(\.ours.medianMs))
        return (networks.first?.peers ?? []).enumerated().map { place, peer in
            let ms = Statistics.geometricMean(networks.map { $0.peers[place].side.medianMs })
            return PeerFigure(
                name: peer.name, version: peer.version, ms: ms, ratio: ms / ours)
        }
    }

    /// Prints the report as tables; with `lines` the profile lists every operator at every place.
    func print(lines: Bool) throws {
        try Output.line(
            "\(mode.rawValue), \(space), batch \(batch), \(threads) threads, \(rounds) rounds of"
                + " \(runs) passes after \(warmup); kernels \(instructionSet), BLAS \(blasCore);"
                + " load before \(decimal(loadAverageBefore, 1))")
        let blas = decimal(peak.blasGflopPerS, 1), product = decimal(peak.productGflopPerS, 1)
        try Output.line(
            "peak of products on all threads: BLAS 1024³ \(blas), the engine's in cache \(product)"
                + " GFLOP/s")
        try Output.line()
        var table = Table(
            text: ["network", "side"],
            numbers: [
                "pixels", "median ms", "min ms", "images/s", "GFLOP/s", "of peak", "peak memory",
                "ratio", "min…max", "of fastest",
            ])
        for network in networks {
            table.rows.append(row(network, "ours", network.ours, nil))
            for peer in network.peers {
                table.rows.append(row(network, peer.version, peer.side, peer.ratio))
            }
        }
        try table.print()
        if let geometricMeanRatio, let geometricMeanRatioOfFastest {
            try Output.line(
                "geometric mean of the ratios to the best peers: \(decimal(geometricMeanRatio, 2)); of the fastest"
                    + " passes: \(decimal(geometricMeanRatioOfFastest, 2))")
        }
        if let network = networks.first {
            let gradients =
                network.gradientBytes > 0
                ? " \(megabytes(network.gradientBytes)) gradients (the whole supernet's)," : ""
            try Output.line(
                "peak memory: VmHWM of the process; of ours \(megabytes(network.weightBytes)) are"
                    + " weights,\(gradients) \(megabytes(network.workspaceBytes)) what a pass keeps"
            )
        }
        try roofline?.print()
        for network in networks {
            guard let profile = network.profile else { continue }
            try Output.line(
                "\n\(network.name), where the fastest of \(runs) passes spends its time:")
            try profile.print(lines: lines)
        }
    }

    private func row(_ network: Network, _ name: String, _ side: Side, _ ratio: Ratio?) -> [String]
    {
        [
            network.name, name, "\(network.arch.resolution)", decimal(side.medianMs, 2),
            decimal(side.minMs, 2), decimal(side.imagesPerS, 1), decimal(side.gflopPerS, 1),
            side.shareOfPeak.map { decimal(100 * $0, 1) + " %" } ?? "",
            side.peakRssBytes.map(megabytes) ?? "",
            ratio.map { decimal($0.ratio, 2) } ?? "",
            ratio.map { "\(decimal($0.min, 2))…\(decimal($0.max, 2))" } ?? "",
            ratio.map { decimal($0.fastest, 2) } ?? "",
        ]
    }
}
