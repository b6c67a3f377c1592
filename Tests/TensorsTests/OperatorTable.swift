// The table of operators: the shapes of every operator, and one call of it as a function of the engine that runs it. What
// holds for all operators on all engines is tested over this table; the tests of one operator's results and gradients
// against double precision go through the same shapes (`KernelCase`).
import TestSupport

@testable import Tensors

/// The operators and their shapes.
enum OperatorTable {
    /// An operator: its name, its shapes, and a call of it.
    struct Operator {
        let name: String
        /// The first shape has enough images for several blocks, bands and threads.
        let cases: [KernelCase]
        let run: (Numbers) -> Left
    }

    /// What an operator leaves: values that no sum over images goes into, and sums.
    struct Left {
        var values: [Float] = []
        /// How many of the first values are those of maps.
        var mapValues = 0
        var sums: [Double] = []
    }

    /// What operators read. With `isAbsolute`, all of it positive and without activations: then a sum is that of its
    /// terms' absolute values, but for slopes of at most 1.5 in either direction.
    struct Numbers {
        let engine: any Engine
        let item: KernelCase
        var isAbsolute = false
        /// The format of maps that an operator reads and writes in either format; images have float32.
        var format = MapFormat.float32
        /// Whether maps of floats hold values that 16 bits can hold too.
        var isRounded = false

        var images: Int { item.images }
        var inputs: Int { item.channels }
        var outputs: Int { item.outChannels }
        /// The filter's positions.
        var taps: Int { item.kernel * item.kernel }

        /// A map of the input's size.
        func map(_ channels: Int, _ draw: Int) -> FeatureMap { map(channels, item.size, draw) }
        /// A map of the output's size.
        func outMap(_ channels: Int, _ draw: Int) -> FeatureMap {
            map(channels, item.outSize, draw)
        }
        private func map(_ channels: Int, _ size: Int, _ draw: Int) -> FeatureMap {
            let plain = FeatureMap(
                tensor(images * size * size * channels, draw), images: images, height: size,
                width: size, channels: channels)
            if format == .bfloat16 { return plain.halved }
            return isRounded ? plain.halved.widened : plain
        }
        /// The images of a first layer.
        func image(_ channels: Int, _ draw: Int) -> FeatureMap {
            var same = self
            (same.format, same.isRounded) = (.float32, false)
            return same.map(channels, draw)
        }
        func tensor(_ count: Int, _ draw: Int) -> Tensor { sized(item.values(count, draw: draw)) }
        func factors(_ count: Int, _ draw: Int) -> Tensor {
            sized(item.factors(count, draw: draw))
        }
        func sized(_ values: [Float]) -> Tensor {
            Tensor(isAbsolute ? values.map { abs($0) } : values)
        }
        /// What sums are about: subtracted, so that it counts where it is negative.
        func center(_ count: Int, _ draw: Int) -> Tensor {
            let values = item.values(count, draw: draw)
            return Tensor(isAbsolute ? values.map { -abs($0) } : values)
        }
        func affine(_ channels: Int, _ draw: Int) -> ChannelMap {
            ChannelMap(
                scale: factors(channels, draw), shift: tensor(channels, draw + 1),
                activation: isAbsolute ? .identity : .hSwish)
        }
        func norm(_ channels: Int, _ draw: Int) -> NormGradient {
            NormGradient(
                a: factors(channels, draw), b: tensor(channels, draw + 1),
                c: tensor(channels, draw + 2))
        }
        /// Room for a map of the input's size.
        func result(_ channels: Int) -> FeatureMap {
            FeatureMap(images: images, size: item.size, channels: channels, format: format)
        }
        /// Room for a map of the output's size.
        func outResult(_ channels: Int) -> FeatureMap {
            FeatureMap(images: images, size: item.outSize, channels: channels, format: format)
        }
        func doubles(_ tensor: Tensor) -> [Double] { tensor.values.map { Double($0) } }
        /// The sums of a handle; none of an engine that only counts.
        func doubles(_ sums: Tensors.ChannelSums) -> [Double] {
            (engine as? CPUEngine)?.doubles(sums) ?? []
        }
        /// The first filters of a tensor of them.
        func filters(_ tensor: Tensor) -> FilterSlice {
            FilterSlice(
                tensor, outputs: outputs, inputs: inputs, kernel: item.kernel, storedInputs: inputs)
        }
    }

    /// A shape of seven images.
    private static func several(
        channels: Int, outChannels: Int? = nil, size: Int = 14, kernel: Int = 1
    ) -> KernelCase {
        KernelCase(
            2, images: 7, size: size, channels: channels, outChannels: outChannels, kernel: kernel)
    }

    static var operators: [Operator] {
        let block = several(channels: 20, outChannels: 24)
        let pointwise = [block] + KernelCase.pointwise
        let depthwise = [several(channels: 20, kernel: 5)] + KernelCase.depthwise
        let elementwise = [several(channels: 20)] + KernelCase.elementwise
        let stem = several(channels: 3, outChannels: 24, kernel: 3)
        let inner = several(channels: 20, outChannels: 24, kernel: 3)
        return [
            Operator(name: "pointwise", cases: pointwise, run: Self.pointwise),
            Operator(name: "pointwise gradient", cases: pointwise, run: pointwiseGradient),
            Operator(name: "depthwise", cases: depthwise, run: Self.depthwise),
            Operator(name: "depthwise gradient", cases: depthwise, run: depthwiseGradient),
            Operator(name: "convolution", cases: [stem] + KernelCase.convolution, run: convolution),
            Operator(
                name: "dense convolution", cases: [inner] + KernelCase.denseConvolution,
                run: denseConvolution),
            Operator(name: "pooling", cases: elementwise, run: pooling),
            Operator(name: "passes", cases: elementwise, run: passes),
            Operator(
                name: "dense", cases: [several(channels: 131, outChannels: 67, size: 1)], run: dense
            ),
            Operator(name: "loss", cases: [several(channels: 9, size: 1)], run: loss),
            Operator(name: "sgd", cases: [several(channels: 1003, size: 1)], run: sgd),
        ] + compiledOperators
    }

    static func pointwise(_ n: Numbers) -> Left {
        let output = n.result(n.outputs)
        let sums = n.engine.pointwise(
            n.map(n.inputs, 0), map: n.affine(n.inputs, 1), gate: n.tensor(n.images * n.inputs, 3),
            weight: MatrixSlice(
                n.tensor(n.inputs * n.outputs, 4), rows: n.outputs, columns: n.inputs,
                stride: n.inputs),
            output: output, end: .statistics(center: n.center(n.outputs, 5)))
        return Left(
            values: output.floats, mapValues: output.count, sums: n.doubles(sums))
    }

    static func pointwiseGradient(_ n: Numbers) -> Left {
        let dx = n.result(n.inputs), dweight = Storage(count: n.inputs * n.outputs).all
        let gateSums = Storage(count: 5 * n.images * n.inputs).all
        n.engine.pointwiseGradient(
            Upstream(n.map(n.outputs, 0), y: n.map(n.outputs, 1), map: n.affine(n.outputs, 2)),
            norm: n.norm(n.outputs, 4), input: n.map(n.inputs, 7), map: n.affine(n.inputs, 8),
            gate: n.tensor(n.images * n.inputs, 10),
            weight: MatrixSlice(
                n.tensor(n.inputs * n.outputs, 11), rows: n.outputs, columns: n.inputs,
                stride: n.inputs),
            inputGradient: dx, accumulate: false,
            sums: .gate(center: n.center(n.inputs, 12), gateSums),
            weightGradient: MatrixSlice(
                dweight, rows: n.outputs, columns: n.inputs, stride: n.inputs))
        let sums = n.engine.gradientSums(
            gateSums: gateSums, gate: n.tensor(n.images * n.inputs, 13),
            meanGradient: n.tensor(n.images * n.inputs, 14), images: n.images, channels: n.inputs)
        return Left(
            values: dx.floats + gateSums.values, mapValues: dx.count,
            sums: n.doubles(dweight) + n.doubles(sums))
    }

    static func depthwise(_ n: Numbers) -> Left {
        let output = n.outResult(n.inputs), folded = n.outResult(n.inputs)
        let mean = Storage(count: n.images * n.inputs).all
        let (input, filter) = (n.map(n.inputs, 0), n.tensor(n.taps * n.inputs, 3))
        let sums = n.engine.depthwise(
            input, map: n.affine(n.inputs, 1), filter: filter, kernel: n.item.kernel,
            stride: n.item.stride,
            output: output, end: .statistics(center: n.center(n.inputs, 4)))
        n.engine.depthwise(
            input, map: n.affine(n.inputs, 1), filter: filter, kernel: n.item.kernel,
            stride: n.item.stride,
            output: folded, end: .folded(n.affine(n.inputs, 5), mean: mean))
        return Left(
            values: output.floats + folded.floats + mean.values, mapValues: 2 * output.count,
            sums: n.doubles(sums))
    }

    static func depthwiseGradient(_ n: Numbers) -> Left {
        let dx = n.result(n.inputs), dfilter = Storage(count: n.taps * n.inputs).all
        let sums = n.engine.depthwiseGradient(
            Upstream(
                n.outMap(n.inputs, 0), y: n.outMap(n.inputs, 1), map: n.affine(n.inputs, 2),
                gate: n.tensor(n.images * n.inputs, 4),
                meanGradient: n.tensor(n.images * n.inputs, 5)),
            norm: n.norm(n.inputs, 6), input: n.map(n.inputs, 9), map: n.affine(n.inputs, 10),
            filter: n.tensor(n.taps * n.inputs, 12), kernel: n.item.kernel, stride: n.item.stride,
            add: nil,
            inputGradient: dx, center: n.center(n.inputs, 13), filterGradient: dfilter)
        return Left(
            values: dx.floats, mapValues: dx.count, sums: n.doubles(dfilter) + n.doubles(sums))
    }

    static func convolution(_ n: Numbers) -> Left {
        let output = n.outResult(n.outputs),
            dweight = Storage(count: n.taps * n.inputs * n.outputs).all
        let weight = n.filters(n.tensor(n.taps * n.inputs * n.outputs, 1))
        let sums = n.engine.convolution(
            n.image(n.inputs, 0), weight: weight, stride: n.item.stride, output: output,
            end: .statistics(center: n.center(n.outputs, 2)))
        n.engine.convolutionGradient(
            Upstream(
                n.outMap(n.outputs, 3), y: n.outMap(n.outputs, 4), map: n.affine(n.outputs, 5)),
            norm: n.norm(n.outputs, 7), input: n.image(n.inputs, 0), weight: weight,
            stride: n.item.stride,
            inputGradient: nil, weightGradient: n.filters(dweight))
        return Left(
            values: output.floats, mapValues: output.count,
            sums: n.doubles(sums) + n.doubles(dweight))
    }

    static func denseConvolution(_ n: Numbers) -> Left {
        let output = n.outResult(n.outputs), dx = n.result(n.inputs)
        let dweight = Storage(count: n.taps * n.inputs * n.outputs).all
        let weight = n.filters(n.tensor(n.taps * n.inputs * n.outputs, 1))
        let (x, map) = (n.map(n.inputs, 0), n.affine(n.inputs, 10))
        let sums = n.engine.convolution(
            x, map: map, weight: weight, stride: n.item.stride, output: output,
            end: .statistics(center: n.center(n.outputs, 2)))
        let gradientSums = n.engine.convolutionGradient(
            Upstream(
                n.outMap(n.outputs, 3), y: n.outMap(n.outputs, 4), map: n.affine(n.outputs, 5)),
            norm: n.norm(n.outputs, 7), input: x, map: map, weight: weight, stride: n.item.stride,
            inputGradient: dx, sums: .slope(center: n.center(n.inputs, 12)),
            weightGradient: n.filters(dweight))
        return Left(
            values: output.floats + dx.floats, mapValues: output.count + dx.count,
            sums: n.doubles(sums) + n.doubles(gradientSums) + n.doubles(dweight))
    }

    static func pooling(_ n: Numbers) -> Left {
        let (x, map, out) = (n.map(n.inputs, 0), n.affine(n.inputs, 1), (n.item.size + 1) / 2)
        func half() -> FeatureMap { FeatureMap(images: n.images, size: out, channels: n.inputs) }
        let (most, mean, dx, sum) = (half(), half(), n.result(n.inputs), n.result(n.inputs))
        n.engine.maxPooling(x, map: map, output: most)
        n.engine.meanPooling(x, map: map, size: 2, output: mean)
        let sums = n.engine.maxPoolingGradient(
            mean, input: x, map: map, inputGradient: dx,
            sums: .slope(center: n.center(n.inputs, 3)))
        n.engine.meanPoolingGradient(most, size: 2, inputGradient: dx, accumulate: true)
        n.engine.sumActivated(
            MappedMap(x, map: map), MappedMap(n.map(n.inputs, 4)), activation: .relu, output: sum)
        let g = n.result(n.inputs)
        let sides = n.engine.sumActivatedGradient(
            n.map(n.inputs, 5), output: sum, activation: .relu,
            a: (x, n.center(n.inputs, 6)), b: (n.map(n.inputs, 4), n.center(n.inputs, 7)),
            gradient: g)
        return Left(
            values: most.tensor.values + mean.tensor.values + dx.tensor.values + sum.tensor.values
                + g.tensor.values,
            sums: [sums, sides.a, sides.b].flatMap { n.doubles($0) })
    }

    static func passes(_ n: Numbers) -> Left {
        let output = FeatureMap(images: n.images, size: n.item.size, channels: n.inputs)
        let mean = Storage(count: n.images * n.inputs).all
        let x = n.map(n.inputs, 0), map = n.affine(n.inputs, 1)
        n.engine.affine(x, map: map, residual: n.map(n.inputs, 3), output: output)
        n.engine.mean(x, map: map, output: mean)
        let sums = n.engine.gradientSums(
            Upstream(
                n.map(n.inputs, 4), y: x, map: map, gate: n.tensor(n.images * n.inputs, 5),
                meanGradient: n.tensor(n.images * n.inputs, 6)), center: n.center(n.inputs, 7))
        return Left(
            values: output.tensor.values + mean.values, sums: n.doubles(sums))
    }

    static func dense(_ n: Numbers) -> Left {
        let (count, wide, narrow) = (n.images, n.inputs, n.outputs)
        let output = Storage(count: count * narrow).all, dx = Storage(count: count * wide).all
        let (dweight, dbias) = (Storage(count: wide * narrow).all, Storage(count: narrow).all)
        let weight = MatrixSlice(
            n.tensor(wide * narrow, 0), rows: narrow, columns: wide, stride: wide)
        let x = n.tensor(count * wide, 1)
        n.engine.dense(
            x, count: count, weight: weight, bias: n.tensor(narrow, 2), output: output)
        n.engine.denseGradient(
            n.tensor(count * narrow, 3), input: x, count: count, weight: weight, inputGradient: dx,
            weightGradient: MatrixSlice(dweight, rows: narrow, columns: wide, stride: wide),
            biasGradient: dbias)
        // Threads share features, not images: every number is made whole by one of them.
        return Left(values: [output, dx, dweight, dbias].flatMap(\.values))
    }

    static func loss(_ n: Numbers) -> Left {
        let soft = n.tensor(n.images * n.inputs, 1),
            gradient = Storage(count: n.images * n.inputs).all
        n.engine.softmax(soft, classes: n.inputs)
        let found = n.engine.crossEntropy(
            n.tensor(n.images * n.inputs, 0), classes: n.inputs, labels: [0, 8, 1, 2, 2, 7, 3],
            soft: soft,
            smoothing: 0.1, gradient: gradient)
        // Losses are added in the order of the images, whichever thread computed them.
        let losses = [found.hard.bitPattern, found.soft.bitPattern, UInt64(found.correct)]
        return Left(
            values: gradient.values
                + losses.flatMap { bits in (0..<4).map { Float(bits >> (16 * $0) & 0xffff) } })
    }

    static func sgd(_ n: Numbers) -> Left {
        func storage(_ draw: Int) -> Storage {
            let storage = Storage(count: n.inputs)
            storage.all.fill(from: n.item.values(n.inputs, draw: draw))
            return storage
        }
        let (weights, speed) = (storage(0), storage(1))
        n.engine.sgd(
            weights, momentum: speed, gradients: storage(2), range: 5..<n.inputs - 2,
            rate: 0.1, momentum: 0.9, decay: 1e-3)
        return Left(values: weights.all.values + speed.all.values)
    }
}
