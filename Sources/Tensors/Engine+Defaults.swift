// Default arguments for the operators of any engine. Each method calls the engine's operator of the same name, which
// takes all arguments.

extension Engine {
    /// Calls `pointwise`; the defaults are the identity map, no gate, no second map and no copy.
    @discardableResult
    public func pointwise(
        _ input: FeatureMap, map: ChannelMap = .identity, gate: Tensor? = nil,
        plus: MappedMap? = nil, inputCopy: FeatureMap? = nil, weight: MatrixSlice,
        output: FeatureMap, end: ConvolutionEnd
    ) -> ChannelSums {
        pointwise(
            input, map: map, gate: gate, plus: plus, inputCopy: inputCopy, weight: weight,
            output: output, end: end)
    }

    /// Calls `pointwiseGradient`; the defaults are the identity map, no gate, no second map and no sums.
    @discardableResult
    public func pointwiseGradient(
        _ upstream: Upstream, norm: NormGradient?, input: FeatureMap, map: ChannelMap = .identity,
        gate: Tensor? = nil, plus: MappedMap? = nil, weight: MatrixSlice,
        inputGradient: FeatureMap, accumulate: Bool, sums: GradientSums = .none,
        weightGradient: MatrixSlice
    ) -> ChannelSums {
        pointwiseGradient(
            upstream, norm: norm, input: input, map: map, gate: gate, plus: plus, weight: weight,
            inputGradient: inputGradient, accumulate: accumulate, sums: sums,
            weightGradient: weightGradient)
    }

    /// Calls `convolution`; the defaults are the identity map and no second map.
    @discardableResult
    public func convolution(
        _ input: FeatureMap, map: ChannelMap = .identity, plus: MappedMap? = nil,
        weight: FilterSlice, stride: Int, output: FeatureMap, end: ConvolutionEnd
    ) -> ChannelSums {
        convolution(
            input, map: map, plus: plus, weight: weight, stride: stride, output: output, end: end)
    }

    /// Calls `convolutionGradient`; the defaults are the identity map, no second map, nothing to add and no sums.
    @discardableResult
    public func convolutionGradient(
        _ upstream: Upstream, norm: NormGradient?, input: FeatureMap, map: ChannelMap = .identity,
        plus: MappedMap? = nil, weight: FilterSlice, stride: Int, inputGradient: FeatureMap?,
        add: FeatureMap? = nil, sums: GradientSums = .none, weightGradient: FilterSlice
    ) -> ChannelSums {
        convolutionGradient(
            upstream, norm: norm, input: input, map: map, plus: plus, weight: weight,
            stride: stride, inputGradient: inputGradient, add: add, sums: sums,
            weightGradient: weightGradient)
    }

    /// Calls `maxPooling`; the defaults are the identity map, 3x3 windows and stride 2.
    public func maxPooling(
        _ input: FeatureMap, map: ChannelMap = .identity, kernel: Int = 3, stride: Int = 2,
        output: FeatureMap
    ) { maxPooling(input, map: map, kernel: kernel, stride: stride, output: output) }

    /// Calls `maxPoolingGradient`; the defaults are the identity map, 3x3 windows, stride 2 and no sums.
    @discardableResult
    public func maxPoolingGradient(
        _ d: FeatureMap, input: FeatureMap, map: ChannelMap = .identity, kernel: Int = 3,
        stride: Int = 2, inputGradient: FeatureMap, sums: GradientSums = .none
    ) -> ChannelSums {
        maxPoolingGradient(
            d, input: input, map: map, kernel: kernel, stride: stride,
            inputGradient: inputGradient, sums: sums)
    }

    /// Calls `meanPooling` with the identity map.
    public func meanPooling(_ input: FeatureMap, size: Int, output: FeatureMap) {
        meanPooling(input, map: .identity, size: size, output: output)
    }

    /// Calls `multiply`; by default it neither transposes nor accumulates.
    public func multiply(
        _ a: MatrixSlice, _ b: MatrixSlice, transposeFirst: Bool = false,
        transposeSecond: Bool = false, accumulate: Bool = false, into c: MatrixSlice
    ) {
        multiply(
            a, b, transposeFirst: transposeFirst, transposeSecond: transposeSecond,
            accumulate: accumulate, into: c)
    }
}
