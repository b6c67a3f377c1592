// Trains one phase, step by step. With the same instruction set and number of threads, a step depends only on the seed,
// the step's number and the state before the step. So training that was killed and resumed from a checkpoint ends with
// bit-identical weights.

import Datasets
import Foundation
import Networks
import Tensors

/// Trains a supernet in one phase: the subnets that the phase allows. Or trains one extracted network further.
public final class Trainer {
    /// The state of training between two steps. Training that is resumed from it takes the same further steps.
    public struct State: Sendable {
        /// Steps done.
        public var step: Int
        /// Steps skipped because the loss or a gradient was not finite.
        public var skipped: Int
        /// The weights, running statistics, momentum, and flags that say which parameters have had
        /// a gradient; by name.
        public var arrays: [(name: String, shape: [Int], values: [Float])]

        /// Takes the arrays of a checkpoint, in any order.
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
        /// Cross entropy plus weighted distillation loss, averaged over the step's subnets.
        public let loss: Double
        /// The distillation loss without its weight, averaged over the step's subnets; nil without
        /// distillation.
        public var distillationLoss: Double?
        /// Share of correct top-1 predictions over the step's subnets.
        public let accuracy: Double
        /// The L2 norm of the sum of the subnets' gradients, without weight decay; not finite if
        /// the step was skipped.
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
    /// The space restricted to the phase's choices.
    private let open: SearchSpace
    private let phase: TrainingPhase
    /// The only network in training; nil if the phase draws subnets.
    private let alone: NetworkShape?
    private let teacher: Network?
    private let data: TrainingData
    /// Loads the images of the next pass while a pass runs.
    private let loader: PrefetchingLoader
    /// The numbers of the requested micro-batches, in order; numbers continue from step to step.
    private var prefetched: [Int] = []
    /// The number of micro-batches of a step.
    private let passes: Int
    private let seed: UInt64
    private let optimizer: Optimizer
    private let schedule: LearningRateSchedule
    private let gradient: Tensor
    private let soft: Tensor
    /// The genes and shapes of the subnet in training and of the teacher, changed in place.
    private var config, largest: SubnetConfig
    private var shape, teacherShape: NetworkShape
    /// The running statistics before the step, to be restored if the step is skipped.
    private let statisticsBefore: Tensor
    /// Which parameters had a gradient before the step.
    private var touchedBefore: [Bool]
    /// The norm of the gradient of the last step that was not skipped; NaN before the first such step.
    public private(set) var gradientNorm = Double.nan
    /// The losses of a step's passes, read once per step.
    private let losses = LossTotals()

    /// A phase that skips more steps than this in a row has diverged.
    private static let patience = 20
    private var skippedInARow = 0

    /// Prepares a phase. The largest network of `teacher` gives soft labels; it runs with batch statistics, as in the
    /// published implementation. A teacher is required if the phase uses distillation. Given `alone`, the shape of a
    /// network extracted from a supernet of `space`, every step trains that network, whose weights `network` has, and
    /// the phase's choices of genes are ignored. Errors: `TrainingError` `invalidParameters`, and errors of
    /// `NetworkShape.init`.
    public init(
        _ network: Network, of space: SearchSpace, phase: TrainingPhase, teacher: Network?,
        data: TrainingData,
        seed: UInt64, alone: NetworkShape? = nil
    ) throws {
        try phase.validate(in: space)
        guard phase.distillation == 0 || phase.inPlaceDistillation || teacher != nil else {
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
        self.alone = alone
        self.teacher = phase.distillation > 0 && !phase.inPlaceDistillation ? teacher : nil
        if phase.kernelTransform == false { try network.switchOffKernelTransform(phase.name) }
        network.trainingFormat = phase.precision ?? .float32
        self.data = data
        loader = PrefetchingLoader(
            data.loader.source, normalization: data.loader.normalization,
            images: phase.imagesPerPass, size: phase.resolutions.max() ?? 0,
            threads: data.decoders ?? network.engine.threads)
        passes = phase.batch / phase.imagesPerPass
        self.seed = seed
        stepsPerEpoch = data.images.count / phase.batch
        steps = max(1, Int((phase.epochs * Double(stepsPerEpoch)).rounded()))
        schedule = LearningRateSchedule(
            peak: phase.learningRate,
            warmupSteps: Int((phase.warmupEpochs * Double(stepsPerEpoch)).rounded()),
            steps: steps)
        optimizer = Optimizer(
            network, momentum: Float(phase.momentum), weightDecay: Float(phase.weightDecay))
        let engine = network.engine
        gradient = engine.storage(phase.imagesPerPass * space.classes).all
        soft = engine.storage(phase.imagesPerPass * space.classes).all
        statisticsBefore = engine.storage(network.weights.statistics.count).all
        touchedBefore = network.touched
        (config, largest) = (space.largest, space.largest)
        teacherShape = try NetworkShape(space, config)
        shape = alone ?? teacherShape
        try reserve()
    }

    /// Reserves the memory that any step needs, so that no step allocates.
    private func reserve() throws {
        network.reserve(
            try alone.map { [$0] } ?? phase.roomiest(in: space), images: phase.imagesPerPass,
            training: true, subnets: phase.subnets)
        guard let teacher else { return }
        let shapes = try phase.resolutions.map { resolution in
            largest.resolution = resolution
            return try NetworkShape(space, largest)
        }
        teacher.reserve(shapes, images: phase.imagesPerPass, training: false)
    }

    /// Whether every step is done.
    public var isFinished: Bool { step >= steps }

    /// Passes over the training images so far, summed over the networks of a step.
    public var netEpochs: Double { Double(step * phase.subnets) / Double(max(stepsPerEpoch, 1)) }

    /// The learning rate of the next step.
    public var learningRate: Double { schedule.rate(at: step) }

    /// Trains one step. If the loss or a gradient is not finite, the step is skipped: weights,
    /// statistics and momentum are unchanged. Errors: `diverged` after more than 20 skipped steps
    /// in a row; `DatasetError` if a picture cannot be read.
    ///
    /// The micro-batches of a step train the same subnets one after the other. Their gradients add
    /// up to the gradient of the whole batch, except for batch norm: each micro-batch uses the
    /// statistics of its own images and updates the running statistics.
    public func trainStep() throws -> StepResult {
        network.engine.copy(network.weights.statistics.all, to: statisticsBefore)
        // The flags are copied one by one: an assigned array would be shared, and the network's
        // next change would allocate a copy.
        for (index, flag) in network.touched.enumerated() { touchedBefore[index] = flag }
        for part in 0..<passes {
            let batch = try nextBatch(part), images = network.engine.receive(batch.images)
            if let teacher { try answer(teacher, images) }
            for subnet in 0..<phase.subnets { try pass(images, batch.labels, part, subnet) }
        }
        let found = network.engine.read(losses)
        let loss = found.hard + phase.distillation * found.soft
        let norm = finishStep(finite: loss.isFinite)
        if skippedInARow > Self.patience {
            throw TrainingError(
                .diverged,
                "phase \(phase.name): the loss or its gradients were not finite for \(skippedInARow) steps up to step"
                    + " \(step)", remedy: remedy)
        }
        // With in-place distillation the largest subnet is the teacher of the others.
        let distilled =
            teacher != nil ? phase.subnets : phase.inPlaceDistillation ? phase.subnets - 1 : 0
        return StepResult(
            loss: loss / Double(phase.subnets * passes),
            distillationLoss: distilled == 0 ? nil : found.soft / Double(distilled * passes),
            accuracy: Double(found.correct) / Double(phase.subnets * phase.batch),
            gradientNorm: norm)
    }

    /// Returns micro-batch `part` of this step and requests the next micro-batch. After a restore, batches that were
    /// requested for other steps are dropped.
    private func nextBatch(_ part: Int) throws -> PrefetchingLoader.Batch {
        let number = step * passes + part
        if prefetched.first != number {
            loader.cancel()
            prefetched.removeAll(keepingCapacity: true)
            prefetched.append(number)
            loader.request(request(of: number))
        }
        prefetched.removeFirst()
        let batch = try loader.next()
        if number + 1 < steps * passes {
            prefetched.append(number + 1)
            loader.request(request(of: number + 1))
        }
        return batch
    }

    /// Returns the request of micro-batch `number`, which depends only on the seed and on `number`.
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
        network.engine.copy(teacher.forward(images, teacherShape, mode: .batch), to: soft)
        network.engine.softmax(soft, classes: space.classes)
    }

    /// Runs one subnet of the step forward and backward over one micro-batch. Adds to the gradients and losses of the
    /// step.
    private func pass(
        _ images: FeatureMap, _ labels: [Int32], _ part: Int, _ subnet: Int
    ) throws {
        if alone == nil {
            var stream = RandomStream(seed: seed, step, subnet, Draw.subnet.rawValue)
            phase.draw(
                subnet, into: &config, resolution: images.height, of: open, using: &stream)
            try shape.change(to: config, in: space)
        }
        let isTeacher = phase.inPlaceDistillation && subnet == 0
        let dropout =
            phase.dropout > 0 && (isTeacher || !phase.inPlaceDistillation)
            ? Network.Dropout(
                rate: Float(phase.dropout),
                streams: ImageStreams(
                    seed: seed, step: step, purpose: Draw.dropout.rawValue + subnet << 8
                ).from(part * phase.imagesPerPass)) : nil
        let logits = network.forward(
            images, shape, mode: .train(momentum: 0.1), training: true, dropout: dropout,
            turn: Network.Turn(subnet, of: phase.subnets))
        if isTeacher {
            network.engine.copy(logits, to: soft)
            network.engine.softmax(soft, classes: space.classes)
        }
        // The published distillation adds the soft labels to the labels: `crossEntropy` does both at once.
        if !isTeacher, phase.inPlaceDistillation || phase.distillationLoss != .crossEntropy {
            network.engine.distillationLoss(
                logits, classes: space.classes, labels: labels, soft: soft,
                terms: DistillationTerms(
                    usesLabels: !phase.inPlaceDistillation,
                    smoothing: Float(phase.labelSmoothing),
                    softWeight: Float(phase.distillation), softLoss: phase.distillationLoss),
                gradient: gradient, partOf: phase.batch, into: losses)
        } else {
            network.engine.crossEntropy(
                logits, classes: space.classes, labels: labels,
                soft: teacher == nil ? nil : soft,
                softWeight: Float(phase.distillation), smoothing: Float(phase.labelSmoothing),
                gradient: gradient, partOf: phase.batch, into: losses)
        }
        network.backward(gradient)
    }

    /// The remedy for diverged training.
    private var remedy: String {
        "lower learning_rate (now \(phase.learningRate)) or raise warmup_epochs"
    }

    /// Updates the weights. If the loss (`finite` is false) or the gradient is not finite, undoes
    /// the step instead. Returns the norm of the gradient.
    private func finishStep(finite: Bool) -> Double {
        // A finite loss may have gradients that overflow and would destroy the weights, so the norm
        // of the gradients is computed first. The norm costs a fraction of the optimizer's time
        // (ops/docs/engine.md).
        let norm =
            finite
            ? network.engine.squaredNorm(network.gradients).squareRoot() : .nan
        if norm.isFinite {
            if let limit = phase.gradientClip {
                network.engine.clip(network.gradients, to: Float(limit))
            }
            optimizer.step(network, learningRate: Float(learningRate))
            gradientNorm = norm
            skippedInARow = 0
        } else {
            // A NaN in a running mean would make every later step NaN.
            network.engine.copy(statisticsBefore, to: network.weights.statistics.all)
            network.engine.fill(network.gradients.all, with: 0)
            network.touched = touchedBefore
            skipped += 1
            skippedInARow += 1
        }
        step += 1
        return norm
    }

    /// Returns the state to save. Errors: those of `checkFinite`, so that every checkpoint can be
    /// resumed.
    public func checkpoint() throws -> State {
        try checkFinite()
        return state
    }

    /// Checks that weights, running statistics and momentum are finite; otherwise training cannot
    /// recover. Errors: `diverged`.
    public func checkFinite() throws {
        let weights = network.weights
        guard !network.engine.areFinite([weights.parameters, weights.statistics, optimizer.speed])
        else { return }
        let first = state.arrays.first { array in !array.values.allSatisfy { $0.isFinite } }
        throw TrainingError(
            .diverged,
            "phase \(phase.name): \(first?.name ?? "a weight") is not finite after step \(step)",
            remedy: remedy)
    }

    /// The current state, unchecked.
    var state: State {
        let weights = network.weights, engine = network.engine
        var arrays = (weights.layout.parameters + weights.layout.statistics).map {
            ($0.name, $0.shape, engine.download(weights.view($0)))
        }
        for parameter in network.weights.layout.parameters {
            arrays.append(
                (
                    "momentum/\(parameter.name)", parameter.shape,
                    engine.download(weights.view(parameter, in: optimizer.speed))
                ))
        }
        let touched = network.touched.map { Float($0 ? 1 : 0) }
        arrays.append(("touched", [touched.count], touched))
        return State(step: step, skipped: skipped, arrays: arrays)
    }

    /// Restores a saved state. Errors: `invalidCheckpoint` if the state's step or an array does not
    /// fit this space and phase. In this case some arrays may have been overwritten already.
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
        let layout = network.weights.layout, engine = network.engine
        for parameter in layout.parameters {
            let speed = try values("momentum/\(parameter.name)", parameter.count)
            engine.upload(speed, to: network.weights.view(parameter, in: optimizer.speed))
        }
        for parameter in layout.parameters + layout.statistics {
            let saved = try values(parameter.name, parameter.count)
            engine.upload(saved, to: network.weights.view(parameter))
        }
        network.touched = try values("touched", layout.parameters.count).map { $0 != 0 }
        step = state.step
        skipped = state.skipped
    }
}
