// The state shared by all layers of a running network: weights, gradients, memory and engine.

import Tensors

/// The state shared by the layers of one `Network`.
final class NetworkContext {
    let weights: Weights
    let engine: any Engine
    /// `workspace` is the memory of one pass; `turns` holds the maps between layers if no backward pass follows.
    let workspace: Workspace
    let turns: TurnBuffers
    /// The gradients between layers.
    let gradientTurns: TurnBuffers
    /// The running statistics in use: those of `weights` or others, such as a copy that is being calibrated.
    var statistics: Storage
    /// The gradients, laid out as the parameters; empty until training starts.
    private(set) var gradients: Storage
    var mode = NormMode.running
    /// Whether smaller kernels are multiplied by their transform matrices.
    var usesKernelTransform = true
    /// Whether a backward pass will follow, so that layers must keep the maps that it reads.
    var keepsTape = false
    /// The format of the maps and of their gradients in training.
    var trainingFormat = MapFormat.float32
    /// The format of the maps that convolutions write in this pass.
    var mapFormat: MapFormat { keepsTape ? trainingFormat : .float32 }

    /// Which parameters have ever had a gradient, by index.
    var touched: [Bool] {
        didSet { knowsRanges = false }
    }
    private var knowsRanges = false
    private var ranges: [(role: ParameterLayout.Role, range: Range<Int>)] = []

    /// The contiguous ranges of parameters that have ever had a gradient, each range of one role. After a change of
    /// `touched`, the ranges are computed again in the same array.
    var touchedRanges: [(role: ParameterLayout.Role, range: Range<Int>)] {
        if knowsRanges { return ranges }
        ranges.removeAll(keepingCapacity: true)
        ranges.reserveCapacity(touched.count)
        for parameter in weights.layout.parameters where touched[parameter.index] {
            let range = weights.layout.range(of: parameter)
            if let last = ranges.last, last.role == parameter.role,
                last.range.upperBound == range.lowerBound
            {
                ranges[ranges.count - 1].range = last.range.lowerBound..<range.upperBound
            } else {
                ranges.append((parameter.role, range))
            }
        }
        knowsRanges = true
        return ranges
    }

    /// The number that every batch norm adds to the variance.
    let normEpsilon: Double

    init(weights: Weights, engine: any Engine, normEpsilon: Double) {
        self.weights = weights
        self.normEpsilon = normEpsilon
        self.engine = engine
        workspace = Workspace(engine)
        turns = TurnBuffers(3, engine)
        gradientTurns = TurnBuffers(2, engine)
        gradients = engine.storage(0)
        statistics = weights.statistics
        touched = weights.layout.parameters.map { _ in false }
    }

    /// Allocates the arena of gradients, unless it exists.
    func allocateGradients() {
        guard gradients.count < weights.layout.parameterCount else { return }
        gradients = engine.storage(weights.layout.parameterCount)
    }

    /// Allocates as much memory as the passes on another context have taken.
    func reserve(as other: NetworkContext) {
        workspace.reset(room: other.workspace.peak)
        turns.reserve(as: other.turns)
        gradientTurns.reserve(as: other.gradientTurns)
    }

    /// The most memory that passes have taken so far, in floats.
    var peakFloats: Int { workspace.peak + turns.peak + gradientTurns.peak }

    /// Returns the parameter or running statistic `name`, which must be in the layout.
    func parameter(_ name: String) -> ParameterLayout.Parameter {
        guard let found = weights.layout.parameter(name) ?? weights.layout.statistic(name) else {
            preconditionFailure("the layout has no \(name)")
        }
        return found
    }

    func tensor(_ parameter: ParameterLayout.Parameter) -> Tensor { weights.view(parameter) }

    func gradient(_ parameter: ParameterLayout.Parameter) -> Tensor {
        Tensor(storage: gradients, offset: parameter.offset, count: parameter.count)
    }

    /// Marks the parameter as having a gradient.
    func touch(_ parameter: ParameterLayout.Parameter) {
        guard !touched[parameter.index] else { return }
        touched[parameter.index] = true
    }

    /// Returns the first rows and columns of a weight (out, in) or (out, in, 1, 1), in place.
    func slice(_ parameter: ParameterLayout.Parameter, rows: Int, columns: Int) -> MatrixSlice {
        MatrixSlice(tensor(parameter), rows: rows, columns: columns, stride: parameter.shape[1])
    }

    func gradientSlice(
        _ parameter: ParameterLayout.Parameter, rows: Int, columns: Int
    ) -> MatrixSlice {
        MatrixSlice(gradient(parameter), rows: rows, columns: columns, stride: parameter.shape[1])
    }

    /// Returns the first outputs and inputs of a convolution's weight (out, in, kernel, kernel), in
    /// place.
    func filters(_ parameter: ParameterLayout.Parameter, outputs: Int, inputs: Int) -> FilterSlice {
        filters(parameter, in: tensor(parameter), outputs, inputs)
    }

    /// Returns, in place, the gradient of the part of a weight that `filters` returns.
    func gradientFilters(
        _ parameter: ParameterLayout.Parameter, outputs: Int, inputs: Int
    ) -> FilterSlice {
        filters(parameter, in: gradient(parameter), outputs, inputs)
    }

    private func filters(
        _ parameter: ParameterLayout.Parameter, in tensor: Tensor, _ outputs: Int, _ inputs: Int
    ) -> FilterSlice {
        FilterSlice(
            tensor, outputs: outputs, inputs: inputs, kernel: parameter.shape[2],
            storedInputs: parameter.shape[1])
    }
}

/// One batch norm: its arrays in the arenas and its state after the last pass.
final class NormLayer {
    private let gamma, beta, mean, variance: ParameterLayout.Parameter
    private unowned let context: NetworkContext
    let state: NormState

    init(_ prefix: String, _ context: NetworkContext) {
        self.context = context
        gamma = context.parameter("\(prefix).weight")
        beta = context.parameter("\(prefix).bias")
        mean = context.parameter("\(prefix).running_mean")
        variance = context.parameter("\(prefix).running_var")
        state = NormState(width: gamma.count, on: context.engine)
    }

    /// The running mean, which the preceding operator subtracts from its output before it computes sums; nil if no sums
    /// are needed.
    var center: Tensor? {
        context.mode.usesBatch ? context.weights.view(mean, in: context.statistics) : nil
    }

    /// Returns the epilogue of the convolution before this norm. If the norm is folded, the epilogue applies the norm
    /// with running statistics and the activation, adds the residual, and writes the mean of every image and channel to
    /// `mean`. Otherwise the epilogue computes the sums of the output if the mode uses batch statistics.
    func end(
        channels: Int, _ activation: Activation, residual: FeatureMap? = nil, mean: Tensor? = nil
    ) -> ConvolutionEnd {
        guard !isFolded else {
            finish(nil, channels: channels, rows: 1)
            return .folded(state.map(activation), residual: residual, mean: mean)
        }
        return .statistics(center: center)
    }

    /// Whether the preceding convolution applies this norm in its epilogue.
    var isFolded: Bool { !context.mode.usesBatch && !context.keepsTape }

    /// Computes the scale and shift of this norm. They follow from `sums`, the sums of the norm's input, if the mode
    /// uses batch statistics, else from the running statistics; then `sums` may be nil.
    func finish(_ sums: ChannelSums?, channels: Int, rows: Int) {
        let parameters = NormParameters(
            gamma: context.tensor(gamma), beta: context.tensor(beta),
            runningMean: context.weights.view(mean, in: context.statistics),
            runningVariance: context.weights.view(variance, in: context.statistics))
        context.engine.normalise(
            state, parameters, sums: sums, channels: channels, rows: rows, mode: context.mode,
            epsilon: context.normEpsilon)
    }

    /// Computes the norm's `NormGradient` from the sums of a gradient pass; adds to the gradients of gamma and beta.
    func finishGradient(_ sums: ChannelSums, channels: Int, rows: Int) {
        context.touch(gamma)
        context.touch(beta)
        context.engine.normGradient(
            state, sums: sums, gamma: context.tensor(gamma), gammaGradient: context.gradient(gamma),
            betaGradient: context.gradient(beta), channels: channels, rows: rows)
    }
}
