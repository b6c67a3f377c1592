// The state shared by all layers of a running network: weights, gradients, memory and engine.

import Tensors

/// The state shared by the layers of one `Network`.
final class NetworkContext {
    let weights: Weights
    let backend: Backend
    let workspace = Workspace(count: 0)
    /// The running statistics in use: the weights' own, or a copy being calibrated.
    var statistics: Storage
    /// The gradients, laid out as the parameters; empty until training starts.
    var gradients = Storage(count: 0)
    var mode = NormMode.running
    /// Whether a backward pass will follow, so that its inputs must be kept.
    var keepsTape = false

    /// Which parameters have ever had a gradient, by index.
    var touched: [Bool] {
        didSet { knowsRanges = false }
    }
    private var knowsRanges = false
    private var ranges: [(role: ParameterLayout.Role, range: Range<Int>)] = []

    /// The contiguous ranges of touched parameters, each of one role; recomputed in place after a
    /// change.
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

    /// Added to the variance by every batch norm.
    let normEpsilon: Double

    init(weights: Weights, backend: Backend, normEpsilon: Double) {
        self.weights = weights
        self.normEpsilon = normEpsilon
        self.backend = backend
        statistics = weights.statistics
        touched = weights.layout.parameters.map { _ in false }
    }

    /// The parameter `name`, which must be in the layout.
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

    /// Marks these parameters as having a gradient.
    func touch(_ parameter: ParameterLayout.Parameter) {
        guard !touched[parameter.index] else { return }
        touched[parameter.index] = true
    }

    /// The first rows and columns of a weight (out, in, 1, 1), in place.
    func slice(_ parameter: ParameterLayout.Parameter, rows: Int, columns: Int) -> MatrixSlice {
        MatrixSlice(tensor(parameter), rows: rows, columns: columns, stride: parameter.shape[1])
    }

    func gradientSlice(
        _ parameter: ParameterLayout.Parameter, rows: Int, columns: Int
    ) -> MatrixSlice {
        MatrixSlice(gradient(parameter), rows: rows, columns: columns, stride: parameter.shape[1])
    }

    /// The first outputs and inputs of a convolution's weight (out, in, kernel, kernel), in place.
    func filters(_ parameter: ParameterLayout.Parameter, outputs: Int, inputs: Int) -> FilterSlice {
        filters(parameter, in: tensor(parameter), outputs, inputs)
    }

    /// As `filters`, for the gradient.
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

/// One batch norm: its ranges in the arenas and its state after the last pass.
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
        state = NormState(width: gamma.count)
    }

    /// The centre of the sums that the previous operator computes; nil if none are needed.
    var center: Tensor? {
        context.mode.usesBatch ? context.weights.view(mean, in: context.statistics) : nil
    }

    /// The epilogue of the convolution before this norm: sums if batch statistics are used, else
    /// the norm with running statistics, the activation and the residual.
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

    /// Turns the sums of this norm's input (or the running statistics, which need none) into its map.
    func finish(_ sums: ChannelSums?, channels: Int, rows: Int) {
        let parameters = NormParameters(
            gamma: context.tensor(gamma), beta: context.tensor(beta),
            runningMean: context.weights.view(mean, in: context.statistics),
            runningVariance: context.weights.view(variance, in: context.statistics))
        context.backend.normalise(
            state, parameters, sums: sums, channels: channels, rows: rows, mode: context.mode,
            epsilon: context.normEpsilon)
    }

    /// Turns the sums of a gradient pass into the map of the input gradient; adds to gamma's and beta's gradients.
    func finishGradient(_ sums: ChannelSums, channels: Int, rows: Int) {
        context.touch(gamma)
        context.touch(beta)
        context.backend.normGradient(
            state, sums: sums, gamma: context.tensor(gamma), gammaGradient: context.gradient(gamma),
            betaGradient: context.gradient(beta), channels: channels, rows: rows)
    }
}
