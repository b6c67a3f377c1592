// The metrics of a training that a job appends while it runs: StepMetrics and ValidationMetrics. The lease keeper writes
// them, so the training never waits for the database.

/// The metrics of a range of training steps: of one attempt, or of several in a thinned-out curve.
public struct StepMetrics: Codable, Sendable, Equatable {
    /// The first and the last step of the range, counted from 1.
    public var firstStep, lastStep: Int
    /// The steps that were skipped because the loss or a gradient was not finite.
    public var skipped: Int
    /// The subnets that were trained, over all steps together.
    public var networks: Int
    /// The images of all steps.
    public var images: Int
    /// The time that the steps took.
    public var seconds: Double
    /// The mean learning rate.
    public var learningRate: Double
    /// The mean loss of the steps that were not skipped, including the weighted distillation loss; nil if all steps were
    /// skipped.
    public var loss: Double?
    /// The mean distillation loss without its weight; nil without distillation.
    public var distillationLoss: Double?
    /// The mean top-1 accuracy on the training images, in 0…1.
    public var accuracy: Double?
    /// The mean L2 norm of the gradient.
    public var gradientNorm: Double?

    /// Takes the metrics; means that are not finite become nil.
    public init(
        firstStep: Int, lastStep: Int, skipped: Int, networks: Int, images: Int, seconds: Double,
        learningRate: Double, loss: Double?, distillationLoss: Double?, accuracy: Double?,
        gradientNorm: Double?
    ) {
        (self.firstStep, self.lastStep, self.skipped) = (firstStep, lastStep, skipped)
        (self.networks, self.images, self.seconds) = (networks, images, seconds)
        self.learningRate = learningRate
        self.loss = Self.finite(loss)
        self.distillationLoss = Self.finite(distillationLoss)
        self.accuracy = Self.finite(accuracy)
        self.gradientNorm = Self.finite(gradientNorm)
    }

    /// Returns nil for a value that is not finite, which JSON cannot express.
    static func finite(_ value: Double?) -> Double? {
        value.flatMap { $0.isFinite ? $0 : nil }
    }

    /// Images trained per second; nil if no time has passed.
    public var imagesPerSecond: Double? { seconds > 0 ? Double(images) / seconds : nil }
}

/// The accuracy of one subnet on held-out images after a step of a training.
public struct ValidationMetrics: Codable, Sendable, Equatable {
    /// The number of steps that were done.
    public var step: Int
    /// Which subnet: `largest`, `middle` or `smallest`.
    public var network: String
    /// The subnet's genes and image size, JSON text.
    public var arch: String
    /// The top-1 accuracy, in 0…1.
    public var accuracy: Double
    /// The mean cross entropy; nil if it is not finite.
    public var loss: Double?
    /// The number of held-out images.
    public var images: Int

    /// Takes the measurement; a loss that is not finite becomes nil.
    public init(
        step: Int, network: String, arch: String, accuracy: Double, loss: Double?, images: Int
    ) {
        self.step = step
        self.network = network
        self.arch = arch
        self.accuracy = accuracy
        self.loss = StepMetrics.finite(loss)
        self.images = images
    }
}

/// Metrics that are to be written.
public struct TrainingRows: Sendable, Equatable {
    /// The largest number of step ranges that are kept while the database is unreachable. The older half is dropped
    /// beyond it.
    static let most = 10_000

    /// The metrics of ranges of steps.
    public var steps: [StepMetrics]
    /// The accuracies on held-out images.
    public var validations: [ValidationMetrics]

    /// Takes the rows.
    public init(steps: [StepMetrics] = [], validations: [ValidationMetrics] = []) {
        self.steps = steps
        self.validations = validations
    }

    /// Whether there are no rows.
    public var isEmpty: Bool { steps.isEmpty && validations.isEmpty }

    /// Appends later rows.
    public mutating func append(_ later: TrainingRows) {
        steps += later.steps
        validations += later.validations
        if steps.count > Self.most { steps.removeFirst(steps.count - Self.most / 2) }
        if validations.count > Self.most {
            validations.removeFirst(validations.count - Self.most / 2)
        }
    }
}
