// Times networks on this machine, whole and part by part. One thread, as on the device: a batch of one image has nothing
// to split.
//
// Parts are timed inside whole networks, between readings of the clock: a part alone, run again and again, finds its
// weights and its input in the nearest cache. And the networks run on weights of their own, as on the device: a supernet
// makes the filters of every pass anew, which is an eighth of a small network's pass.
//
// Large networks are timed by the thread's processor time, which is the time on the wall where nothing else wants the
// processor and leaves out what others took where something does; small ones by the wall, since reading the other clock
// would count.

import Foundation
import Networks
import Tensors

/// Times parts and whole networks with the engine.
public final class LatencyMeasurement {
    /// Several timings of one thing, in milliseconds.
    public struct Timing: Sendable, Equatable {
        /// Every timing, ascending.
        public let sorted: [Double]
        /// The mean of those that nothing disturbed.
        public var steady: Double { LatencyEntry(timings: sorted).mean }

        init(_ milliseconds: [Double]) { sorted = milliseconds.sorted() }
    }

    private let supernet: Network
    private let batch: Int
    private let wall = PassClock(countsProcessorTime: false)
    private let worked = PassClock(countsProcessorTime: true)
    /// Multiply-adds of a pass from which on a microsecond does not count: some two milliseconds.
    private static let largePassMACs = 50_000_000

    /// The build of the kernels that is measured.
    public var instructionSet: String { supernet.backend.instructionSet.description }

    /// Measures networks that run on `weights`, a supernet's of `space`, `batch` images at a time.
    public init(_ space: SearchSpace, weights: Weights, batch: Int) throws {
        guard case .supernet = weights.layout.naming else {
            throw SearchError(
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

    /// A network that is timed again and again, to tell how fast the machine is.
    func reference(_ shape: NetworkShape) -> Reference {
        let (network, shape) = alone(shape)
        return Reference(network, shape, Self.input(shape, batch: batch))
    }

    /// A network that is ready to be timed.
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

        /// Milliseconds of a pass now, after one that warms up, by either clock: the median where passes are short.
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

    /// The network as it is cut out of the supernet.
    func alone(_ shape: NetworkShape) -> (network: Network, shape: NetworkShape) {
        let weights = supernet.extract(shape, statistics: supernet.weights.statistics)
        return Network.alone(weights, shape, backend: supernet.backend)
    }

    private func clock(for shape: NetworkShape) -> PassClock {
        countsProcessorTime(shape) ? worked : wall
    }

    /// Whether a network is timed by the thread's processor time instead of by the wall.
    func countsProcessorTime(_ shape: NetworkShape) -> Bool {
        batch * NetworkCost(shape).macs >= Self.largePassMACs
    }

    /// What `body` says of each of so many passes, and of more where they are short: together a few milliseconds.
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
            count: batch * shape.resolution * shape.resolution * shape.stem.inWidth)
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

/// Times one network that runs on weights of its own, a little at a time with other work between: on a shared machine
/// a few hundredths of a second may all be slow ones, and several such goes seldom are.
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

    /// One go: after a warm-up, `repeats` timings, or fewer but five at least where they would take more than twenty
    /// milliseconds; each the mean over enough passes that it takes about 200 microseconds, by the thread's processor time.
    public func time(repeats: Int) {
        for _ in 0..<3 { _ = mean(1) }
        let once = max(min(mean(1), mean(1)), 1e-6)
        let passes = min(1000, max(1, Int(0.2 / once)))
        let timings = min(repeats, max(5, Int(20 / once)))
        for _ in 0..<timings { milliseconds.append(mean(passes)) }
    }

    /// The timings of all goes together; nil before the first.
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
