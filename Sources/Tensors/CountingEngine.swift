// An engine without memory: its operators only record the working memory that they would need. A pass of a network on
// this engine shows how much memory the pass takes before anything is allocated.

/// Counts the memory that passes would take; computes nothing.
public final class CountingEngine: Engine {
    /// See `Engine.profile`.
    public var profile: OperatorProfile?
    /// The working memory that the operators so far would have taken.
    public private(set) var room = EngineRoom()
    /// Floats of all storages made so far.
    public private(set) var storedFloats = 0

    /// Makes an engine that has counted nothing.
    public init() {}

    /// Returns the number of bytes of working memory that the operators so far need on an engine of `threads` threads;
    /// the memory of sums and losses is not included.
    public func workingBytes(threads: Int) -> Int {
        4 * (threads * (room.scratch + room.partial) + room.packed + room.ordered)
    }

    private func sums(_ channels: Int) -> ChannelSums {
        room.include(.sums(channels: channels))
        return ChannelSums(slot: 0, serial: 0, offset: 0, channels: channels)
    }

    /// See `Engine.timed`; needs no working memory.
    public func timed(_ name: StaticString, _ body: () -> Void) { body() }

    /// Counts `count` floats. Returns a storage without memory.
    public func storage(_ count: Int) -> Storage {
        storedFloats += count
        return Storage(counted: count)
    }

    /// See `Engine.upload`; needs no working memory.
    public func upload(to tensor: Tensor, _ value: (Int) -> Float) {}

    /// Returns zeros, one for each value of `tensor`.
    public func download(_ tensor: Tensor) -> [Float] { [Float](repeating: 0, count: tensor.count) }

    /// See `Engine.fill`; needs no working memory.
    public func fill(_ tensor: Tensor, with value: Float) {}

    /// See `Engine.copy`; needs no working memory.
    public func copy(_ from: Tensor, to: Tensor) {}

    /// See `EngineMemory.receive`; needs no working memory.
    public func receive(_ map: FeatureMap) -> FeatureMap { map }

    /// Counts `other` as working memory that an operator needs.
    public func reserve(_ other: EngineRoom) { room.include(other) }

    /// See `Engine.threads`: one.
    public var threads: Int { 1 }

    /// This engine alone, so that it counts the memory of all independent work.
    public var lanes: [any Engine] { [self] }

    /// See `Engine.onEachLane`; needs no working memory.
    public func onEachLane(_ body: (_ lane: Int) -> Void) { body(0) }

    /// Counts the working memory of `pointwise`.
    public func pointwise(
        _ input: FeatureMap, map: ChannelMap, gate: Tensor?, plus: MappedMap?,
        inputCopy: FeatureMap?, weight: MatrixSlice, output: FeatureMap, end: ConvolutionEnd
    ) -> ChannelSums {
        room.include(.pointwise(input.channels, output.channels, format: output.format))
        return sums(output.channels)
    }

    /// Counts the working memory of `pointwiseGradient`.
    public func pointwiseGradient(
        _ upstream: Upstream, norm: NormGradient?, input: FeatureMap, map: ChannelMap,
        gate: Tensor?, plus: MappedMap?, weight: MatrixSlice, inputGradient: FeatureMap,
        accumulate: Bool, sums: GradientSums, weightGradient: MatrixSlice
    ) -> ChannelSums {
        room.include(
            .pointwise(
                input.channels, upstream.y.channels, gradient: true, format: upstream.y.format))
        return self.sums(input.channels)
    }

    /// Counts the working memory of `depthwise`.
    public func depthwise(
        _ input: FeatureMap, map: ChannelMap, filter: Tensor, kernel: Int, stride: Int,
        output: FeatureMap, end: ConvolutionEnd
    ) -> ChannelSums {
        room.include(
            .depthwise(
                size: input.height, channels: input.channels, kernel: kernel, stride: stride))
        return sums(output.channels)
    }

    /// Counts the working memory of `depthwiseGradient`.
    public func depthwiseGradient(
        _ upstream: Upstream, norm: NormGradient, input: FeatureMap, map: ChannelMap,
        filter: Tensor, kernel: Int, stride: Int, add: FeatureMap?, inputGradient: FeatureMap,
        center: Tensor?, filterGradient: Tensor
    ) -> ChannelSums {
        room.include(
            .depthwise(
                size: input.height, channels: input.channels, kernel: kernel, stride: stride,
                gradient: true))
        return sums(input.channels)
    }

    /// Counts the working memory of `convolution`.
    public func convolution(
        _ input: FeatureMap, map: ChannelMap, plus: MappedMap?, weight: FilterSlice, stride: Int,
        output: FeatureMap, end: ConvolutionEnd
    ) -> ChannelSums {
        let blocks = ConvolutionBlocks(
            input: input, output: output, weight: weight, stride: stride, "convolution")
        let isImage = CPUEngine.readsPatches(input, map, plus)
        room.include(isImage ? .patches(blocks) : .convolution(blocks))
        return sums(output.channels)
    }

    /// Counts the working memory of `convolutionGradient`.
    public func convolutionGradient(
        _ upstream: Upstream, norm: NormGradient?, input: FeatureMap, map: ChannelMap,
        plus: MappedMap?, weight: FilterSlice, stride: Int, inputGradient: FeatureMap?,
        add: FeatureMap?, sums: GradientSums, weightGradient: FilterSlice
    ) -> ChannelSums {
        let blocks = ConvolutionBlocks(
            input: input, output: upstream.y, weight: weight, stride: stride, "convolutionGradient")
        let isImage = inputGradient == nil && CPUEngine.readsPatches(input, map, plus)
        room.include(
            isImage ? .patches(blocks, gradient: true) : .convolution(blocks, gradient: true))
        return self.sums(isImage ? 0 : input.channels)
    }

    /// See `Engine.normalise`; needs no working memory.
    public func normalise(
        _ state: NormState, _ parameters: NormParameters, sums: ChannelSums?, channels: Int,
        rows: Int, mode: NormMode, epsilon: Double
    ) {}

    /// See `Engine.normGradient`; needs no working memory.
    public func normGradient(
        _ state: NormState, sums: ChannelSums, gamma: Tensor, gammaGradient: Tensor,
        betaGradient: Tensor, channels: Int, rows: Int
    ) {}

    /// Counts the working memory of `gradientSums`.
    public func gradientSums(_ upstream: Upstream, center: Tensor) -> ChannelSums {
        sums(upstream.y.channels)
    }

    /// Counts the working memory of `gradientSums`.
    public func gradientSums(
        gateSums: Tensor, gate: Tensor, meanGradient: Tensor, images: Int, channels: Int
    ) -> ChannelSums { sums(channels) }

    /// See `Engine.affine`; needs no working memory.
    public func affine(
        _ input: FeatureMap, map: ChannelMap, residual: FeatureMap?, output: FeatureMap
    ) {}

    /// See `Engine.mean`; needs no working memory.
    public func mean(_ input: FeatureMap, map: ChannelMap, output: Tensor) {}

    /// See `Engine.maxPooling`; needs no working memory.
    public func maxPooling(
        _ input: FeatureMap, map: ChannelMap, kernel: Int, stride: Int, output: FeatureMap
    ) {}

    /// Counts the working memory of `maxPoolingGradient`.
    public func maxPoolingGradient(
        _ d: FeatureMap, input: FeatureMap, map: ChannelMap, kernel: Int, stride: Int,
        inputGradient: FeatureMap, sums: GradientSums
    ) -> ChannelSums { self.sums(input.channels) }

    /// See `Engine.meanPooling`; needs no working memory.
    public func meanPooling(_ input: FeatureMap, map: ChannelMap, size: Int, output: FeatureMap) {}

    /// See `Engine.meanPoolingGradient`; needs no working memory.
    public func meanPoolingGradient(
        _ d: FeatureMap, size: Int, inputGradient: FeatureMap, accumulate: Bool
    ) {}

    /// See `Engine.sumActivated`; needs no working memory.
    public func sumActivated(
        _ a: MappedMap, _ b: MappedMap, activation: Activation, output: FeatureMap
    ) {}

    /// Counts the working memory of `sumActivatedGradient`.
    public func sumActivatedGradient(
        _ d: FeatureMap, output: FeatureMap, activation: Activation,
        a: (raw: FeatureMap, center: Tensor)?, b: (raw: FeatureMap, center: Tensor)?,
        gradient: FeatureMap
    ) -> (a: ChannelSums, b: ChannelSums) {
        room.include(.sums(channels: 2 * d.channels))
        return (sums(d.channels), sums(d.channels))
    }

    /// Counts the working memory of `dense`.
    public func dense(
        _ input: Tensor, count: Int, weight: MatrixSlice, bias: Tensor?, output: Tensor
    ) { room.include(.dense(weight.columns, weight.rows, count: count)) }

    /// Counts the working memory of `denseGradient`.
    public func denseGradient(
        _ dout: Tensor, input: Tensor, count: Int, weight: MatrixSlice, inputGradient: Tensor?,
        weightGradient: MatrixSlice, biasGradient: Tensor?
    ) { room.include(.dense(weight.columns, weight.rows, count: count)) }

    /// See `Engine.multiply`; needs no working memory.
    public func multiply(
        _ a: MatrixSlice, _ b: MatrixSlice, transposeFirst: Bool, transposeSecond: Bool,
        accumulate: Bool, into c: MatrixSlice
    ) {}

    /// See `Engine.activate`; needs no working memory.
    public func activate(_ values: Tensor, _ kind: Activation, keep: Tensor?) {}

    /// See `Engine.activateGradient`; needs no working memory.
    public func activateGradient(_ d: Tensor, before: Tensor, _ kind: Activation) {}

    /// See `Engine.hardSigmoid`; needs no working memory.
    public func hardSigmoid(_ values: Tensor) {}

    /// See `Engine.hardSigmoidGradient`; needs no working memory.
    public func hardSigmoidGradient(_ d: Tensor, gate: Tensor) {}

    /// See `Engine.softmax`; needs no working memory.
    public func softmax(_ values: Tensor, classes: Int) {}

    /// See `Engine.add`; needs no working memory.
    public func add(_ b: Tensor, to a: Tensor) {}

    /// See `Engine.scale`; needs no working memory.
    public func scale(_ values: Tensor, by factors: Tensor) {}

    /// See `Engine.scale`; needs no working memory.
    public func scale(_ values: Tensor, by factor: Float) {}

    /// See `Engine.cropFilters`; needs no working memory.
    public func cropFilters(
        _ filters: Tensor, channels: Int, from: Int, to: Int, output: Tensor
    ) {}

    /// See `Engine.padFilters`; needs no working memory.
    public func padFilters(_ centre: Tensor, channels: Int, from: Int, to: Int, output: Tensor) {}

    /// See `Engine.transpose`; needs no working memory.
    public func transpose(_ input: Tensor, rows: Int, columns: Int, output: Tensor) {}

    /// Counts the working memory of `crossEntropy`.
    public func crossEntropy(
        _ logits: Tensor, classes: Int, labels: [Int32], soft: Tensor?, softWeight: Float,
        smoothing: Float, gradient: Tensor?, partOf batch: Int?, into totals: LossTotals
    ) { room.include(.sums(channels: 0, images: labels.count)) }

    /// Counts the working memory of `distillationLoss`.
    public func distillationLoss(
        _ logits: Tensor, classes: Int, labels: [Int32], soft: Tensor, terms: DistillationTerms,
        gradient: Tensor?, partOf batch: Int?, into totals: LossTotals
    ) { room.include(.sums(channels: 0, images: labels.count)) }

    /// See `Engine.clip`; needs no working memory.
    public func clip(_ arena: Storage, to limit: Float) {}

    /// See `Engine.read`; needs no working memory.
    public func read(_ totals: LossTotals) -> Loss { Loss() }

    /// Counts the working memory of `squaredNorm`.
    public func squaredNorm(_ arena: Storage) -> Double {
        room.include(.sums(channels: 1))
        return 0
    }

    /// Counts the working memory of `areFinite`.
    public func areFinite(_ arenas: [Storage]) -> Bool {
        room.include(.sums(channels: 1))
        return true
    }

    /// See `Engine.sgd`; needs no working memory.
    public func sgd(
        _ weights: Storage, momentum speed: Storage, gradients: Storage, range: Range<Int>,
        rate: Float, momentum: Float, decay: Float
    ) {}
}
