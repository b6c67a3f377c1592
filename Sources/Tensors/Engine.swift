// The interface between networks and the code that computes them. Passes, training steps and optimizer steps use only
// this protocol. Its operators work on views of memory; host code writes and reads this memory by `upload` and
// `download` (`EngineMemory`). `CPUEngine` computes; `CountingEngine` only counts the memory that the passes would
// take.

/// Computes operators over memory of its own. Only one thread at a time may use an engine.
///
/// `CPUEngine`'s methods of the same names document the operators and their shapes. An operator that writes a map for a
/// norm returns the handle of the map's sums, which `normalise` and `normGradient` take. A weight gradient is added to
/// a slice of one arena; the engine decides how threads share that work.
public protocol Engine: EngineMemory {
    /// Records the times of operators; nil costs nothing.
    var profile: OperatorProfile? { get set }
    /// Runs `body`, which is a part of a layer but not a single operator; with a profile, records the time of `body`
    /// under `name`.
    func timed(_ name: StaticString, _ body: () -> Void)

    // MARK: Memory
    /// Allocates the working memory `room`, so that operators that need no more than this memory
    /// allocate none.
    func reserve(_ room: EngineRoom)

    // MARK: Independent work
    /// The number of threads that share the work.
    var threads: Int { get }
    /// Engines that may run at the same time, each for one of several independent parts of the work.
    var lanes: [any Engine] { get }
    /// Runs `body` once for each index of `lanes`, all at the same time; returns when all calls have ended.
    func onEachLane(_ body: (_ lane: Int) -> Void)

    // MARK: Convolutions
    /// See `CPUEngine.pointwise`.
    @discardableResult
    func pointwise(
        _ input: FeatureMap, map: ChannelMap, gate: Tensor?, plus: MappedMap?,
        inputCopy: FeatureMap?, weight: MatrixSlice, output: FeatureMap, end: ConvolutionEnd
    ) -> ChannelSums
    /// See `CPUEngine.pointwiseGradient`.
    @discardableResult
    func pointwiseGradient(
        _ upstream: Upstream, norm: NormGradient?, input: FeatureMap, map: ChannelMap,
        gate: Tensor?, plus: MappedMap?, weight: MatrixSlice, inputGradient: FeatureMap,
        accumulate: Bool, sums: GradientSums, weightGradient: MatrixSlice
    ) -> ChannelSums
    /// See `CPUEngine.depthwise`.
    @discardableResult
    func depthwise(
        _ input: FeatureMap, map: ChannelMap, filter: Tensor, kernel: Int, stride: Int,
        output: FeatureMap, end: ConvolutionEnd
    ) -> ChannelSums
    /// See `CPUEngine.depthwiseGradient`.
    @discardableResult
    func depthwiseGradient(
        _ upstream: Upstream, norm: NormGradient, input: FeatureMap, map: ChannelMap,
        filter: Tensor, kernel: Int, stride: Int, add: FeatureMap?, inputGradient: FeatureMap,
        center: Tensor?, filterGradient: Tensor
    ) -> ChannelSums
    /// See `CPUEngine.convolution`.
    @discardableResult
    func convolution(
        _ input: FeatureMap, map: ChannelMap, plus: MappedMap?, weight: FilterSlice, stride: Int,
        output: FeatureMap, end: ConvolutionEnd
    ) -> ChannelSums
    /// See `CPUEngine.convolutionGradient`.
    @discardableResult
    func convolutionGradient(
        _ upstream: Upstream, norm: NormGradient?, input: FeatureMap, map: ChannelMap,
        plus: MappedMap?, weight: FilterSlice, stride: Int, inputGradient: FeatureMap?,
        add: FeatureMap?, sums: GradientSums, weightGradient: FilterSlice
    ) -> ChannelSums

    // MARK: Norms
    /// See `CPUEngine.normalise`.
    func normalise(
        _ state: NormState, _ parameters: NormParameters, sums: ChannelSums?, channels: Int,
        rows: Int, mode: NormMode, epsilon: Double)
    /// See `CPUEngine.normGradient`.
    func normGradient(
        _ state: NormState, sums: ChannelSums, gamma: Tensor, gammaGradient: Tensor,
        betaGradient: Tensor, channels: Int, rows: Int)
    /// See `CPUEngine.gradientSums(_:center:)`.
    func gradientSums(_ upstream: Upstream, center: Tensor) -> ChannelSums
    /// See `CPUEngine.gradientSums(gateSums:gate:meanGradient:images:channels:)`.
    func gradientSums(
        gateSums: Tensor, gate: Tensor, meanGradient: Tensor, images: Int, channels: Int
    ) -> ChannelSums

    // MARK: Passes over maps
    /// See `CPUEngine.affine`.
    func affine(_ input: FeatureMap, map: ChannelMap, residual: FeatureMap?, output: FeatureMap)
    /// See `CPUEngine.mean`.
    func mean(_ input: FeatureMap, map: ChannelMap, output: Tensor)
    /// See `CPUEngine.maxPooling`.
    func maxPooling(
        _ input: FeatureMap, map: ChannelMap, kernel: Int, stride: Int, output: FeatureMap)
    /// See `CPUEngine.maxPoolingGradient`.
    @discardableResult
    func maxPoolingGradient(
        _ d: FeatureMap, input: FeatureMap, map: ChannelMap, kernel: Int, stride: Int,
        inputGradient: FeatureMap, sums: GradientSums
    ) -> ChannelSums
    /// See `CPUEngine.meanPooling`.
    func meanPooling(_ input: FeatureMap, map: ChannelMap, size: Int, output: FeatureMap)
    /// See `CPUEngine.meanPoolingGradient`.
    func meanPoolingGradient(
        _ d: FeatureMap, size: Int, inputGradient: FeatureMap, accumulate: Bool)
    /// See `CPUEngine.sumActivated`.
    func sumActivated(
        _ a: MappedMap, _ b: MappedMap, activation: Activation, output: FeatureMap)
    /// See `CPUEngine.sumActivatedGradient`.
    @discardableResult
    func sumActivatedGradient(
        _ d: FeatureMap, output: FeatureMap, activation: Activation,
        a: (raw: FeatureMap, center: Tensor)?, b: (raw: FeatureMap, center: Tensor)?,
        gradient: FeatureMap
    ) -> (a: ChannelSums, b: ChannelSums)

    // MARK: Dense layers
    /// See `CPUEngine.dense`.
    func dense(_ input: Tensor, count: Int, weight: MatrixSlice, bias: Tensor?, output: Tensor)
    /// See `CPUEngine.denseGradient`.
    func denseGradient(
        _ dout: Tensor, input: Tensor, count: Int, weight: MatrixSlice, inputGradient: Tensor?,
        weightGradient: MatrixSlice, biasGradient: Tensor?)
    /// See `CPUEngine.multiply`.
    func multiply(
        _ a: MatrixSlice, _ b: MatrixSlice, transposeFirst: Bool, transposeSecond: Bool,
        accumulate: Bool, into c: MatrixSlice)
    /// See `CPUEngine.activate`.
    func activate(_ values: Tensor, _ kind: Activation, keep: Tensor?)
    /// See `CPUEngine.activateGradient`.
    func activateGradient(_ d: Tensor, before: Tensor, _ kind: Activation)
    /// See `CPUEngine.hardSigmoid`.
    func hardSigmoid(_ values: Tensor)
    /// See `CPUEngine.hardSigmoidGradient`.
    func hardSigmoidGradient(_ d: Tensor, gate: Tensor)
    /// See `CPUEngine.softmax`.
    func softmax(_ values: Tensor, classes: Int)
    /// Adds `b` to `a`, value by value; `b` may be longer.
    func add(_ b: Tensor, to a: Tensor)
    /// Multiplies `values` by `factors`, value by value.
    func scale(_ values: Tensor, by factors: Tensor)
    /// Multiplies `values` by `factor`.
    func scale(_ values: Tensor, by factor: Float)

    // MARK: Filters
    /// See `CPUEngine.cropFilters`.
    func cropFilters(_ filters: Tensor, channels: Int, from: Int, to: Int, output: Tensor)
    /// See `CPUEngine.padFilters`.
    func padFilters(_ centre: Tensor, channels: Int, from: Int, to: Int, output: Tensor)
    /// See `CPUEngine.transpose`.
    func transpose(_ input: Tensor, rows: Int, columns: Int, output: Tensor)

    // MARK: Loss and optimizer
    /// See `CPUEngine.crossEntropy`.
    func crossEntropy(
        _ logits: Tensor, classes: Int, labels: [Int32], soft: Tensor?, softWeight: Float,
        smoothing: Float, gradient: Tensor?, partOf batch: Int?, into totals: LossTotals)
    /// See `CPUEngine.distillationLoss`.
    func distillationLoss(
        _ logits: Tensor, classes: Int, labels: [Int32], soft: Tensor, terms: DistillationTerms,
        gradient: Tensor?, partOf batch: Int?, into totals: LossTotals)
    /// Returns the losses in `totals` and sets them to zero. Waits until the engine has computed them.
    func read(_ totals: LossTotals) -> Loss
    /// Returns the sum of the squares of an arena's values; the sum is finite exactly if all values
    /// are.
    func squaredNorm(_ arena: Storage) -> Double
    /// See `CPUEngine.areFinite`.
    func areFinite(_ arenas: [Storage]) -> Bool
    /// See `CPUEngine.clip`.
    func clip(_ arena: Storage, to limit: Float)
    /// See `CPUEngine.sgd`.
    func sgd(
        _ weights: Storage, momentum speed: Storage, gradients: Storage, range: Range<Int>,
        rate: Float, momentum: Float, decay: Float)
}

/// Losses of one or more batches.
public struct Loss: Equatable, Sendable {
    /// Sums over batches of the mean loss per image: `hard` is the loss against labels, `soft` the loss against soft
    /// targets, not multiplied by its weight.
    public var hard = 0.0, soft = 0.0
    /// How many top-1 predictions were correct.
    public var correct = 0
}

/// The losses that an engine has added up since the last `read`.
public final class LossTotals {
    var loss = Loss()

    /// Starts with losses of 0.
    public init() {}

    /// Adds to the losses and to the number of correct predictions.
    func add(hard: Double = 0, soft: Double = 0, correct: Int = 0) {
        loss.hard += hard
        loss.soft += soft
        loss.correct += correct
    }
}

extension Engine {
    /// Computes and returns the loss of one batch.
    public func crossEntropy(
        _ logits: Tensor, classes: Int, labels: [Int32], soft: Tensor?, softWeight: Float = 1,
        smoothing: Float, gradient: Tensor?, partOf batch: Int? = nil
    ) -> Loss {
        let totals = LossTotals()
        crossEntropy(
            logits, classes: classes, labels: labels, soft: soft, softWeight: softWeight,
            smoothing: smoothing, gradient: gradient, partOf: batch, into: totals)
        return read(totals)
    }
}
