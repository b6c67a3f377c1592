// Measuring subnets: statistics of their own, the supernet untouched, the same answer every time.
import Datasets
import Networks
import Tensors
import TestSupport
import Testing
import Training

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
    func untouched() {
        let before = network.weights.named.map(\.values)
        let evaluator = Evaluator(network, calibrationBatch: 32)
        let statistics = evaluator.calibrate(shape, data: fixture.data, count: 100, seed: 1)
        _ = evaluator.measure(
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
        func measure() -> ([Float], Evaluator.Result) {
            let statistics = evaluator.calibrate(
                shape, data: fixture.data, count: 100, augmentation: Augmentation(minArea: 0.7),
                seed: 5)
            return (
                statistics.all.values,
                evaluator.measure(
                    shape, statistics: statistics, loader: fixture.data.loader,
                    images: fixture.heldOut)
            )
        }
        let first = measure()
        _ = evaluator.calibrate(largest, data: fixture.data, count: 64, seed: 9)
        let second = measure()
        #expect(first.0 == second.0 && first.1 == second.1)
        #expect(first.1.images == 8 && (0...1).contains(first.1.top1) && first.1.loss.isFinite)
    }

    @Test("the size of a batch changes no answer, and a part of the images gives a part of them")
    func batches() {
        let statistics = Evaluator(network).calibrate(
            shape, data: fixture.data, count: 100, seed: 1)
        func measure(_ batch: Int, _ images: [Int]) -> Evaluator.Result {
            Evaluator(network, batch: batch).measure(
                shape, statistics: statistics, loader: fixture.data.loader, images: images)
        }
        let all = measure(200, fixture.training), odd = measure(7, fixture.training)
        #expect(all.top1 == odd.top1)
        #expect(abs(all.loss - odd.loss) < 1e-5)
        let halves = [fixture.training.prefix(80), fixture.training.suffix(80)].map {
            measure(200, Array($0)).top1
        }
        #expect(abs(halves.reduce(0, +) / 2 - all.top1) < 1e-12)
        #expect(all.top1 > 0.3)
        #expect(measure(200, []).images == 0)
    }

    @Test("images measured in parts give together what they give at once")
    func together() {
        let evaluator = Evaluator(network, batch: 7), images = fixture.training
        let statistics = evaluator.calibrate(shape, data: fixture.data, count: 100, seed: 1)
        func measure(_ images: some Collection<Int>) -> Evaluator.Result {
            evaluator.measure(
                shape, statistics: statistics, loader: fixture.data.loader, images: Array(images))
        }
        let whole = measure(images)
        let parts = Evaluator.Result(
            together: [images[..<40], images[40..<77], images[77...]].map { measure($0) })
        #expect(parts.top1 == whole.top1 && parts.images == whole.images)
        #expect(abs(parts.loss - whole.loss) < 1e-6)
        #expect(Evaluator.Result(together: []).images == 0)
    }

    @Test("the number of threads changes nothing", arguments: [2, 3])
    func threads(_ count: Int) throws {
        let statistics = Evaluator(network).calibrate(
            shape, data: fixture.data, count: 100, seed: 1)
        func measure(_ network: Network) -> Evaluator.Result {
            Evaluator(network, batch: 7).measure(
                shape, statistics: statistics, loader: fixture.data.loader,
                images: fixture.training)
        }
        let one = measure(network.sharing(on: try Backend(threads: 1)))
        #expect(measure(network.sharing(on: try Backend(threads: count))) == one)
        #expect(one.images == fixture.training.count && one.loss.isFinite)
    }

    @Test("statistics are the mean over batches of means and of biased variances")
    func statistics() throws {
        // The first norm sees the first convolution's output, which the same pass can be asked for.
        let count = 64, batch = 32, data = fixture.data
        let statistics = Evaluator(network, calibrationBatch: batch).calibrate(
            shape, data: data, count: count, seed: 1)
        let mean = try #require(network.weights.layout.statistic("first_conv.bn.running_mean"))
        let whole = Evaluator(network, calibrationBatch: count).calibrate(
            shape, data: data, count: count, seed: 1)
        let parts = network.weights.view(mean, in: statistics).values,
            once = network.weights.view(mean, in: whole).values
        // Means of equal batches average to the mean of all.
        #expect(zip(parts, once).allSatisfy { abs($0 - $1) < 1e-5 })
    }
}
