// What a convolution does at its end, where the norm after it is known before: the same as the raw convolution
// followed by the passes that it saves.
import TestSupport
import Testing

@testable import Tensors

@Suite struct EndTests {
    /// Runs one convolution of a case with the given weights and end.
    private typealias Run = (
        _ engine: CPUEngine, _ input: FeatureMap, _ map: ChannelMap, _ gate: Tensor?,
        _ weight: [Float], _ output: FeatureMap, _ end: ConvolutionEnd
    ) -> Void

    /// Compares `.folded` with the convolution, the map and the residual one after the other. `terms` products make
    /// one value; `residual` and `mean` say what else is asked for, `reads` whether the input is mapped.
    private func check(
        _ item: KernelCase, _ set: InstructionSet, weights: Int, terms: Int, gated: Bool,
        residual wantsResidual: Bool, mean wantsMean: Bool, reads isMapped: Bool, _ run: Run
    ) throws {
        let (n, outs) = (item.channels, item.outChannels)
        let scale = item.factors(n, draw: 0), shift = item.values(n, draw: 1)
        let x = item.inputs(rows: item.rows, scale: scale, shift: shift, draw: 2)
        let weight = item.values(weights, draw: 3), gate = item.values(item.images * n, draw: 4)
        let factor = item.factors(outs, draw: 5), add = item.values(outs, draw: 6)
        let plus = item.values(item.outRows * outs, draw: 7)
        let kind = [Activation.hSwish, .identity, .relu, .relu6][item.channels % 4]
        let engine = try CPUEngine(threads: item.threads, instructionSet: set)
        func map(_ values: [Float]) -> FeatureMap {
            FeatureMap(values, images: item.images, size: item.size, channels: n)
        }
        func output() -> FeatureMap {
            FeatureMap(images: item.images, size: item.outSize, channels: outs)
        }
        let inMap =
            isMapped
            ? ChannelMap(scale: Tensor(scale), shift: Tensor(shift), activation: item.activation)
            : .identity
        let fold = ChannelMap(scale: Tensor(factor), shift: Tensor(add), activation: kind)
        let residual =
            wantsResidual
            ? FeatureMap(plus, images: item.images, size: item.outSize, channels: outs) : nil

        // One after the other.
        let raw = output(), expected = output(),
            expectedMean = Storage(count: item.images * outs).all
        let gates = gated ? Tensor(gate) : nil
        run(engine, map(x), inMap, gates, weight, raw, .statistics(center: nil))
        engine.affine(raw, map: fold, residual: residual, output: expected)
        engine.mean(expected, map: .identity, output: expectedMean)
        // At once.
        let got = output(), mean = wantsMean ? Storage(count: item.images * outs).all : nil
        mean?.fill(with: 9)
        run(
            engine, map(x), inMap, gates, weight, got,
            .folded(fold, residual: residual, mean: mean))
        // The sums of absolute terms, which rounding is relative to.
        let sizes = output(), plain = try CPUEngine(threads: 1, instructionSet: .oracle)
        let absolute = x.enumerated().map {
            isMapped ? abs($1 * scale[$0 % n]) + abs(shift[$0 % n]) : abs($1)
        }
        run(
            plain, map(absolute), .identity, gated ? Tensor(gate.map { abs($0) }) : nil,
            weight.map { abs($0) }, sizes,
            .folded(
                ChannelMap(
                    scale: Tensor(factor.map { abs($0) }), shift: Tensor(add.map { abs($0) }),
                    activation: .identity)))
        // Both ways round once a term, and a few times for the map, the factor, the activation and the residual;
        // the activations' slopes reach 1.5, before and after.
        let each = 2 * 1.5 * 1.5 * Double(terms + 12) * unit
        let errors = sizes.tensor.values.indices.map {
            Double(sizes.tensor[$0]) * each + (wantsResidual ? 2 * Double(abs(plus[$0])) * unit : 0)
        }
        #expect(
            firstBeyond(got.tensor.values, expected.tensor.values, bounds: errors) == nil,
            "\(set) \(item)")
        guard let mean else { return }
        let meanErrors = meanBounds(
            expected.tensor.values, errors: errors, pixels: item.outSize * item.outSize,
            channels: outs)
        #expect(
            firstBeyond(mean.values, expectedMean.values, bounds: meanErrors) == nil,
            "\(set) \(item) mean")
    }

    @Test(
        "a pointwise convolution with its norm folded in is the raw one, the map and the residual",
        arguments: sets)
    func pointwise(set: InstructionSet) throws {
        for item in KernelCase.pointwise where item.size < 57 {
            let (n, outs) = (item.channels, item.outChannels)
            try check(
                item, set, weights: (outs + 2) * (n + 3), terms: n, gated: item.size % 2 == 1,
                residual: n % 3 != 0, mean: false, reads: item.isMapped
            ) { engine, input, map, gate, weight, output, end in
                engine.pointwise(
                    input, map: map, gate: gate,
                    weight: MatrixSlice(Tensor(weight), rows: outs, columns: n, stride: n + 3),
                    output: output, end: end)
            }
        }
    }

    @Test("a residual that the output is written over is added all the same", arguments: sets)
    func inPlace(set: InstructionSet) throws {
        for item in KernelCase.pointwise where item.size < 28 {
            let (n, outs) = (item.channels, item.outChannels)
            let engine = try CPUEngine(threads: item.threads, instructionSet: set)
            let input = FeatureMap(
                item.values(item.rows * n, draw: 0), images: item.images, size: item.size,
                channels: n)
            let weight = MatrixSlice(
                Tensor(item.values(outs * n, draw: 1)), rows: outs, columns: n, stride: n)
            let fold = ChannelMap(
                scale: Tensor(item.factors(outs, draw: 2)),
                shift: Tensor(item.values(outs, draw: 3)),
                activation: .relu6)
            func residual() -> FeatureMap {
                FeatureMap(
                    item.values(item.rows * outs, draw: 4), images: item.images, size: item.size,
                    channels: outs)
            }
            let apart = FeatureMap(images: item.images, size: item.size, channels: outs)
            let over = residual()
            engine.pointwise(
                input, weight: weight, output: apart, end: .folded(fold, residual: residual()))
            engine.pointwise(
                input, weight: weight, output: over, end: .folded(fold, residual: over))
            #expect(bits(over.tensor.values) == bits(apart.tensor.values), "\(set) \(item)")
        }
    }

    @Test(
        "a depthwise convolution with its norm folded in is the raw one and the map, and leaves the means",
        arguments: sets)
    func depthwise(set: InstructionSet) throws {
        for item in KernelCase.depthwise where item.size < 57 {
            let (n, taps) = (item.channels, item.kernel * item.kernel)
            try check(
                item, set, weights: taps * n, terms: taps, gated: false, residual: false,
                mean: item.size % 3 != 0, reads: item.isMapped
            ) { engine, input, map, _, filter, output, end in
                engine.depthwise(
                    input, map: map, filter: Tensor(filter), kernel: item.kernel,
                    stride: item.stride, output: output, end: end)
            }
        }
    }

    @Test(
        "a dense convolution with its norm folded in is the raw one, the map and the residual",
        arguments: sets)
    func convolution(set: InstructionSet) throws {
        for item in KernelCase.convolution where item.size < 57 {
            let (n, outs, k) = (item.channels, item.outChannels, item.kernel)
            try check(
                item, set, weights: outs * n * k * k, terms: n * k * k, gated: false,
                residual: item.stride == 1, mean: false, reads: false
            ) { engine, input, _, _, weight, output, end in
                engine.convolution(
                    input,
                    weight: FilterSlice(
                        Tensor(weight), outputs: outs, inputs: n, kernel: k, storedInputs: n),
                    stride: item.stride, output: output, end: end)
            }
        }
    }
}
