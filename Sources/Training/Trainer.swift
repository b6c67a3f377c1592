// Trains one phase, step by step. A step depends only on the state and its number, so a run that
// was killed and resumed from a checkpoint ends with the same bits.

import Datasets
import Foundation
import Networks
import Tensors

/// Trains the subnets of one phase of a supernet.
public final class Trainer {
    /// The state to resume a run from; the same steps follow.
    public struct State: Sendable {
        /// Steps done.
        public var step: Int
        /// Steps skipped because the loss or a gradient was not finite.
        public var skipped: Int
        /// The weights, statistics, momentum and touched flags, by name.
        public var arrays: [(name: String, shape: [Int], values: [Float])]

        /// `arrays` are those of a checkpoint, in any order.
        public init(
            step: Int, skipped: Int, arrays: [(name: String, shape: [Int], values: [Float])]
        ) {
            self.step = step
            self.skipped = skipped
            self.arrays = arrays
        }
    }

    /// The metrics of a step.
    public struct StepResult: Sendable {
        /// Mean over the step's subnets of cross entropy plus weighted distillation.
        public let loss: Double
        /// Share of correct top-1 predictions over the step's subnets.
        public let accuracy: Double
        /// The L2 norm of the gradient, summed over the subnets, without weight decay; not finite
        /// if the step was skipped.
        public let gradientNorm: Double
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
    /// The space with the phase's choices only.
    private let open: SearchSpace
    private let phase: TrainingPhase
    private let teacher: Network?
    private let data: TrainingData
    /// Loads the images of the next pass while a pass runs.
    private let loader: PrefetchingLoader
    /// The passes, counted over all steps, whose images were requested, in order.
    private var prefetched: [Int] = []
    /// Micro-batches of a step.
    private let passes: Int
    private let seed: UInt64
    private let optimizer: Optimizer
    private let schedule: LearningRateSchedule
    private let gradient: Tensor
    private let soft: Tensor
    /// The subnet in training and the teacher's, changed in place from step to step.
    private var config, largest: SubnetConfig
    private var shape, teacherShape: NetworkShape
    /// The running statistics before the step: the forward pass of a skipped step changes them too.
    private let statisticsBefore: Tensor

    /// A phase that skips more steps than this in a row has diverged.
    private static let patience = 20
    private var skippedInARow = 0

    /// Prepares a phase. `teacher` gives soft labels from the largest network with batch
    /// statistics, as in the reference; required if the phase distils.
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
        open = try phase.open(in: space)
        self.phase = phase
        self.teacher = phase.distillation > 0 ? teacher : nil
        self.data = data
        loader = PrefetchingLoader(
            data.loader.shard, normalization: data.loader.normalization,
            images: phase.imagesPerPass, size: phase.resolutions.max() ?? 0)
        passes = phase.batch / phase.imagesPerPass
        self.seed = seed
        stepsPerEpoch = data.images.count / phase.batch
        steps = max(1, Int((phase.epochs * Double(stepsPerEpoch)).rounded()))
        schedule = LearningRateSchedule(
            peak: phase.learningRate,
            warmupSteps: Int((phase.warmupEpochs * Double(stepsPerEpoch)).rounded()),
            steps: steps)
        optimizer = Optimizer(
            network.weights, momentum: Float(phase.momentum), weightDecay: Float(phase.weightDecay))
        gradient = Storage(count: phase.imagesPerPass * space.classes).all
        soft = Storage(count: phase.imagesPerPass * space.classes).all
        statisticsBefore = Storage(count: network.weights.statistics.count).all
        (config, largest) = (space.largest, space.largest)
        shape = try NetworkShape(space, config)
        teacherShape = shape
        try reserve()
    }

    /// Reserves the memory of any step, so that no step allocates.
    private func reserve() throws {
        // The largest come last in every list: starting with them avoids most reallocations.
        for shape in try phase.roomiest(in: space).reversed() {
            network.reserve(shape, images: phase.imagesPerPass, training: true)
        }
        guard let teacher else { return }
        for resolution in phase.resolutions.reversed() {
            largest.resolution = resolution
            try teacherShape.change(to: largest, in: space)
            teacher.reserve(teacherShape, images: phase.imagesPerPass, training: false)
        }
    }

    /// Whether every step is done.
    public var isFinished: Bool { step >= steps }

    /// The learning rate of the next step.
    public var learningRate: Double { schedule.rate(at: step) }

    /// Trains one step. If the loss or a gradient is not finite, the step is skipped: weights,
    /// statistics and momentum are unchanged. After more than 20 such steps in a row it throws
    /// `diverged`.
    ///
    /// The micro-batches of a step train the same subnets one after the other, and their gradients
    /// add up to that of the whole batch, except for batch norm: each uses the statistics of its
    /// own images and updates the running ones.
    public func trainStep() throws -> StepResult {
        statisticsBefore.copy(from: network.weights.statistics.all)
        var loss = 0.0, correct = 0
        for part in 0..<passes where loss.isFinite {
            let batch = nextBatch(part)
            if let teacher { try answer(teacher, batch.images) }
            for subnet in 0..<phase.subnets where loss.isFinite {
                let result = try pass(batch, part, subnet)
                loss += result.loss
                correct += result.correct
            }
        }
        let norm = finishStep(finite: loss.isFinite)
        if skippedInARow > Self.patience {
            throw TrainingError(
                .diverged,
                "phase \(phase.name): the loss or its gradients were not finite for \(skippedInARow) steps up to step"
                    + " \(step)", remedy: remedy)
        }
        return StepResult(
            loss: loss / Double(phase.subnets * passes),
            accuracy: Double(correct) / Double(phase.subnets * phase.batch), gradientNorm: norm)
    }

    /// The images of one micro-batch of this step; starts loading the next pass's. After a restore,
    /// images of other steps are dropped.
    private func nextBatch(_ part: Int) -> PrefetchingLoader.Batch {
        let number = step * passes + part
        if prefetched.first != number {
            loader.cancel()
            prefetched.removeAll(keepingCapacity: true)
            prefetched.append(number)
            loader.request(request(of: number))
        }
        let batch = loader.next()
        prefetched.removeFirst()
        if number + 1 < steps * passes {
            prefetched.append(number + 1)
            loader.request(request(of: number + 1))
        }
        return batch
    }

    /// The request of a micro-batch; it depends only on seed, step and its position in the step's
    /// batch.
    private func request(of number: Int) -> BatchRequest {
        let step = number / passes, first = number % passes * phase.imagesPerPass
        let order = data.order(seed: seed, epoch: step / stepsPerEpoch)
        let start = step % stepsPerEpoch * phase.batch + first
        var draw = RandomStream(seed: seed, step, 0, Draw.resolution.rawValue)
        return BatchRequest(
            order[start..<start + phase.imagesPerPass],
            size: phase.resolutions[draw.below(phase.resolutions.count)],
            augmentation: phase.augmentation,
            streams: ImageStreams(seed: seed, step: step, purpose: Draw.crops.rawValue)
                .from(first))
    }

    /// Fills `soft` with the soft labels of the teacher's largest network.
    private func answer(_ teacher: Network, _ images: FeatureMap) throws {
        largest.resolution = images.height
        try teacherShape.change(to: largest, in: space)
        soft.copy(from: teacher.forward(images, teacherShape, mode: .batch))
        network.backend.softmax(soft, classes: space.classes)
    }

    /// Forward and backward of one subnet of the step over one micro-batch; adds its share of the batch's gradient.
    private func pass(_ batch: PrefetchingLoader.Batch, _ part: Int, _ subnet: Int) throws
        -> (loss: Double, correct: Int)
    {
        var stream = RandomStream(seed: seed, step, subnet, Draw.subnet.rawValue)
        phase.draw(
            subnet, into: &config, resolution: batch.images.height, of: open, using: &stream)
        try shape.change(to: config, in: space)
        let dropout =
            phase.dropout > 0
            ? Network.Dropout(
                rate: Float(phase.dropout),
                streams: ImageStreams(
                    seed: seed, step: step, purpose: Draw.dropout.rawValue + subnet << 8
                ).from(part * phase.imagesPerPass)) : nil
        let logits = network.forward(
            batch.images, shape, mode: .train(momentum: 0.1), training: true, dropout: dropout)
        let loss = network.backend.crossEntropy(
            logits, classes: space.classes, labels: batch.labels,
            soft: teacher == nil ? nil : soft,
            softWeight: Float(phase.distillation), smoothing: Float(phase.labelSmoothing),
            gradient: gradient, partOf: phase.batch)
        let total = loss.hard + phase.distillation * loss.soft
        if total.isFinite {
            network.backward(gradient)
        } else {
            network.forget()
        }
        return (total, loss.correct)
    }

    /// The remedy for diverged training.
    private var remedy: String {
        "lower learning_rate (now \(phase.learningRate)) or raise warmup_epochs"
    }

    /// Updates the weights, or undoes the step; returns the norm of the gradient.
    private func finishStep(finite: Bool) -> Double {
        // A finite loss may have gradients that overflow and would destroy the weights, so their
        // norm is computed first. That costs a fraction of the optimizer's pass
        // (ops/docs/engine.md).
        let norm =
            finite
            ? network.backend.squaredNorm(network.gradients).squareRoot() : .nan
        if norm.isFinite {
            optimizer.step(network, learningRate: Float(learningRate))
            skippedInARow = 0
        } else {
            // A NaN in a running mean would make every later step NaN.
            network.weights.statistics.all.copy(from: statisticsBefore)
            network.gradients.all.fill(with: 0)
            skipped += 1
            skippedInARow += 1
        }
        step += 1
        return norm
    }

    /// The state to save. Errors: as `checkFinite`, so that every checkpoint can be resumed.
    public func checkpoint() throws -> State {
        try checkFinite()
        return state
    }

    /// Throws `diverged` if a weight, a running statistic or the momentum is not finite, from which
    /// training cannot recover.
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

    /// The current state, unchecked.
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

    /// Restores a saved state; a state of another space or phase is an error.
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
