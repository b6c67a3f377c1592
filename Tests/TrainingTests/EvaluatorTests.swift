// Measuring subnets: statistics of their own, the supernet untouched, the same answer every time.
import Datasets
import Networks
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct EvaluatorTests {
    private let fixture: TrainingFixture
    private let network: Network
    private let shape: NetworkShape

    init() throws {
        fixture = try TrainingFixture(count: 168)
        network = try fixture.network()
        let trainer = try fixture.trainer(fixture.phase(epochs: 3), network: network)
        while !trainer.isFinished { _ = try trainer.trainStep() }
        shape = try NetworkShape(fixture.space, fixture.space.smallest)
    }

    @Test("calibrating and measuring leave the supernet alone, bit for bit")
    func untouched() throws {
        let before = network.weights.named.map(\.values)
        let evaluator = Evaluator(network, calibrationBatch: 32)
        let statistics = try evaluator.calibrate(shape, data: fixture.data, count: 100, seed: 1)
        _ = try evaluator.measure(
            shape, statistics: statistics, loader: fixture.data.loader, images: fixture.heldOut)
        #expect(network.weights.named.map(\.values) == before)
        #expect(statistics.all.values != network.weights.statistics.all.values)
    }

    @Test(
        "the same images and seed give the same statistics and the same result, whatever was run in between"
    )
    func deterministic() throws {
        let evaluator = Evaluator(network, calibrationBatch: 32),
            largest = try NetworkShape(fixture.space, fixture.space.largest)
        func measure() throws -> ([Float], Evaluator.Result) {
            let statistics = try evaluator.calibrate(
                shape, data: fixture.data, count: 100, augmentation: Augmentation(minArea: 0.7),
                seed: 5)
            return (
                statistics.all.values,
                try evaluator.measure(
                    shape, statistics: statistics, loader: fixture.data.loader,
                    images: fixture.heldOut)
            )
        }
        let first = try measure()
        _ = try evaluator.calibrate(largest, data: fixture.data, count: 64, seed: 9)
        let second = try measure()
        #expect(first.0 == second.0 && first.1 == second.1)
        #expect(first.1.images == 8 && (0...1).contains(first.1.top1) && first.1.loss.isFinite)
    }

    @Test("the size of a batch changes no answer, and a part of the images gives a part of them")
    func batches() throws {
        let statistics = try Evaluator(network).calibrate(
            shape, data: fixture.data, count: 100, seed: 1)
        func measure(_ batch: Int, _ images: [Int]) throws -> Evaluator.Result {
            try Evaluator(network, batch: batch).measure(
                shape, statistics: statistics, loader: fixture.data.loader, images: images)
        }
        let all = try measure(200, fixture.training), odd = try measure(7, fixture.training)
        #expect(all.top1 == odd.top1)
        #expect(abs(all.loss - odd.loss) < 1e-5)
        let halves = try [fixture.training.prefix(80), fixture.training.suffix(80)].map {
            try measure(200, Array($0)).top1
        }
        #expect(abs(halves.reduce(0, +) / 2 - all.top1) < 1e-12)
        #expect(all.top1 > 0.3)
        #expect(try measure(200, []).images == 0)
    }

    @Test("images measured in parts give together what they give at once")
    func together() throws {
        let evaluator = Evaluator(network, batch: 7), images = fixture.training
        let statistics = try evaluator.calibrate(shape, data: fixture.data, count: 100, seed: 1)
        func measure(_ images: some Collection<Int>) throws -> Evaluator.Result {
            try evaluator.measure(
                shape, statistics: statistics, loader: fixture.data.loader, images: Array(images))
        }
        let whole = try measure(images)
        let parts = try Evaluator.Result(
            together: [images[..<40], images[40..<77], images[77...]].map { try measure($0) })
        #expect(parts.top1 == whole.top1 && parts.images == whole.images)
        #expect(abs(parts.loss - whole.loss) < 1e-6)
        #expect(Evaluator.Result(together: []).images == 0)
    }

    @Test(
        "compiled subnets give the answers of subnets in place, also for the last, smaller batch",
        arguments: [1, 2])
    func compiled(threads: Int) throws {
        let network = self.network.sharing(on: try CPUEngine(threads: threads))
        var small = fixture.space.smallest
        small.resolution = fixture.space.largest.resolution
        let shapes = try [small, fixture.space.largest].map { try NetworkShape(fixture.space, $0) }
        let images = (0..<8).flatMap { _ in fixture.training }
        #expect(images.count % 7 != 0)
        for shape in shapes {
            #expect(Evaluator.compiles(shape, images: images.count))
            #expect(!Evaluator.compiles(shape, images: 1))
        }
        let evaluator = Evaluator(network, batch: 7), loader = fixture.data.loader
        let subnets = try evaluator.calibrate(shapes, data: fixture.data, count: 100, seed: 1)
        var compiled: Set<Int> = []
        let found = try evaluator.measure(subnets, loader: loader, images: images) { _ in
            compiled.formUnion(evaluator.lanes[0].compiled.map(\.subnet))
        }
        // Lane 0 may have come too late for a batch.
        #expect(compiled == [0, 1] || compiled.isEmpty && threads > 1)
        #expect(evaluator.lanes.allSatisfy { $0.compiled.isEmpty })
        for (subnet, result) in zip(subnets, found) {
            var loss = 0.0, correct = 0
            for start in stride(from: 0, to: images.count, by: 7) {
                let (inputs, labels) = try loader.batch(
                    images[start..<min(start + 7, images.count)], size: subnet.shape.resolution,
                    engine: network.engine)
                let answer = network.withStatistics(subnet.statistics) {
                    network.engine.crossEntropy(
                        network.forward(inputs, subnet.shape, mode: .running),
                        classes: subnet.shape.classes, labels: labels, soft: nil, smoothing: 0,
                        gradient: nil)
                }
                loss += answer.hard * Double(labels.count)
                correct += answer.correct
            }
            #expect(result.images == images.count)
            #expect(result.top1 == Double(correct) / Double(images.count))
            #expect(abs(result.loss - loss / Double(images.count)) < 1e-5)
        }
    }

    @Test(
        "a network that ignores its transform matrices is not compiled, because compiling uses them"
    )
    func withoutTransform() throws {
        let network = self.network.sharing(on: try CPUEngine(threads: 1))
        network.usesKernelTransform = false
        let evaluator = Evaluator(network, batch: 7),
            images = (0..<8).flatMap { _ in fixture.training }
        let subnets = try evaluator.calibrate([shape], data: fixture.data, count: 100, seed: 1)
        _ = try evaluator.measure(subnets, loader: fixture.data.loader, images: images) { _ in
            #expect(evaluator.lanes[0].compiled.isEmpty)
        }
    }

    @Test("the number of threads changes nothing", arguments: [2, 3])
    func threads(_ count: Int) throws {
        let statistics = try Evaluator(network).calibrate(
            shape, data: fixture.data, count: 100, seed: 1)
        func measure(_ network: Network) throws -> Evaluator.Result {
            try Evaluator(network, batch: 7).measure(
                shape, statistics: statistics, loader: fixture.data.loader,
                images: fixture.training)
        }
        let one = try measure(network.sharing(on: try CPUEngine(threads: 1)))
        #expect(try measure(network.sharing(on: try CPUEngine(threads: count))) == one)
        #expect(one.images == fixture.training.count && one.loss.isFinite)
    }

    /// The statistics of the first norm, which sees the first convolution's output.
    private func first(_ statistics: Storage) throws -> (mean: [Float], variance: [Float]) {
        func values(_ name: String) throws -> [Float] {
            let layout = network.weights.layout
            let found = try #require(layout.statistic("first_conv.bn.\(name)"))
            return network.weights.view(found, in: statistics).values
        }
        return (try values("running_mean"), try values("running_var"))
    }

    @Test(
        "statistics are the mean over batches of means and of biased variances, weighted by images",
        arguments: [(64, 32), (65, 32), (97, 48), (33, 100)])
    func statistics(count: Int, batch: Int) throws {
        let data = fixture.data
        let chosen = Array(data.order(seed: 1, epoch: 0).prefix(count))
        // Each batch alone.
        var mean: [Double] = [], variance: [Double] = []
        for start in stride(from: 0, to: count, by: batch) {
            let slice = chosen[start..<min(start + batch, count)]
            let (_, own) = try network.withOwnStatistics {
                let (images, _) = try data.loader.batch(
                    slice, size: shape.resolution, engine: network.engine)
                _ = network.forward(images, shape, mode: .calibrate(share: 1))
            }
            let one = try first(own), share = Double(slice.count) / Double(count)
            if mean.isEmpty {
                (mean, variance) = (one.mean.map { _ in 0 }, one.variance.map { _ in 0 })
            }
            for i in mean.indices {
                mean[i] += share * Double(one.mean[i])
                variance[i] += share * Double(one.variance[i])
            }
        }
        let statistics = try Evaluator(network, calibrationBatch: batch).calibrate(
            shape, data: data, count: count, seed: 1)
        let got = try first(statistics)
        // The sums of a batch are taken about another running mean: at most 96 floats are added before the sum goes
        // to double, each with a rounding of its size, in either pass; and one rounding a batch to store.
        let largest = (got.mean.map { abs($0) } + got.variance).max() ?? 0
        let bound = 2 * 100 * 0x1p-24 * Double(max(1, largest))
        for i in mean.indices {
            #expect(abs(Double(got.mean[i]) - mean[i]) <= bound)
            #expect(abs(Double(got.variance[i]) - variance[i]) <= bound)
        }
    }
}
