// Times networks on this machine, whole and part by part. One thread is used, because a batch is usually one image,
// which cannot be divided among threads. Parts are timed inside whole networks, by reading a clock between parts: a
// part run alone in a loop would find its weights and input in the nearest cache. As on the device, the networks have
// extracted weights: a supernet would derive its filters in every pass, which takes an eighth of a small network's
// time. Large networks are timed by the thread's CPU time, which excludes time that other processes took. Small
// networks are timed by wall-clock time, because reading the CPU clock takes too long for them.

import Foundation
import Networks
import Tensors

/// Times parts and whole networks with the engine.
public final class LatencyMeasurement {
    /// Several timings of the same work, in milliseconds.
    public struct Timing: Sendable, Equatable {
        /// All timings, ascending.
        public let sorted: [Double]
        /// The mean of the timings that other work on the machine did not disturb (`LatencyEntry.steady`).
        public var steady: Double { LatencyEntry(timings: sorted).mean }

        init(_ milliseconds: [Double]) { sorted = milliseconds.sorted() }
    }

    private let supernet: Network
    private let batch: Int
    private let wall = PassClock(countsProcessorTime: false)
    private let worked = PassClock(countsProcessorTime: true)
    /// Passes of at least this many multiply-adds are timed by CPU time: such passes take about two milliseconds or
    /// more, so the microsecond that reading the CPU clock takes is negligible.
    private static let largePassMACs = 50_000_000

    /// The instruction set that the measured networks use.
    public let instructionSet: String

    /// Prepares to time networks of `space` with weights extracted from the supernet's `weights`, `batch` images per
    /// pass. Errors: `invalidOption` if `weights` are not a supernet's.
    public init(_ space: SearchSpace, weights: Weights, batch: Int) throws {
        guard case .supernet = weights.layout.naming else {
            throw DeviceError(
                .invalidOption, "parts are measured in a supernet only",
                remedy: "give its weights")
        }
        let engine = try CPUEngine(threads: 1)
        instructionSet = engine.instructionSet.description
        supernet = try Network(supernet: weights, of: space, engine: engine)
        self.batch = batch
    }

    /// Returns, for each pass after a warm-up, the milliseconds of every part of a network in the order of
    /// `latencyKeys`. There are `passes` passes, or up to ten times as many if a pass is short.
    public func parts(_ shape: NetworkShape, passes: Int) -> [[Double]] {
        let clock = clock(for: shape)
        let (network, shape) = alone(shape)
        let images = Self.input(shape, batch: batch, in: supernet.engine)
        return Self.repeated(network, shape, images, passes: passes) { images in
            network.clock = clock
            _ = network.forward(images, shape, mode: .running)
            network.clock = nil
            return clock.milliseconds
        }
    }

    /// Returns the milliseconds of the whole network for each pass after a warm-up. There are `passes` passes, or up
    /// to ten times as many if a pass is short.
    public func whole(_ shape: NetworkShape, passes: Int) -> [Double] {
        let clock = clock(for: shape)
        let (network, shape) = alone(shape)
        let images = Self.input(shape, batch: batch, in: supernet.engine)
        return Self.repeated(network, shape, images, passes: passes) { images in
            clock.pass(network, shape, images)
        }
    }

    /// Prepares `shape` as the reference network, whose time shows the machine's current speed.
    func reference(_ shape: NetworkShape) -> Reference {
        let (network, shape) = alone(shape)
        return Reference(network, shape, Self.input(shape, batch: batch, in: supernet.engine))
    }

    /// The reference network, prepared for timing.
    final class Reference {
        private let network: Network
        private let shape: NetworkShape
        private let images: FeatureMap
        private let wall = PassClock(countsProcessorTime: false)
        private let worked = PassClock(countsProcessorTime: true)

        fileprivate init(_ network: Network, _ shape: NetworkShape, _ images: FeatureMap) {
            self.network = network
            self.shape = shape
            self.images = images
        }

        /// Returns the milliseconds of one pass after a warm-up, as wall-clock time and as the thread's CPU time
        /// (`worked`). If passes are short, several are made, and the pass with the median wall-clock time is returned.
        func milliseconds() -> (wall: Double, worked: Double) {
            let passes = LatencyMeasurement.repeated(network, shape, images, passes: 1) { images in
                wall.begin()
                let worked = worked.pass(network, shape, images)
                wall.mark()
                return (wall: wall.milliseconds.reduce(0, +), worked: worked)
            }
            return passes.sorted { $0.wall < $1.wall }[passes.count / 2]
        }
    }

    /// Returns the network extracted from the supernet, and the shape of the extracted network.
    func alone(_ shape: NetworkShape) -> (network: Network, shape: NetworkShape) {
        let weights = supernet.extract(shape, statistics: supernet.weights.statistics)
        return Network.alone(weights, shape, engine: supernet.engine)
    }

    private func clock(for shape: NetworkShape) -> PassClock {
        countsProcessorTime(shape) ? worked : wall
    }

    /// Returns whether a network is timed by the thread's CPU time instead of wall-clock time.
    func countsProcessorTime(_ shape: NetworkShape) -> Bool {
        batch * NetworkCost(shape).macs >= Self.largePassMACs
    }

    /// Runs a warm-up pass, then calls `body` repeatedly and returns its results. There are `passes` calls; if passes
    /// are short, as many calls as take about three milliseconds, but at most ten times `passes`.
    private static func repeated<Value>(
        _ network: Network, _ shape: NetworkShape, _ images: FeatureMap, passes: Int,
        _ body: (FeatureMap) -> Value
    ) -> [Value] {
        let start = ContinuousClock.now
        _ = network.forward(images, shape, mode: .running)
        let once = (.now - start) / .milliseconds(1)
        let count = max(passes, min(10 * passes, Int(3 / max(once, 0.01))))
        return (0..<count).map { _ in body(images) }
    }

    fileprivate static func input(
        _ shape: NetworkShape, batch: Int, in memory: any EngineMemory
    ) -> FeatureMap {
        let storage = memory.storage(
            batch * shape.resolution * shape.resolution * shape.inputChannels)
        memory.fill(storage.all, with: 0.5)
        return Network.input(shape, images: batch, storage: storage)
    }
}

extension PassClock {
    /// Returns the milliseconds of one pass of the whole network.
    fileprivate func pass(_ network: Network, _ shape: NetworkShape, _ images: FeatureMap) -> Double
    {
        begin()
        _ = network.forward(images, shape, mode: .running)
        mark()
        return milliseconds.reduce(0, +)
    }
}

/// Times one extracted network in several short sessions with other work between them. On a shared machine one session
/// may be slow throughout, but rarely all sessions.
public final class WholeNetworkTimer {
    private let network: Network
    private let shape: NetworkShape
    private let images: FeatureMap
    private let clock = PassClock(countsProcessorTime: true)
    private var milliseconds: [Double] = []

    /// Prepares to time `network`, `batch` images at a time.
    public init(_ network: Network, _ shape: NetworkShape, batch: Int) {
        self.network = network
        self.shape = shape
        images = LatencyMeasurement.input(shape, batch: batch, in: network.engine)
    }

    /// Runs one session: a warm-up, then `repeats` timings. If `repeats` passes would take over twenty milliseconds,
    /// there are fewer timings, but at least five. A timing is the mean, in the thread's CPU time, over passes that
    /// take about 200 microseconds together, or over one longer pass.
    public func time(repeats: Int) {
        for _ in 0..<3 { _ = mean(1) }
        let once = max(min(mean(1), mean(1)), 1e-6)
        let passes = min(1000, max(1, Int(0.2 / once)))
        let timings = min(repeats, max(5, Int(20 / once)))
        for _ in 0..<timings { milliseconds.append(mean(passes)) }
    }

    /// The timings of all sessions; nil before the first.
    public var timing: LatencyMeasurement.Timing? {
        milliseconds.isEmpty ? nil : LatencyMeasurement.Timing(milliseconds)
    }

    private func mean(_ passes: Int) -> Double {
        clock.begin()
        for _ in 0..<passes { _ = network.forward(images, shape, mode: .running) }
        clock.mark()
        return clock.milliseconds.reduce(0, +) / Double(passes)
    }
}
