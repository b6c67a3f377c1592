// A step reserves what it needs before it starts: inside it nothing is allocated.
import Networks
import TestSupport
import Testing

@testable import Tensors
@testable import Training

@Suite(.serialized) struct AllocationTests {
    private static let cannotCount: Comment = "allocations can be counted with glibc only"

    /// The supernet of the demo with fresh weights on so many threads.
    private struct Subject {
        let engine: CPUEngine, network: Network, optimizer: Optimizer, images: FeatureMap
        let shape: NetworkShape, labels: [Int32], gradient: Tensor, soft: Tensor
        let losses = LossTotals()

        init(
            _ space: SearchSpace = .fashion, threads: Int, images count: Int = 64,
            format: MapFormat = .float32
        ) throws {
            engine = try CPUEngine(threads: threads)
            network = try Network(
                supernet: Weights(supernetOf: space, seed: 3), of: space, engine: engine)
            network.trainingFormat = format
            optimizer = Optimizer(network)
            shape = try NetworkShape(space, space.largest)
            let side = shape.resolution
            let storage = Storage(count: count * side * side * space.inputChannels)
            var stream = RandomStream(seed: 5, 1)
            for index in 0..<storage.count { storage.all[index] = stream.uniform() }
            images = Network.input(shape, images: count, storage: storage)
            labels = (0..<count).map { Int32($0 % space.classes) }
            gradient = Storage(count: count * space.classes).all
            soft = Storage(count: count * space.classes).all
            soft.fill(with: 1 / Float(space.classes))
        }

        func step() {
            let logits = network.forward(
                images, shape, mode: .train(momentum: 0.1), training: true)
            engine.crossEntropy(
                logits, classes: shape.classes, labels: labels, soft: soft, softWeight: 1,
                smoothing: 0.1, gradient: gradient, partOf: nil, into: losses)
            network.backward(gradient)
            optimizer.step(network, learningRate: 0.01)
        }

        func allocations(_ work: () -> Void) -> Int {
            Allocations.during(onEveryThread: { body in engine.pool.run { _ in body() } }, work)
        }
    }

    @Test(
        "forward, loss, backward and the optimizer allocate nothing", arguments: [1, 2, 3],
        MapFormat.allCases)
    func trainingStep(threads: Int, format: MapFormat) throws {
        try #require(Allocations.areCountable, Self.cannotCount)
        let subject = try Subject(threads: threads, format: format)
        subject.step()
        subject.step()
        #expect(subject.allocations { for _ in 0..<3 { subject.step() } } == 0)
    }

    @Test(
        "forward, loss, backward and the optimizer of every family allocate nothing",
        arguments: SearchSpace.tinyFamilies)
    func families(space: SearchSpace) throws {
        try #require(Allocations.areCountable, Self.cannotCount)
        let subject = try Subject(space, threads: 2, images: 8)
        subject.step()
        subject.step()
        #expect(subject.allocations { for _ in 0..<3 { subject.step() } } == 0, "\(space.name)")
    }

    @Test(
        "a trainer's whole step allocates nothing: batches, teacher, subnets, passes and optimizer",
        arguments: [1, 2, 3], [TrainingPhase.Sampling.random, .sandwich])
    func wholeStep(threads: Int, sampling: TrainingPhase.Sampling) throws {
        try #require(Allocations.areCountable, Self.cannotCount)
        let fixture = try TrainingFixture()
        var phase = fixture.phase(epochs: 6)
        (phase.distillation, phase.subnets, phase.sampling) = (1, 3, sampling)
        if sampling == .sandwich { phase.microBatch = 4 }
        let network = try fixture.network(threads: threads)
        let pool = try #require(network.engine as? CPUEngine).pool
        let trainer = try fixture.trainer(
            phase, network: network, teacher: fixture.network(threads: threads, seed: 9))
        // The first step asks for the first batch and starts the loader's thread, and BLAS makes its own room once.
        _ = try trainer.trainStep()
        var counts: [Int] = []
        while !trainer.isFinished {
            let count = try Allocations.during(
                onEveryThread: { body in pool.run { _ in body() } },
                { _ = try trainer.trainStep() })
            counts.append(count)
        }
        // Thirty steps go through six epochs, each with an order of its own, and through most genes.
        #expect(counts.count == 29 && counts.allSatisfy { $0 == 0 }, "\(counts)")
    }

    @Test(
        "a whole step of in-place distillation allocates nothing: alpha divergence, clipping, cropped kernels",
        arguments: [1, 2])
    func inPlaceStep(threads: Int) throws {
        try #require(Allocations.areCountable, Self.cannotCount)
        let fixture = try TrainingFixture()
        var phase = fixture.phase(epochs: 6)
        (phase.distillation, phase.subnets, phase.sampling) = (1, 4, .sandwich)
        (phase.inPlaceDistillation, phase.distillationLoss) = (true, .alphaDivergence)
        (phase.gradientClip, phase.kernelTransform) = (1, false)
        let network = try fixture.network(threads: threads)
        let pool = try #require(network.engine as? CPUEngine).pool
        let trainer = try fixture.trainer(phase, network: network)
        _ = try trainer.trainStep()
        var counts: [Int] = []
        while !trainer.isFinished {
            counts.append(
                try Allocations.during(
                    onEveryThread: { body in pool.run { _ in body() } },
                    { _ = try trainer.trainStep() }))
        }
        #expect(counts.count == 29 && counts.allSatisfy { $0 == 0 }, "\(counts)")
    }

    @Test("inference and recalibration allocate nothing", arguments: [1, 2])
    func inference(threads: Int) throws {
        try #require(Allocations.areCountable, Self.cannotCount)
        let subject = try Subject(threads: threads)
        for mode in [NormMode.running, .calibrate(share: 0.5)] {
            // The first pass finds out how much it takes, and the second makes that one piece.
            for _ in 0..<2 {
                _ = subject.network.forward(subject.images, subject.shape, mode: mode)
            }
            let count = subject.allocations {
                for _ in 0..<3 {
                    _ = subject.network.forward(subject.images, subject.shape, mode: mode)
                }
            }
            #expect(count == 0, "\(mode)")
        }
    }

    @Test("a compiled pass allocates nothing", arguments: [1, 2])
    func compiled(threads: Int) throws {
        try #require(Allocations.areCountable, Self.cannotCount)
        let subject = try Subject(threads: threads)
        let network = CompiledNetwork(
            subject.network.weights, subject.shape, images: subject.images.images,
            engine: subject.engine)
        let count = subject.allocations {
            for _ in 0..<3 { _ = network.forward(subject.images) }
        }
        #expect(count == 0)
    }

    @Test("a pass in eight bits allocates nothing", arguments: [1, 2])
    func eightBits(threads: Int) throws {
        try #require(Allocations.areCountable, Self.cannotCount)
        for space in [SearchSpace.fashion] + SearchSpace.tinyFamilies {
            let subject = try Subject(space, threads: threads, images: 8)
            let weights = subject.network.extract(
                subject.shape, statistics: subject.network.weights.statistics)
            let graph = try OperatorGraph(subject.shape, weights)
            let histograms = ActivationHistograms(
                graph, batches: [subject.images], engine: subject.engine)
            let network = CompiledQuantisedNetwork(
                try QuantisedGraph(graph, ranges: histograms.ranges(.leastSquares)),
                images: subject.images.images, engine: subject.engine)
            let count = subject.allocations {
                for _ in 0..<3 { _ = network.forward(subject.images) }
            }
            #expect(count == 0, "\(space.name)")
        }
    }

    @Test("the counter sees an allocation, on the caller's thread and on the engine's")
    func counts() throws {
        try #require(Allocations.areCountable, Self.cannotCount)
        let subject = try Subject(threads: 2)
        #expect(subject.allocations { _ = Storage(count: 100) } > 0)
        let both = subject.allocations {
            subject.engine.pool.run { _ in withExtendedLifetime(Storage(count: 100)) {} }
        }
        #expect(both >= 2)
    }

    @Test(
        "a pass takes exactly the workspace that was foretold, whatever the subnet",
        arguments: [1, 5, 16], [SearchSpace.fashion, .tinyProxyless, .tinyResNet])
    func workspace(images count: Int, space: SearchSpace) throws {
        let engine = try CPUEngine(threads: 2)
        let weights = try Weights(supernetOf: space, seed: 3)
        var stream = RandomStream(seed: 21)
        for config in [space.largest, space.smallest]
            + (0..<6).map({ _ in space.sample(using: &stream) })
        {
            let shape = try NetworkShape(space, config), side = shape.resolution
            let images = Network.input(
                shape, images: count,
                storage: Storage(count: count * side * side * space.inputChannels))
            let gradient = Storage(count: count * space.classes).all
            for (mode, training) in [
                (NormMode.running, false), (.calibrate(share: 1), false),
                (.train(momentum: 0.1), true),
            ] {
                // A network of its own for every pass: what was taken is this pass's.
                let network = try Network(supernet: weights, of: space, engine: engine)
                _ = network.forward(
                    images, shape, mode: mode, training: training,
                    dropout: .init(rate: 0.5, streams: ImageStreams(seed: 1)))
                if training { network.backward(gradient) }
                let foretold = Network.workspaceBytes(
                    shape, images: count, training: training, mode: mode)
                #expect(network.workspaceBytes == foretold, "\(mode) of \(config)")
            }
        }
    }
}
