// The options that `ofa-bench train` and `ofa-bench eval` share.
import ArgumentParser
import Foundation
import Metering
import Networks

/// The options for networks, batch, repetitions and output.
struct PassOptions: ParsableArguments {
    /// The search space.
    @Option(help: "The search space: ofa-mbv3-w1.0, ofa-mbv3-w1.2 or fashion-mbv3.")
    var space = "ofa-mbv3-w1.0"

    /// The network.
    @Option(
        help:
            "max, mid, min, random, several of these with commas, or JSON with ks, e, d and, if wanted, r."
    )
    var arch = "max"

    /// The number of random networks.
    @Option(help: "With --arch random: how many networks.")
    var count = 1

    /// The seed of random networks.
    @Option(help: "With --arch random: decides which networks.")
    var seed: UInt64 = 1

    /// Height and width of the images.
    @Option(help: "Height and width of the images, in pixels; 128, or r of the JSON.")
    var resolution: Int?

    /// Images of a pass.
    @Option(help: "Images of a pass.")
    var batch = 32

    /// Threads of our engine, and of the peer.
    @Option(help: "Threads of either side.")
    var threads = MachineLimits.current().processors.value

    /// Passes timed in a round; nil for a number that depends on the batch.
    @Option(help: "Passes timed in a round; 7, or 40 for batches of fewer than 8 images.")
    var runs: Int?

    /// The number of rounds, of our engine and of the peer.
    @Option(help: "Rounds; with --peer the sides take turns.")
    var rounds = 5

    /// Warm-up passes of every round.
    @Option(help: "Passes before those timed, in every round.")
    var warmup = 2

    /// The names of the peers, separated by commas; nil for none.
    @Option(
        defaultAsFlag: "pytorch",
        help: ArgumentHelp(
            """
            Time other software in alternation: pytorch (the default), pytorch-compiled, onnxruntime or openvino, several \
            with commas; OFA_PEER_PYTHON names its interpreter.
            """, valueName: "peers"))
    var peer: String?

    /// PyTorch's memory layout.
    @Option(help: "PyTorch's memory layout: channels_last or nchw.")
    var layout = "channels_last"

    /// Whether to profile a pass.
    @Flag(help: "Show where each millisecond and byte of a pass goes.")
    var profile = false

    /// Whether the profile also lists every operator in every part of the network.
    @Flag(help: "With --profile: also a line for every operator at every place.")
    var lines = false

    /// Whether to answer in JSON.
    @Flag(help: "Print one JSON document on standard output, and nothing else there.")
    var json = false

    /// The number of passes timed in a round: short passes take more, or a round says little.
    var timedRuns: Int { runs ?? (batch < 8 ? 40 : 7) }

    /// Returns the peers that run passes of `mode`.
    func peers(_ mode: PassMode) throws -> [PassPeer] {
        try peer.map { try PassPeer.read($0, mode) } ?? []
    }

    /// Throws a usage error for invalid options of passes of `mode`.
    func check(_ mode: PassMode) throws {
        for (name, value, range) in [
            ("count", count, 1...1000), ("resolution", resolution ?? 128, 8...1024),
            ("batch", batch, 1...4096), ("threads", threads, 1...256),
            ("runs", timedRuns, 1...10_000),
            ("rounds", rounds, 1...1000), ("warmup", warmup, 0...1000),
        ] where !range.contains(value) {
            throw ValidationError("--\(name) is \(value); it must lie in \(range)")
        }
        guard ["channels_last", "nchw"].contains(layout) else {
            throw ValidationError("--layout is '\(layout)'; it is channels_last or nchw")
        }
        do {
            _ = try choices()
            if try !peers(mode).isEmpty { _ = try peerWidth() }
        } catch {
            throw ValidationError("\(error)")
        }
    }

    /// Returns the named space.
    func searchSpace() throws -> SearchSpace { try SearchSpace.named(space) }

    /// Returns the networks to time.
    func choices() throws -> [ArchChoice] {
        try ArchChoice.read(
            arch, space: try searchSpace(), resolution: resolution, count: count, seed: seed)
    }

    /// Returns the peer's width multiplier for the space; throws if the peer has no such space.
    func peerWidth() throws -> Double {
        guard let width = ["ofa-mbv3-w1.0": 1.0, "ofa-mbv3-w1.2": 1.2][space] else {
            throw BenchError("the peer knows ofa-mbv3-w1.0 and ofa-mbv3-w1.2, not \(space)")
        }
        return width
    }
}
