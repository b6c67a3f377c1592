// Times networks on this machine, whole and part by part, on one thread as on the device: a batch
// of one image cannot be split. Parts are timed inside whole networks, by clock readings between
// them: a part run alone in a loop would find its weights and input in the nearest cache. The
// networks run on weights of their own, as on the device: a supernet derives its filters in every
// pass, an eighth of a small network's time. Large networks are timed by the thread's CPU time,
// which excludes time that other processes took; small ones by wall-clock time, since reading the
// CPU clock takes too long for them.

import Foundation
import Networks
import Tensors

/// Times parts and whole networks with the engine.
public final class LatencyMeasurement {
    /// Several timings of the same work, in milliseconds.
    public struct Timing: Sendable, Equatable {
        /// All timings, ascending.
        public let sorted: [Double]
        /// The mean of the undisturbed timings.
        public var steady: Double { LatencyEntry(timings: sorted).mean }

        init(_ milliseconds: [Double]) { sorted = milliseconds.sorted() }
    }

    private let supernet: Network
    private let batch: Int
    private let wall = PassClock(countsProcessorTime: false)
    private let worked = PassClock(countsProcessorTime: true)
    /// Multiply-adds of a pass from which a microsecond is negligible: about two milliseconds.
    private static let largePassMACs = 50_000_000

    /// The instruction set that is measured.
    public var instructionSet: String { supernet.backend.instructionSet.description }

    /// Measures networks that run on `weights`, a supernet's of `space`, `batch` images at a time.
    public init(_ space: SearchSpace, weights: Weights, batch: Int) throws {
        guard case .supernet = weights.layout.naming else {
            throw DeviceError(
                .invalidOption, "block by block only a supernet is measured",
                remedy: "give its weights")
        }
        supernet = try Network(supernet: weights, of: space, backend: try Backend(threads: 1))
        self.batch = batch
    }

    /// Milliseconds of every part of a network, pass by pass, after a pass that warms up; parts in the order of
    /// `latencyKeys`.
    public func parts(_ shape: NetworkShape, passes: Int) -> [[Double]] {
        let clock = clock(for: shape)
        let (network, shape) = alone(shape)
        let images = Self.input(shape, batch: batch)
        return Self.repeated(network, shape, images, passes: passes) { images in
            network.clock = clock
            _ = network.forward(images, shape, mode: .running)
            network.clock = nil
            return clock.milliseconds
        }
    }

    /// Milliseconds of a whole network, pass by pass, after a pass that warms up.
    public func whole(_ shape: NetworkShape, passes: Int) -> [Double] {
        let clock = clock(for: shape)
        let (network, shape) = alone(shape)
        let images = Self.input(shape, batch: batch)
        return Self.repeated(network, shape, images, passes: passes) { images in
            clock.pass(network, shape, images)
        }
    }

    /// Prepares `shape` as the reference network, whose time shows the machine's current speed.
    func reference(_ shape: NetworkShape) -> Reference {
        let (network, shape) = alone(shape)
        return Reference(network, shape, Self.input(shape, batch: batch))
    }

    /// A network prepared for timing.
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

        /// Milliseconds of one pass after a warm-up, by both clocks; the median of several if
        /// passes are short.
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

    /// The network extracted from the supernet, and its shape.
    func alone(_ shape: NetworkShape) -> (network: Network, shape: NetworkShape) {
        let weights = supernet.extract(shape, statistics: supernet.weights.statistics)
        return Network.alone(weights, shape, backend: supernet.backend)
    }

    private func clock(for shape: NetworkShape) -> PassClock {
        countsProcessorTime(shape) ? worked : wall
    }

    /// Whether a network is timed by the thread's CPU time instead of wall-clock time.
    func countsProcessorTime(_ shape: NetworkShape) -> Bool {
        batch * NetworkCost(shape).macs >= Self.largePassMACs
    }

    /// The results of `body` over at least the given number of passes, more if they are short: a
    /// few milliseconds in all.
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

    fileprivate static func input(_ shape: NetworkShape, batch: Int) -> FeatureMap {
        let storage = Storage(
            count: batch * shape.resolution * shape.resolution * shape.inputChannels)
        storage.all.fill(with: 0.5)
        return Network.input(shape, images: batch, storage: storage)
    }
}

extension PassClock {
    /// Milliseconds of one whole pass.
    fileprivate func pass(_ network: Network, _ shape: NetworkShape, _ images: FeatureMap) -> Double
    {
        begin()
        _ = network.forward(images, shape, mode: .running)
        mark()
        return milliseconds.reduce(0, +)
    }
}

/// Times one network that runs on weights of its own in several short sessions with other work
/// between them: on a shared machine one session may be slow throughout, but rarely all of them.
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
        images = LatencyMeasurement.input(shape, batch: batch)
    }

    /// One session: after a warm-up, `repeats` timings, or at least five if more would take over
    /// twenty milliseconds. Each is the mean over about 200 microseconds of passes, in the thread's
    /// CPU time.
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
