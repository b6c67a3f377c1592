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
        /// The peer's name; nil if no peer ran.
        let peerName: String?
        /// The rounds of the peer.
        var peer: Side?
        /// The peer's time divided by ours; nil if no peer ran.
        let ratio: Ratio?
        /// The profile of a pass of our engine; nil if not requested.
        let profile: PassProfile?
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
    /// The results of all networks.
    var networks: [Network]
    /// Geometric means of several networks' ratios: of the medians, and of the fastest passes.
    let geometricMeanRatio: Double?, geometricMeanRatioOfFastest: Double?

    /// The median milliseconds of a pass, or their geometric mean over several networks.
    var headline: Headline {
        Headline(
            ms: networks.map(\.ours.medianMs), peer: networks.compactMap(\.peer?.medianMs))
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
            table.rows.append(row(network, "ours", network.ours, network.ratio))
            if let peer = network.peer {
                table.rows.append(row(network, network.peerName ?? "peer", peer, nil))
            }
        }
        try table.print()
        if let geometricMeanRatio, let geometricMeanRatioOfFastest {
            try Output.line(
                "geometric mean of the ratios: \(decimal(geometricMeanRatio, 2)); of the fastest"
                    + " passes: \(decimal(geometricMeanRatioOfFastest, 2))")
        }
        if let network = networks.first {
            try Output.line(
                "peak memory: VmHWM of the process; of ours \(megabytes(network.weightBytes)) are"
                    + " weights, \(megabytes(network.gradientBytes)) gradients (the whole supernet's),"
                    + " \(megabytes(network.workspaceBytes)) what a pass keeps")
        }
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
