// Times networks on this machine, whole and part by part. The networks are compiled (`CompiledNetwork`), which is the
// fastest way in which this program runs a network that does not change. Parts are timed inside whole networks, by
// reading a clock between parts: a part run alone in a loop would find its weights and input in the nearest cache. On
// one thread, large networks are timed by the thread's CPU time, which excludes time that other processes took. Small
// networks are timed by wall-clock time, because reading the CPU clock takes too long for them, and so are networks on
// several threads, because the CPU clock counts only the caller's thread.

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

    /// The name of what is timed: a network on weights in place (no name, in data of older versions), or a compiled
    /// network. The number is raised by every change after which networks take noticeably other times. Timings of
    /// different methods are not comparable, so a table records its method.
    public static let method = "compiled-1"

    private let weights: Weights
    private let engine: CPUEngine
    private let batch: Int
    private let room = PassRoom()
    private let wall = PassClock(countsProcessorTime: false)
    private let worked = PassClock(countsProcessorTime: true)
    /// Passes of at least this many multiply-adds are timed by CPU time: such passes take about a millisecond or more,
    /// so the microseconds that reading the CPU clock takes are negligible.
    private static let largePassMACs = 50_000_000

    /// The instruction set that the measured networks use.
    public var instructionSet: String { engine.instructionSet.description }
    /// The number of threads that the measured networks use.
    public var threads: Int { engine.threads }

    /// Prepares to time subnets of the supernet with `weights`, on `threads` threads and with `batch` images per pass.
    /// Errors: `invalidOption` if `weights` are not a supernet's; those of `CPUEngine`.
    public init(supernet weights: Weights, batch: Int, threads: Int = 1) throws {
        guard case .supernet = weights.layout.naming else {
            throw DeviceError(
                .invalidOption, "parts are measured in a supernet only",
                remedy: "give its weights")
        }
        self.weights = weights
        self.batch = batch
        engine = try CPUEngine(threads: threads)
    }

    /// Runs `body` on each thread that the measured networks use, for instance to pin the thread to a processor.
    public func onEachThread(_ body: () -> Void) { engine.onEachLane { _ in body() } }

    /// Returns, for each pass after a warm-up, the milliseconds of every part of a network in the order of
    /// `latencyKeys`. There are `passes` passes, or up to ten times as many if a pass is short.
    public func parts(_ shape: NetworkShape, passes: Int) -> [[Double]] {
        let subject = subject(shape), clock = clock(for: shape)
        return subject.repeated(passes: passes) { subject.parts(clock) }
    }

    /// Returns the milliseconds of the whole network for each pass after a warm-up. There are `passes` passes, or up
    /// to ten times as many if a pass is short.
    public func whole(_ shape: NetworkShape, passes: Int) -> [Double] {
        let subject = subject(shape), clock = clock(for: shape)
        return subject.repeated(passes: passes) { subject.whole(clock) }
    }

    /// Prepares `shape` as the reference network, whose time shows the machine's current speed.
    func reference(_ shape: NetworkShape) -> Reference {
        Reference(subject(shape), wall: wall, worked: worked)
    }

    /// The reference network, prepared for timing.
    final class Reference {
        private let subject: TimedNetwork
        private let wall, worked: PassClock

        fileprivate init(_ subject: TimedNetwork, wall: PassClock, worked: PassClock) {
            self.subject = subject
            self.wall = wall
            self.worked = worked
        }

        /// Returns the milliseconds of one pass after a warm-up, as wall-clock time and as the thread's CPU time
        /// (`worked`). If passes are short, several are made, and the pass with the median wall-clock time is returned.
        func milliseconds() -> (wall: Double, worked: Double) {
            let passes = subject.repeated(passes: 1) {
                wall.begin()
                let worked = subject.whole(worked)
                wall.mark()
                return (wall: wall.milliseconds.reduce(0, +), worked: worked)
            }
            return passes.sorted { $0.wall < $1.wall }[passes.count / 2]
        }
    }

    /// Compiles a subnet of the supernet.
    func compiled(_ shape: NetworkShape) -> CompiledNetwork {
        CompiledNetwork(weights, shape, images: batch, engine: engine, room: room)
    }

    private func subject(_ shape: NetworkShape) -> TimedNetwork { TimedNetwork(compiled(shape)) }

    private func clock(for shape: NetworkShape) -> PassClock {
        countsProcessorTime(shape) ? worked : wall
    }

    /// Returns whether a network is timed by the thread's CPU time instead of wall-clock time.
    func countsProcessorTime(_ shape: NetworkShape) -> Bool {
        threads == 1 && batch * NetworkCost(shape).macs >= Self.largePassMACs
    }
}

/// A compiled network with images to run it on.
private struct TimedNetwork {
    let network: CompiledNetwork
    private let images: FeatureMap

    init(_ network: CompiledNetwork) {
        self.network = network
        images = Self.images(network.shape, count: network.pass.images)
    }

    /// Returns `count` grey images of the size that `shape` takes.
    static func images(_ shape: NetworkShape, count: Int) -> FeatureMap {
        let storage = Storage(
            count: count * shape.resolution * shape.resolution * shape.inputChannels)
        storage.all.fill(with: 0.5)
        return Network.input(shape, images: count, storage: storage)
    }

    func run() { _ = network.forward(images) }

    /// Returns the milliseconds of every part of one pass.
    func parts(_ clock: PassClock) -> [Double] {
        network.pass.clock = clock
        run()
        network.pass.clock = nil
        return clock.milliseconds
    }

    /// Returns the milliseconds of one pass of the whole network.
    func whole(_ clock: PassClock) -> Double {
        clock.begin()
        run()
        clock.mark()
        return clock.milliseconds.reduce(0, +)
    }

    /// Runs a warm-up pass, then calls `body` repeatedly and returns its results. There are `passes` calls; if passes
    /// are short, as many calls as take about three milliseconds, but at most ten times `passes`.
    func repeated<Value>(passes: Int, _ body: () -> Value) -> [Value] {
        let start = ContinuousClock.now
        run()
        let once = (.now - start) / .milliseconds(1)
        let count = max(passes, min(10 * passes, Int(3 / max(once, 0.01))))
        return (0..<count).map { _ in body() }
    }
}

/// Times one compiled network, in floats or in eight bits, in several short sessions with other work between them. On a shared machine one session
/// may be slow throughout, but rarely all sessions.
public final class WholeNetworkTimer {
    private let engine: CPUEngine
    private let run: () -> Void
    private let clock: PassClock
    private var milliseconds: [Double] = []

    /// Prepares to time `network` on its engine, in the thread's CPU time if the engine has one thread, else in
    /// wall-clock time.
    public convenience init(_ network: CompiledNetwork) {
        let subject = TimedNetwork(network)
        self.init(network.pass.engine) { subject.run() }
    }

    /// Prepares to time `network`, of `shape` in eight bits, as `init(_:)` does in floats.
    public convenience init(_ network: CompiledQuantisedNetwork, _ shape: NetworkShape) {
        let images = TimedNetwork.images(shape, count: network.pass.images)
        self.init(network.pass.engine) { _ = network.forward(images) }
    }

    private init(_ engine: CPUEngine, _ run: @escaping () -> Void) {
        self.engine = engine
        self.run = run
        clock = PassClock(countsProcessorTime: engine.threads == 1)
    }

    /// The number of threads that the network uses.
    public var threads: Int { engine.threads }

    /// Runs `body` on each thread that the network uses, for instance to pin the thread to a processor.
    public func onEachThread(_ body: () -> Void) { engine.onEachLane { _ in body() } }

    /// Runs one session: a warm-up, then `repeats` timings. If `repeats` passes would take over twenty milliseconds,
    /// there are fewer timings, but at least five. A timing is the mean over passes that take about 200 microseconds
    /// together, or over one longer pass.
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
        for _ in 0..<passes { run() }
        clock.mark()
        return clock.milliseconds.reduce(0, +) / Double(passes)
    }
}
