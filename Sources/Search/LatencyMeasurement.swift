// Measures this machine: every part of a space, and whole networks to check the sum of parts against. One thread, as
// on the device: a batch of one image has nothing to split.

import Foundation
import Networks
import Tensors

/// Times parts and whole networks with the engine.
public final class LatencyMeasurement {
    /// Several timings of one thing, in milliseconds.
    public struct Timing: Sendable, Equatable {
        /// Every timing, ascending.
        public let sorted: [Double]
        /// The one in the middle.
        public var median: Double { sorted[sorted.count / 2] }

        init(_ milliseconds: [Double]) { sorted = milliseconds.sorted() }

        /// The timings without those over twice the median: interruptions of a shared machine, not the work.
        var steady: [Double] { sorted.filter { $0 <= 2 * median } }
    }

    private let network: Network
    private let batch: Int
    /// The build of the kernels that is measured.
    public var instructionSet: String { network.backend.instructionSet.description }

    /// Measures networks that run on `weights` (a supernet's of `space`, or an extracted subnet's), `batch` images at
    /// a time.
    public init(_ space: SearchSpace, weights: Weights, batch: Int) throws {
        network = Network(
            weights, widest: try Self.widest(space, weights), backend: try Backend(threads: 1))
        self.batch = batch
    }

    private static func widest(_ space: SearchSpace, _ weights: Weights) throws -> NetworkShape {
        guard case .supernet = weights.layout.naming else {
            throw SearchError(
                .invalidOption, "block by block only a supernet is measured: give its weights")
        }
        return try NetworkShape(space, space.largest)
    }

    /// The latency of one part: warm-up, then `repeats` timings of enough passes each to outlast the clock's grain.
    public func entry(_ key: LatencyKey, resolution: Int, repeats: Int) throws -> LatencyEntry {
        let run: () -> Void = network.prepare(Self.part(key), images: batch)
        return LatencyEntry(milliseconds: Self.time(repeats, run).steady)
    }

    /// The latency of a whole network of the supernet.
    public func wholeNetworkMs(subnet shape: NetworkShape, repeats: Int) throws -> Timing {
        Self.wholeNetworkMs(network, shape, batch: batch, repeats: repeats)
    }

    /// The latency of a whole network that runs on any weights.
    public static func wholeNetworkMs(
        _ network: Network, _ shape: NetworkShape, batch: Int, repeats: Int
    ) -> Timing {
        let storage = Storage(
            count: batch * shape.resolution * shape.resolution * shape.stem.inWidth)
        storage.all.fill(with: 0.5)
        let images = Network.input(shape, images: batch, storage: storage)
        return time(repeats) { _ = network.forward(images, shape, mode: .running) }
    }

    private static func part(_ key: LatencyKey) -> Network.Part {
        switch key.part {
        case .stem(let conv): .stem(conv)
        case .block(let block): .block(block)
        case .finalExpand(let conv): .finalExpand(conv)
        case .pooling(let size, let width): .pooling(size: size, width: width)
        case .featureMix(let inWidth, let outWidth):
            .featureMix(inWidth: inWidth, outWidth: outWidth)
        case .classifier(let inWidth, let classes): .classifier(inWidth: inWidth, classes: classes)
        }
    }

    /// `repeats` timings of the mean over enough passes that one timing takes about 200 microseconds.
    private static func time(_ repeats: Int, _ run: () -> Void) -> Timing {
        let clock = ContinuousClock()
        func milliseconds(_ passes: Int) -> Double {
            let start = clock.now
            for _ in 0..<passes { run() }
            return (clock.now - start) / .milliseconds(1) / Double(passes)
        }
        for _ in 0..<3 { run() }
        let once = min(milliseconds(1), milliseconds(1))
        let passes = min(1000, max(1, Int(0.2 / max(once, 1e-6))))
        return Timing((0..<repeats).map { _ in milliseconds(passes) })
    }
}
