// The operators of compiled passes, for the table of operators. An engine that only counts has none of them.
import TestSupport

@testable import Tensors

extension OperatorTable {
    static var compiledOperators: [Operator] {
        let block = KernelCase(
            2, images: 3, size: 14, channels: 20, outChannels: 56, kernel: 5)
        let map = KernelCase(2, images: 7, size: 14, channels: 20, outChannels: 24, kernel: 3)
        return [
            Operator(
                name: "compiled block",
                cases: [block] + KernelCase.depthwise.filter { $0.size < 57 },
                run: compiledBlock),
            Operator(
                name: "compiled convolution", cases: [map] + KernelCase.denseConvolution,
                run: compiledConvolution),
            Operator(
                name: "compiled dense",
                cases: [1, 2, 7].map {
                    KernelCase($0, images: $0, size: 1, channels: 331, outChannels: 467)
                }, run: compiledDense),
        ]
    }

    /// An expansion, a depthwise convolution, squeeze-and-excite and a projection.
    static func compiledBlock(_ n: Numbers) -> Left {
        guard let engine = n.engine as? CPUEngine else { return Left() }
        let builder = PassBuilder(engine, images: n.images), middle = n.outputs + 12
        let x = builder.input(height: n.item.size, width: n.item.size, channels: n.inputs)
        let (map, mean) = builder.expansion(
            x,
            expand: (n.filters(n.inputs, middle, kernel: 1, 1), n.folded(middle, 2)),
            PassBuilder.Depthwise(
                filters: n.sized(n.item.values(n.taps * middle, draw: 4)).values,
                kernel: n.item.kernel, stride: n.item.stride, norm: n.folded(middle, 5)),
            activation: n.isAbsolute ? .identity : .hSwish, mean: true)
        guard let mean else { return Left() }
        let plain = builder.convolution(
            map, weight: n.filters(middle, n.outputs, kernel: 1, 7), norm: n.folded(n.outputs, 8),
            activation: .identity)
        let reduced = builder.dense(
            mean, weight: n.matrix(6, middle, 10), bias: n.tensor(6, 11), activation: .relu)
        let gate = builder.gate(
            reduced, weight: n.matrix(middle, 6, 12), bias: n.tensor(middle, 13))
        let gated = builder.convolution(
            map, weight: n.filters(middle, n.outputs, kernel: 1, 7), norm: n.folded(n.outputs, 8),
            activation: .identity, gate: gate, residual: plain)
        // The second result rests on means, which threads may add up in parts.
        let first = builder.finish(plain).run(n.map(n.inputs, 0)).values
        let second = builder.finish(gated).run(n.map(n.inputs, 0)).values
        return Left(values: first, sums: second.map { Double($0) })
    }

    static func compiledConvolution(_ n: Numbers) -> Left {
        guard let engine = n.engine as? CPUEngine else { return Left() }
        let builder = PassBuilder(engine, images: n.images)
        let x = builder.input(height: n.item.size, width: n.item.size, channels: n.inputs)
        let y = builder.convolution(
            x, weight: n.filters(n.inputs, n.outputs, kernel: n.item.kernel, 1),
            norm: n.folded(n.outputs, 2), stride: n.item.stride, activation: .relu)
        let pooled = builder.maxPooling(y), means = builder.meanPooling(y, size: 2)
        let sum = builder.sum(pooled, means, activation: .relu)
        return Left(values: builder.finish(sum).run(n.map(n.inputs, 0)).values)
    }

    static func compiledDense(_ n: Numbers) -> Left {
        guard let engine = n.engine as? CPUEngine else { return Left() }
        let builder = PassBuilder(engine, images: n.images)
        let x = builder.input(height: 1, width: 1, channels: n.inputs)
        let hidden = builder.dense(
            x, weight: n.matrix(n.outputs, n.inputs, 1), bias: nil, activation: .hSwish)
        let y = builder.dense(
            hidden, weight: n.matrix(n.outputs, n.outputs, 2), bias: n.tensor(n.outputs, 3),
            activation: .identity)
        return Left(values: builder.finish(y).run(n.map(n.inputs, 0)).values)
    }
}

extension OperatorTable.Numbers {
    fileprivate func filters(_ inputs: Int, _ outputs: Int, kernel: Int, _ draw: Int) -> FilterSlice
    {
        FilterSlice(
            tensor(inputs * outputs * kernel * kernel, draw), outputs: outputs, inputs: inputs,
            kernel: kernel, storedInputs: inputs)
    }

    fileprivate func matrix(_ rows: Int, _ columns: Int, _ draw: Int) -> MatrixSlice {
        MatrixSlice(tensor(rows * columns, draw), rows: rows, columns: columns, stride: columns)
    }

    /// A norm of mean 0 and variance 1.
    fileprivate func folded(_ channels: Int, _ draw: Int) -> FoldedNorm {
        FoldedNorm(
            NormParameters(
                gamma: factors(channels, draw), beta: tensor(channels, draw + 1),
                runningMean: Tensor([Float](repeating: 0, count: channels)),
                runningVariance: Tensor([Float](repeating: 1, count: channels))),
            channels: channels, epsilon: 0)
    }
}
