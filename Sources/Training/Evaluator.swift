// Evaluates subnets: calibrates their batch-norm statistics, then measures them on held-out images. Subnets of the same
// image size share batches, so that a picture is decoded once for all these subnets.

import Datasets
import Foundation
import Networks
import Synchronization
import Tensors

/// Calibrates and measures subnets of a supernet.
public final class Evaluator {
    /// The result of a measurement.
    public struct Result: Codable, Sendable, Equatable {
        /// Top-1 accuracy in 0…1.
        public let top1: Double
        /// Mean cross entropy.
        public let loss: Double
        /// Number of images.
        public let images: Int

        init(top1: Double, loss: Double, images: Int) {
            self.top1 = top1
            self.loss = loss
            self.images = images
        }

        /// Combines the results of measurements on different images.
        public init(together parts: [Result]) {
            let images = parts.reduce(0) { $0 + $1.images }, count = Double(max(images, 1))
            let correct = parts.reduce(0) { $0 + ($1.top1 * Double($1.images)).rounded() }
            self.init(
                top1: correct / count,
                loss: parts.reduce(0) { $0 + $1.loss * Double($1.images) } / count, images: images)
        }
    }

    /// A subnet with its running statistics.
    public struct Calibrated {
        /// The subnet.
        public let shape: NetworkShape
        /// The subnet's running batch-norm statistics, laid out as in the network.
        public let statistics: Storage

        /// Takes a subnet with its statistics, which come from `calibrate` or are the network's own.
        public init(_ shape: NetworkShape, statistics: Storage) {
            self.shape = shape
            self.statistics = statistics
        }
    }

    /// The state of one thread: a network with shared weights on its own single-threaded engine.
    /// Images are independent, so threads share only the number of the next batch.
    final class Lane {
        let network: Network
        private var loader: BatchLoader?
        /// The results by batch and subnet.
        var found: [(batch: Int, subnet: Int, loss: Double, correct: Int)] = []
        /// The subnets that are compiled, by number. They share their weights with this lane's passes.
        var compiled: [(subnet: Int, network: CompiledNetwork)] = [] {
            didSet { passes = [:] }
        }
        /// The passes of this lane, by subnet and number of images. They use one memory in turn.
        private var passes: [Place: CompiledNetwork] = [:]
        private let room = PassRoom()

        private struct Place: Hashable {
            let subnet, images: Int
        }

        init(_ network: Network) { self.network = network }

        /// Returns a loader that reads the source of `other` into buffers of this lane.
        func loader(as other: BatchLoader) -> BatchLoader {
            if let loader, loader.source === other.source,
                loader.normalization == other.normalization
            {
                return loader
            }
            let own = BatchLoader(other.source, normalization: other.normalization)
            loader = own
            return own
        }

        /// Compiles subnet `number` for `images` images, if this lane's engine can run compiled networks.
        func compile(_ subnet: Calibrated, number: Int, images: Int) {
            guard let engine = network.engine as? CPUEngine else { return }
            compiled.append(
                (
                    number,
                    CompiledNetwork(
                        network.weights, subnet.shape, statistics: subnet.statistics,
                        images: images, engine: engine, room: room)
                ))
        }

        /// Returns the logits of subnet `number`, which are valid until the next pass of this lane.
        func logits(_ number: Int, _ subnet: Calibrated, _ inputs: FeatureMap) -> Tensor {
            let place = Place(subnet: number, images: inputs.images)
            if let own = passes[place] { return own.forward(inputs) }
            guard let engine = network.engine as? CPUEngine,
                let shared = compiled.first(where: { $0.subnet == number })?.network
            else {
                return network.withStatistics(subnet.statistics) {
                    network.forward(inputs, subnet.shape, mode: .running)
                }
            }
            let own = shared.sharing(images: inputs.images, on: engine, room: room)
            passes[place] = own
            return own.forward(inputs)
        }

        /// Returns the mean loss and the number of correct predictions of subnet `number` on a batch, and the logits, which
        /// are valid until the next pass of this lane.
        func answer(
            _ number: Int, _ subnet: Calibrated, _ inputs: FeatureMap, _ labels: [Int32]
        ) -> (hard: Double, correct: Int, logits: Tensor) {
            let logits = logits(number, subnet, inputs)
            let answer = network.engine.crossEntropy(
                logits, classes: subnet.shape.classes, labels: labels,
                soft: nil, smoothing: 0, gradient: nil)
            return (answer.hard, answer.correct, logits)
        }
    }

    let network: Network
    let batch: Int
    private let calibrationBatch: Int
    let lanes: [Lane]

    /// Prepares to measure and calibrate subnets of `network`. `measure` runs batches of `batch` images, one at a time
    /// on each lane (thread) of the network's engine; `calibrate` runs batches of `calibrationBatch` images, which the
    /// engine's threads share.
    public init(_ network: Network, batch: Int = 25, calibrationBatch: Int = 200) {
        self.network = network
        self.batch = batch
        self.calibrationBatch = calibrationBatch
        lanes = network.engine.lanes.map { Lane(network.sharing(on: $0)) }
    }

    /// Returns running statistics for one subnet, computed as the next method does for several subnets.
    public func calibrate(
        _ shape: NetworkShape, data: TrainingData, count: Int = 2000,
        augmentation: Augmentation = .none, seed: UInt64
    ) throws -> Storage {
        try calibrate(
            [shape], data: data, count: count, augmentation: augmentation, seed: seed)[0].statistics
    }

    /// Returns the subnets `shapes`, which must have the same image size, with running statistics. These statistics are
    /// weighted averages of the means and biased variances of all batches; the weight of a batch is its number of
    /// images. `seed` determines the choice and the augmentation of `count` training images, or of all if there are
    /// fewer (Cai et al., ICLR 2020: 2,000 images). Each batch is loaded once for all subnets; a subnet's statistics do
    /// not depend on the other subnets. `afterBatch` is called after each batch with the share of images that is done.
    ///
    /// Errors: `DatasetError` if a picture cannot be read, and those of `afterBatch`.
    public func calibrate(
        _ shapes: [NetworkShape], data: TrainingData, count: Int = 2000,
        augmentation: Augmentation = .none, seed: UInt64,
        afterBatch: (Double) throws -> Void = { _ in }
    ) throws -> [Calibrated] {
        let size = Self.size(of: shapes)
        let chosen = data.order(seed: seed, epoch: 0).prefix(count)
        let batches = stride(from: 0, to: chosen.count, by: calibrationBatch)
        let streams = ImageStreams(seed: seed, purpose: Draw.calibration.rawValue)
        network.reserve(shapes, images: min(calibrationBatch, chosen.count), training: false)
        let subnets = shapes.map {
            Calibrated($0, statistics: network.withOwnStatistics {}.1)
        }
        for start in batches {
            let end = min(start + calibrationBatch, chosen.count)
            let (images, _) = try data.loader.batch(
                chosen[start..<end], size: size, augmentation: augmentation,
                streams: augmentation == .none ? nil : streams.from(start),
                engine: network.engine)
            let share = Double(end - start) / Double(end)
            for subnet in subnets {
                network.withStatistics(subnet.statistics) {
                    _ = network.forward(images, subnet.shape, mode: .calibrate(share: share))
                }
            }
            try afterBatch(Double(end) / Double(chosen.count))
        }
        return subnets
    }

    /// Measures one subnet with the running statistics `statistics` on `images` of the loader's
    /// source. The result does not depend on the number of threads.
    public func measure(
        _ shape: NetworkShape, statistics: Storage, loader: BatchLoader, images: [Int]
    ) throws -> Result {
        try measure(
            [Calibrated(shape, statistics: statistics)], loader: loader, images: images)[0]
    }

    /// Measures subnets of the same image size on `images` of the loader's source. Each image is loaded once for all
    /// subnets. The result of a subnet depends neither on the number of threads nor on the other subnets. The caller's
    /// thread measures some of the batches; after each of these it calls `afterBatch` with the approximate share of all
    /// batches that is done.
    ///
    /// Errors: `DatasetError` if a picture cannot be read, and those of `afterBatch`.
    public func measure(
        _ subnets: [Calibrated], loader: BatchLoader, images: [Int],
        afterBatch: (Double) throws -> Void = { _ in }
    ) throws -> [Result] {
        try measure(subnets, loader: loader, images: images, afterBatch: afterBatch) { _, _, _, _ in
        }
    }

    /// Measures subnets, and calls `each` for each batch and subnet on one of the lanes, with the lane, the number of the
    /// subnet, its logits and the labels.
    func measure(
        _ subnets: [Calibrated], loader: BatchLoader, images: [Int],
        afterBatch: (Double) throws -> Void,
        each: (Lane, Int, Tensor, [Int32]) -> Void
    ) throws -> [Result] {
        for lane in lanes { lane.found.removeAll(keepingCapacity: true) }
        try eachBatch(subnets, loader: loader, images: images, afterBatch: afterBatch) {
            lane, index, inputs, labels in
            for (number, subnet) in subnets.enumerated() {
                let answer = lane.answer(number, subnet, inputs, labels)
                lane.found.append(
                    (index, number, answer.hard * Double(labels.count), answer.correct))
                each(lane, number, answer.logits, labels)
            }
        }
        return results(subnets.count, images: images.count)
    }

    /// Makes the batches of `images` at the size of `subnets`, and calls `body` for each batch on one of the lanes, with
    /// the batch's number, images and labels. Before, compiles the subnets for which this pays. `afterBatch` is called as
    /// `measure` says.
    ///
    /// Errors: those of the loader and of the closures. If several batches fail, throws the error of the earliest
    /// batch.
    func eachBatch(
        _ subnets: [Calibrated], loader: BatchLoader, images: [Int],
        afterBatch: (Double) throws -> Void,
        _ body: (Lane, Int, FeatureMap, [Int32]) throws -> Void
    ) throws {
        let size = Self.size(of: subnets.map(\.shape))
        compile(subnets, images: images.count)
        defer { forgetCompiled() }
        let inPlace = subnets.indices.filter { number in
            !lanes[0].compiled.contains { $0.subnet == number }
        }.map { subnets[$0].shape }
        let batches = (images.count + batch - 1) / batch, next = Atomic<Int>(0)
        // The lanes take batches in order, so the earliest batch that fails does not depend on the threads. Its error
        // is thrown.
        let failure = Mutex<(batch: Int, error: any Error)?>(nil)
        network.engine.onEachLane { thread in
            var index = 0
            let lane = self.lanes[thread], loader = lane.loader(as: loader)
            lane.network.reserve(inPlace, images: min(batch, images.count), training: false)
            do {
                while true {
                    index = next.add(1, ordering: .relaxed).oldValue
                    if index >= batches { break }
                    let slice = images[index * batch..<min((index + 1) * batch, images.count)]
                    let (inputs, labels) = try loader.batch(
                        slice, size: size, engine: lane.network.engine)
                    try body(lane, index, inputs, labels)
                    // Lane 0 runs on the caller's thread.
                    if thread == 0 { try afterBatch(Double(index + 1) / Double(batches)) }
                }
            } catch {
                failure.withLock { if index < $0?.batch ?? .max { $0 = (index, error) } }
                // From now on, no lane begins another batch.
                next.store(batches, ordering: .relaxed)
            }
        }
        if let failure = failure.withLock({ $0 }) { throw failure.error }
    }

    /// Returns the results of all lanes together, summed in the order of batches.
    private func results(_ subnets: Int, images: Int) -> [Result] {
        let found = lanes.flatMap(\.found).sorted { $0.batch < $1.batch }
        var losses = [Double](repeating: 0, count: subnets)
        var correct = [Int](repeating: 0, count: subnets)
        for part in found {
            losses[part.subnet] += part.loss
            correct[part.subnet] += part.correct
        }
        let count = Double(max(images, 1))
        return (0..<subnets).map {
            Result(top1: Double(correct[$0]) / count, loss: losses[$0] / count, images: images)
        }
    }

    /// Returns the image size of the subnets, which must have the same size.
    private static func size(of shapes: [NetworkShape]) -> Int {
        let sizes = Set(shapes.map(\.resolution))
        precondition(sizes.count == 1, "subnets of sizes \(sizes) do not share batches")
        return sizes.first ?? 0
    }
}
