// Schedules beside progressive shrinking: in-place distillation, the alpha divergence, and training without the kernel
// transform, against a step written out naively; and their budgets.
import Datasets
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct SchedulesTests {
    /// A phase whose every step trains the largest, the smallest and two random networks.
    private func phase(_ fixture: TrainingFixture, _ loss: SoftLoss = .crossEntropy)
        -> TrainingPhase
    {
        var phase = fixture.phase()
        (phase.subnets, phase.sampling) = (4, .sandwich)
        (phase.inPlaceDistillation, phase.distillation) = (true, 0.8)
        (phase.distillationLoss, phase.dropout) = (loss, 0.4)
        (phase.weightDecay, phase.warmupEpochs) = (0, 0)
        return phase
    }

    /// The gradient of a phase's first step, written out: the largest network with labels and dropout, the others
    /// with its soft labels only.
    private func naive(_ fixture: TrainingFixture, _ phase: TrainingPhase, _ network: Network)
        throws -> (gradient: [Float], loss: Double)
    {
        let space = fixture.space, seed: UInt64 = 2, engine = network.engine
        let order = fixture.data.order(seed: seed, epoch: 0)
        var draw = RandomStream(seed: seed, 0, 0, Draw.resolution.rawValue)
        let size = phase.resolutions[draw.below(phase.resolutions.count)]
        let (images, labels) = try fixture.data.loader.batch(
            order[0..<phase.batch], size: size, augmentation: phase.augmentation,
            streams: ImageStreams(seed: seed, step: 0, purpose: Draw.crops.rawValue),
            engine: engine)
        let open = try phase.open(in: space), classes = space.classes
        let gradient = Storage(count: phase.batch * classes).all
        let soft = Storage(count: phase.batch * classes).all
        var loss = 0.0
        for subnet in 0..<phase.subnets {
            var config = space.largest
            var stream = RandomStream(seed: seed, 0, subnet, Draw.subnet.rawValue)
            phase.draw(subnet, into: &config, resolution: size, of: open, using: &stream)
            if subnet == 0 { #expect(config.depths == space.largest.depths) }
            let logits = network.forward(
                images, try NetworkShape(space, config), mode: .train(momentum: 0.1),
                training: true,
                dropout: subnet > 0
                    ? nil
                    : .init(
                        rate: Float(phase.dropout),
                        streams: ImageStreams(
                            seed: seed, step: 0, purpose: Draw.dropout.rawValue)))
            let totals = LossTotals()
            if subnet == 0 {
                soft.fill(from: logits.values)
                engine.softmax(soft, classes: classes)
                engine.crossEntropy(
                    logits, classes: classes, labels: labels, soft: nil, softWeight: 0,
                    smoothing: Float(phase.labelSmoothing), gradient: gradient, partOf: nil,
                    into: totals)
            } else {
                engine.distillationLoss(
                    logits, classes: classes, labels: labels, soft: soft,
                    terms: DistillationTerms(
                        usesLabels: false, smoothing: 0, softWeight: Float(phase.distillation),
                        softLoss: phase.distillationLoss), gradient: gradient, partOf: nil,
                    into: totals)
            }
            let found = engine.read(totals)
            loss += found.hard + phase.distillation * found.soft
            network.backward(gradient)
        }
        let weights = network.weights
        let parts = weights.layout.parameters.map {
            engine.download(weights.view($0, in: network.gradients))
        }
        return (parts.flatMap { $0 }, loss / Double(phase.subnets))
    }

    private func momentum(_ trainer: Trainer) -> [Float] {
        trainer.state.arrays.filter { $0.name.hasPrefix("momentum/") }.flatMap(\.values)
    }

    @Test(
        "the largest network learns from labels with dropout, the others from its logits of the same step",
        arguments: SoftLoss.allCases)
    func inPlace(loss: SoftLoss) throws {
        let fixture = try TrainingFixture(), phase = phase(fixture, loss)
        let expected = try naive(fixture, phase, fixture.network())
        // A teacher that is given has no part in it: no second network runs.
        let broken = try fixture.network(seed: 9)
        for parameter in broken.weights.layout.parameters {
            try broken.weights.set(
                parameter.name, to: [Float](repeating: .nan, count: parameter.count))
        }
        let trainer = try fixture.trainer(phase, teacher: broken)
        let result = try trainer.trainStep()
        let norm = expected.gradient.length
        // The first step leaves its gradient as the momentum. The trainer sums the shared layers' gradients of a step's
        // networks before their backward pass, the naive step after it: about twenty layers of roundings of 2^-24.
        let apart = zip(momentum(trainer), expected.gradient).map { $0 - $1 }.length
        #expect(norm > 0.01 && apart < 28 * 20 * 0x1p-24 * norm, "\(apart) of \(norm)")
        #expect(abs(result.loss - expected.loss) < 1e-5)
        #expect(abs(result.gradientNorm - norm) < 1e-4 * norm)
    }

    /// The gradient of a phase's first step of one network with a teacher, written out: that of the labels plus that of
    /// the soft labels.
    private func naive(
        _ fixture: TrainingFixture, _ phase: TrainingPhase, _ network: Network, teacher: Network
    ) throws -> [Float] {
        let space = fixture.space, seed: UInt64 = 2, engine = network.engine
        let order = fixture.data.order(seed: seed, epoch: 0), classes = space.classes
        var draw = RandomStream(seed: seed, 0, 0, Draw.resolution.rawValue)
        let size = phase.resolutions[draw.below(phase.resolutions.count)]
        let (images, labels) = try fixture.data.loader.batch(
            order[0..<phase.batch], size: size, augmentation: phase.augmentation,
            streams: ImageStreams(seed: seed, step: 0, purpose: Draw.crops.rawValue),
            engine: engine)
        let soft = Storage(count: phase.batch * classes).all
        var config = space.largest
        config.resolution = size
        soft.fill(
            from: teacher.forward(images, try NetworkShape(space, config), mode: .batch).values)
        engine.softmax(soft, classes: classes)
        var stream = RandomStream(seed: seed, 0, 0, Draw.subnet.rawValue)
        phase.draw(
            0, into: &config, resolution: size, of: try phase.open(in: space), using: &stream)
        let shape = try NetworkShape(space, config)
        // A network that runs twice gives the same logits: batch statistics, no dropout.
        for isHard in [true, false] {
            let logits = network.forward(
                images, shape, mode: .train(momentum: 0.1), training: true)
            let gradient = Storage(count: phase.batch * classes).all, totals = LossTotals()
            if isHard {
                engine.crossEntropy(
                    logits, classes: classes, labels: labels, soft: nil, softWeight: 0,
                    smoothing: Float(phase.labelSmoothing), gradient: gradient, partOf: nil,
                    into: totals)
            } else {
                engine.distillationLoss(
                    logits, classes: classes, labels: labels, soft: soft,
                    terms: DistillationTerms(
                        usesLabels: false, smoothing: 0, softWeight: Float(phase.distillation),
                        softLoss: phase.distillationLoss), gradient: gradient, partOf: nil,
                    into: totals)
            }
            network.backward(gradient)
        }
        return network.weights.layout.parameters.flatMap {
            engine.download(network.weights.view($0, in: network.gradients))
        }
    }

    @Test("with a teacher, the soft labels add to the labels", arguments: SoftLoss.allCases)
    func teacher(loss: SoftLoss) throws {
        let fixture = try TrainingFixture()
        var phase = fixture.phase()
        (phase.distillation, phase.distillationLoss, phase.subnets) = (0.7, loss, 1)
        (phase.dropout, phase.weightDecay, phase.warmupEpochs) = (0, 0, 0)
        let expected = try naive(
            fixture, phase, fixture.network(), teacher: fixture.network(seed: 9))
        let trainer = try fixture.trainer(phase, teacher: fixture.network(seed: 9))
        #expect(try trainer.trainStep().loss.isFinite)
        let norm = expected.length
        let apart = zip(momentum(trainer), expected).map { $0 - $1 }.length
        #expect(norm > 0.01 && apart < 28 * 20 * 0x1p-24 * norm, "\(apart) of \(norm)")
    }

    @Test("a gradient's values are clipped after its norm was taken")
    func clipped() throws {
        let fixture = try TrainingFixture()
        var phase = phase(fixture, .alphaDivergence)
        let free = try fixture.trainer(phase), limit: Float = 0.01
        phase.gradientClip = Double(limit)
        let bound = try fixture.trainer(phase)
        let norms = try (free.trainStep().gradientNorm, bound.trainStep().gradientNorm)
        #expect(norms.0 == norms.1)
        let whole = momentum(free)
        #expect(whole.contains { abs($0) > limit })
        #expect(momentum(bound) == whole.map { max(-limit, min(limit, $0)) })
    }

    /// The phases that are new, each with what is special about it.
    private func schedules(_ fixture: TrainingFixture) -> [TrainingPhase] {
        var alpha = phase(fixture, .alphaDivergence), plain = fixture.phase()
        (alpha.gradientClip, alpha.microBatch) = (0.5, 4)
        plain.kernelTransform = false
        return [phase(fixture), alpha, plain]
    }

    @Test("killed at any step and restored, a schedule ends with the same bits")
    func restored() throws {
        let fixture = try TrainingFixture()
        for phase in schedules(fixture) {
            let whole = try fixture.trainer(phase)
            while !whole.isFinished { _ = try whole.trainStep() }
            for kill in [1, 6, 13] {
                let first = try fixture.trainer(phase), second = try fixture.trainer(phase)
                for _ in 0..<kill { _ = try first.trainStep() }
                second.network.weights.shake()
                try second.restore(first.state)
                while !second.isFinished { _ = try second.trainStep() }
                #expect(second.state.arrays.map(\.values) == whole.state.arrays.map(\.values))
            }
        }
    }

    @Test(
        "without the kernel transform matrices stay the identity, and kernels are cropped centres")
    func noTransform() throws {
        let fixture = try TrainingFixture(), space = fixture.space
        var phase = fixture.phase()
        phase.kernelTransform = false
        let trainer = try fixture.trainer(phase)
        while !trainer.isFinished { _ = try trainer.trainStep() }
        let weights = trainer.network.weights
        let matrices = weights.layout.parameters.filter { $0.role == .transform }
        #expect(!matrices.isEmpty)
        for matrix in matrices {
            let side = matrix.shape[0]
            let values = try weights.values(matrix.name)
            #expect(values == (0..<side * side).map { $0 % (side + 1) == 0 ? 1 : 0 })
            #expect(!trainer.network.touched[matrix.index])
        }
        // A network that multiplies by the matrices, as extraction and export do, computes the same.
        let config = space.smallest, shape = try NetworkShape(space, config)
        let pixels = Storage(count: 2 * shape.resolution * shape.resolution * shape.inputChannels)
        let images = Network.input(shape, images: 2, storage: pixels)
        for index in 0..<pixels.count {
            pixels.all[index] = Float(index % 7) / 7
        }
        let with = try Network(supernet: weights, of: space, engine: trainer.network.engine)
        let first = trainer.network.forward(images, shape, mode: .running).values
        #expect(with.forward(images, shape, mode: .running).values == first)
        let own = weights.extract(shape, statistics: weights.statistics)
        let large = try #require(
            weights.layout.parameters.first { $0.shape.dropFirst() == [1, 7, 7] })
        let filter = try weights.values(large.name)
        let centre: [Float] = (0..<9).map { tap in
            let (row, column) = (tap / 3 + 2, tap % 3 + 2)
            return filter[row * 7 + column]
        }
        let kernels = own.layout.parameters.filter { $0.shape.dropFirst() == [1, 3, 3] }
        #expect(try kernels.contains { try Array(own.values($0.name).prefix(9)) == centre })
    }

    @Test("the transform cannot be switched off once its matrices were trained")
    func trainedTransform() throws {
        let fixture = try TrainingFixture(), network = try fixture.network()
        var phase = fixture.phase(epochs: 2)
        let trainer = try fixture.trainer(phase, network: network)
        while !trainer.isFinished { _ = try trainer.trainStep() }
        phase.kernelTransform = false
        let error = #expect(throws: TrainingError.self) {
            try fixture.trainer(phase, network: network)
        }
        #expect(error?.field == "kernel_transform")
    }

    @Test("what does not fit together is refused by its field")
    func refused() throws {
        let fixture = try TrainingFixture()
        func field(_ change: (inout TrainingPhase) -> Void) throws -> String? {
            var phase = phase(fixture)
            change(&phase)
            let error = #expect(throws: TrainingError.self) {
                try phase.validate(in: fixture.space)
            }
            return error?.field
        }
        #expect(try field { $0.sampling = .random } == "in_place_distillation")
        #expect(try field { $0.distillation = 0 } == "in_place_distillation")
        #expect(
            try field {
                ($0.inPlaceDistillation, $0.distillation) = (false, 0)
                $0.distillationLoss = .alphaDivergence
            } == "distillation_loss")
        #expect(try field { $0.gradientClip = 0 } == "gradient_clip")
    }

    @Test("the published recipe takes 1,205 net-epochs, and a trainer counts those that it did")
    func netEpochs() throws {
        let fixture = try TrainingFixture()
        var phase = fixture.phase()
        let recipe = [(180.0, 1), (125, 1), (25, 2), (125, 2), (25, 4), (125, 4)]
        let total = recipe.reduce(0.0) { sum, part in
            (phase.epochs, phase.subnets) = part
            return sum + phase.netEpochs
        }
        #expect(total == 1205)
        (phase.epochs, phase.subnets) = (2, 3)
        let trainer = try fixture.trainer(phase)
        for _ in 0..<5 { _ = try trainer.trainStep() }
        // Five steps of eight images are all forty images.
        #expect(trainer.netEpochs == 3)
        while !trainer.isFinished { _ = try trainer.trainStep() }
        #expect(trainer.netEpochs == phase.netEpochs)
    }

    @Test("a phase without the new fields has the JSON that it had")
    func stored() throws {
        let fixture = try TrainingFixture()
        func text(_ phase: TrainingPhase) throws -> String {
            String(decoding: try JSONEncoder().encode(phase), as: UTF8.self)
        }
        let old = try text(fixture.phase())
        for key in ["inPlace", "softLoss", "gradientClip", "kernelTransform"] {
            #expect(!old.contains(key))
        }
        let new = phase(fixture, .alphaDivergence)
        let read = try JSONDecoder().decode(TrainingPhase.self, from: Data(text(new).utf8))
        #expect(read == new && read.inPlaceDistillation)
    }
}
