// Trains one phase, step by step. A step is a function of the state and its number alone, so that a run that was
// killed and resumed from a checkpoint ends with the same bits.

import Datasets
import Foundation
import Networks
import Tensors

/// Trains the subnets of one phase of a supernet.
public final class Trainer {
    /// What a run needs to go on from where it was; restoring it repeats the same steps.
    public struct State: Sendable {
        /// Steps done.
        public var step: Int
        /// Steps skipped because the loss or a gradient was not finite.
        public var skipped: Int
        /// The weights, statistics, momentum and touched flags, by name.
        public var arrays: [(name: String, shape: [Int], values: [Float])]

        /// Names a state.
        public init(
            step: Int, skipped: Int, arrays: [(name: String, shape: [Int], values: [Float])]
        ) {
            self.step = step
            self.skipped = skipped
            self.arrays = arrays
        }
    }

    /// What a step reports.
    public struct StepResult: Sendable {
        /// Mean over the step's subnets of cross entropy plus weighted distillation.
        public let loss: Double
        /// Correct answers of the step's subnets over answers given.
        public let accuracy: Double
    }

    /// The supernet in training.
    public let network: Network
    /// Steps of the whole phase and of an epoch.
    public let steps, stepsPerEpoch: Int
    /// Steps done.
    public private(set) var step = 0
    /// Steps skipped because the loss or a gradient was not finite.
    public private(set) var skipped = 0

    private let space: SearchSpace
    private let phase: TrainingPhase
    private let teacher: Network?
    private let data: TrainingData
    /// Makes the next step's batch while a step runs.
    private let loader: PrefetchingLoader
    /// The steps whose batches it was asked for, in order.
    private var prefetched: [Int] = []
    private let seed: UInt64
    private let optimizer: Optimizer
    private let schedule: LearningRateSchedule
    private let gradient: Tensor
    private let soft: Tensor
    /// The subnet in training and the teacher's, changed in place from step to step.
    private var config, largest: SubnetConfig
    private var shape, teacherShape: NetworkShape
    /// The running statistics before the step: a forward pass moves them, also one that comes to nothing.
    private let statisticsBefore: Tensor

    /// A phase that skips more steps than this in a row has diverged.
    private static let patience = 20
    private var skippedInARow = 0

    /// Prepares a phase. `teacher` answers for the largest network with batch statistics, as the reference's does;
    /// it is needed when the phase distils.
    public init(
        _ network: Network, of space: SearchSpace, phase: TrainingPhase, teacher: Network?,
        data: TrainingData,
        seed: UInt64
    ) throws {
        try phase.validate(in: space)
        guard phase.distillation == 0 || teacher != nil else {
            throw TrainingError(
                .invalidParameters, "phase \(phase.name): distillation needs a trained full network"
            )
        }
        guard data.images.count >= phase.batch else {
            throw TrainingError(
                .invalidParameters,
                "phase \(phase.name): batch \(phase.batch) is more than the \(data.images.count) training images"
            )
        }
        self.network = network
        self.space = space
        self.phase = phase
        self.teacher = phase.distillation > 0 ? teacher : nil
        self.data = data
        loader = PrefetchingLoader(
            data.loader.shard, normalization: data.loader.normalization, images: phase.batch,
            size: phase.resolutions.max() ?? 0)
        self.seed = seed
        stepsPerEpoch = data.images.count / phase.batch
        steps = max(1, Int((phase.epochs * Double(stepsPerEpoch)).rounded()))
        schedule = LearningRateSchedule(
            peak: phase.learningRate,
            warmupSteps: Int((phase.warmupEpochs * Double(stepsPerEpoch)).rounded()),
            steps: steps)
        optimizer = Optimizer(
            network.weights, momentum: Float(phase.momentum), weightDecay: Float(phase.weightDecay))
        gradient = Storage(count: phase.batch * space.classes).all
        soft = Storage(count: phase.batch * space.classes).all
        statisticsBefore = Storage(count: network.weights.statistics.count).all
        (config, largest) = (space.largest, space.largest)
        shape = try NetworkShape(space, config)
        teacherShape = shape
        try reserve()
    }

    /// Makes the room that any step takes, so that no step allocates.
    private func reserve() throws {
        // The largest come last in every list: begun with them, little has to be made twice.
        for shape in try phase.roomiest(in: space).reversed() {
            network.reserve(shape, images: phase.batch, training: true)
        }
        guard let teacher else { return }
        for resolution in phase.resolutions.reversed() {
            largest.resolution = resolution
            try teacherShape.change(to: largest, in: space)
            teacher.reserve(teacherShape, images: phase.batch, training: false)
        }
    }

    /// Whether every step is done.
    public var isFinished: Bool { step >= steps }

    /// The learning rate of the next step.
    public var learningRate: Double { schedule.rate(at: step) }

    /// Trains one step. Where the loss or a gradient is not finite, the weights, their statistics and the momentum stay
    /// as they are; after more than 20 such steps in a row it throws `diverged`.
    public func trainStep() throws -> StepResult {
        let batch = nextBatch()
        let (images, labels, resolution) = (batch.images, batch.labels, batch.images.height)
        if let teacher {
            largest.resolution = resolution
            try teacherShape.change(to: largest, in: space)
            let answers = teacher.forward(images, teacherShape, mode: .batch)
            soft.copy(from: answers)
            network.backend.softmax(soft, classes: space.classes)
        }
        statisticsBefore.copy(from: network.weights.statistics.all)
        var loss = 0.0, correct = 0
        for subnet in 0..<phase.subnets {
            var stream = RandomStream(seed: seed, step, subnet, Draw.subnet.rawValue)
            phase.draw(
                subnet, into: &config, resolution: resolution, in: space, using: &stream)
            try shape.change(to: config, in: space)
            let result = pass(images, labels, subnet)
            loss += result.loss
            correct += result.correct
        }
        finishStep(finite: loss.isFinite)
        if skippedInARow > Self.patience {
            throw TrainingError(
                .diverged,
                "phase \(phase.name): the loss or its gradients were not finite for \(skippedInARow) steps up to step"
                    + " \(step)", remedy: remedy)
        }
        return StepResult(
            loss: loss / Double(phase.subnets),
            accuracy: Double(correct) / Double(phase.subnets * phase.batch))
    }

    /// This step's batch; the next step's is begun. After a restore, batches made for other steps are dropped.
    private func nextBatch() -> PrefetchingLoader.Batch {
        if prefetched.first != step {
            loader.cancel()
            prefetched = [step]
            loader.request(request(of: step))
        }
        let batch = loader.next()
        prefetched.removeFirst()
        if step + 1 < steps {
            prefetched.append(step + 1)
            loader.request(request(of: step + 1))
        }
        return batch
    }

    /// What decides the bits of a step's batch: seed and step alone.
    private func request(of step: Int) -> BatchRequest {
        let epoch = step / stepsPerEpoch, position = step % stepsPerEpoch
        let order = data.order(seed: seed, epoch: epoch)
        var draw = RandomStream(seed: seed, step, 0, Draw.resolution.rawValue)
        return BatchRequest(
            order[position * phase.batch..<(position + 1) * phase.batch],
            size: phase.resolutions[draw.below(phase.resolutions.count)],
            augmentation: phase.augmentation,
            stream: RandomStream(seed: seed, step, 0, Draw.crops.rawValue))
    }

    private func pass(
        _ images: FeatureMap, _ labels: [Int32], _ subnet: Int
    ) -> (loss: Double, correct: Int) {
        let dropout =
            phase.dropout > 0
            ? Network.Dropout(
                rate: Float(phase.dropout),
                stream: RandomStream(seed: seed, step, subnet, Draw.dropout.rawValue)) : nil
        let logits = network.forward(
            images, shape, mode: .train(momentum: 0.1), training: true, dropout: dropout)
        let loss = network.backend.crossEntropy(
            logits, classes: space.classes, labels: labels, soft: teacher == nil ? nil : soft,
            softWeight: Float(phase.distillation), smoothing: Float(phase.labelSmoothing),
            gradient: gradient)
        let total = loss.hard + phase.distillation * loss.soft
        if total.isFinite {
            network.backward(gradient)
        } else {
            network.forget()
        }
        return (total, loss.correct)
    }

    /// What to change where training diverges.
    private var remedy: String {
        "lower learning_rate (now \(phase.learningRate)) or raise warmup_epochs"
    }

    private func finishStep(finite: Bool) {
        // A finite loss may have gradients that overflow. They are read once more, which costs a share of the
        // optimizer's pass over the same arenas (ops/docs/engine.md): once in the weights, they would end the training.
        if finite && network.backend.areFinite([network.gradients]) {
            optimizer.step(network, learningRate: Float(learningRate))
            skippedInARow = 0
        } else {
            // One NaN in a running mean would make every later step NaN too.
            network.weights.statistics.all.copy(from: statisticsBefore)
            network.gradients.all.fill(with: 0)
            skipped += 1
            skippedInARow += 1
        }
        step += 1
    }

    /// What to save. Errors: as `checkFinite`, so that what is saved can be gone on with.
    public func checkpoint() throws -> State {
        try checkFinite()
        return state
    }

    /// Throws `diverged` where a weight, a running statistic or the momentum is not finite: no step mends that.
    public func checkFinite() throws {
        let weights = network.weights
        guard !network.backend.areFinite([weights.parameters, weights.statistics, optimizer.speed])
        else { return }
        let first = state.arrays.first { array in !array.values.allSatisfy { $0.isFinite } }
        throw TrainingError(
            .diverged,
            "phase \(phase.name): \(first?.name ?? "a weight") is not finite after step \(step)",
            remedy: remedy)
    }

    /// All numbers of the training as they are.
    var state: State {
        var arrays = network.weights.named.map {
            ($0.parameter.name, $0.parameter.shape, $0.values)
        }
        for parameter in network.weights.layout.parameters {
            arrays.append(
                (
                    "momentum/\(parameter.name)", parameter.shape,
                    network.weights.view(parameter, in: optimizer.speed).values
                ))
        }
        let touched = network.touched.map { Float($0 ? 1 : 0) }
        arrays.append(("touched", [touched.count], touched))
        return State(step: step, skipped: skipped, arrays: arrays)
    }

    /// Goes back to a saved state; one of another space or phase is an error.
    public func restore(_ state: State) throws {
        guard state.step >= 0, state.step <= steps else {
            throw TrainingError(
                .invalidCheckpoint,
                "the checkpoint is at step \(state.step); phase \(phase.name) has \(steps)")
        }
        let saved = Dictionary(state.arrays.map { ($0.name, $0.values) }) { first, _ in first }
        func values(_ name: String, _ count: Int) throws -> [Float] {
            guard let values = saved[name], values.count == count else {
                throw TrainingError(
                    .invalidCheckpoint,
                    "the checkpoint's \(name) does not fit space \(space.name): it needs \(count) values"
                )
            }
            return values
        }
        let layout = network.weights.layout
        for parameter in layout.parameters {
            let speed = try values("momentum/\(parameter.name)", parameter.count)
            network.weights.view(parameter, in: optimizer.speed).fill(from: speed)
        }
        for parameter in layout.parameters + layout.statistics {
            network.weights.view(parameter).fill(from: try values(parameter.name, parameter.count))
        }
        network.touched = try values("touched", layout.parameters.count).map { $0 != 0 }
        step = state.step
        skipped = state.skipped
    }
}
