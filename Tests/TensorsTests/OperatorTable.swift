// One call of every operator, as a function of the engine that runs it: what is said of all operators and of all engines is
// tested over this table.
import TestSupport

@testable import Tensors

/// The operators, over numbers of one `KernelCase`.
enum OperatorTable {
    /// Images, their size and widths, for every operator here: enough rows for several blocks and bands.
    static let images = 7, size = 14, inputs = 20, outputs = 24, kernel = 5
    /// Positions of all images.
    static let rows = images * size * size

    /// What an operator leaves: values that no sum over images goes into, and sums.
    struct Left {
        var values: [Float] = []
        var sums: [Double] = []
    }

    /// What operators read. With `isAbsolute`, all of it positive and without activations: then a sum is that of its
    /// terms' absolute values, but for slopes of at most 1.5 in either direction.
    struct Numbers {
        let engine: any Engine
        var isAbsolute = false
        let item = KernelCase(2, size: size, channels: inputs, outChannels: outputs)

        func map(_ channels: Int, _ draw: Int) -> FeatureMap {
            FeatureMap(
                tensor(rows * channels, draw), images: images, height: size, width: size,
                channels: channels)
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
        func result(_ channels: Int) -> FeatureMap {
            FeatureMap(images: images, size: size, channels: channels)
        }
        func doubles(_ tensor: Tensor) -> [Double] { tensor.values.map { Double($0) } }
        /// The sums of a handle; none of an engine that only counts.
        func doubles(_ sums: Tensors.ChannelSums) -> [Double] {
            (engine as? CPUEngine)?.doubles(sums) ?? []
        }
        /// The first filters of a tensor of them.
        func filters(_ tensor: Tensor, _ inputs: Int) -> FilterSlice {
            FilterSlice(
                tensor, outputs: outputs, inputs: inputs, kernel: 3, storedInputs: inputs)
        }
    }

    typealias Operator = (Numbers) -> Left

    static var operators: [(name: String, run: Operator)] {
        [
            ("pointwise", pointwise), ("pointwise gradient", pointwiseGradient),
            ("depthwise", depthwise), ("depthwise gradient", depthwiseGradient),
            ("convolution", convolution), ("dense convolution", denseConvolution),
            ("pooling", pooling), ("passes", passes), ("dense", dense), ("loss", loss),
            ("sgd", sgd),
        ]
    }

    static func pointwise(_ n: Numbers) -> Left {
        let output = n.result(outputs)
        let sums = n.engine.pointwise(
            n.map(inputs, 0), map: n.affine(inputs, 1), gate: n.tensor(images * inputs, 3),
            weight: MatrixSlice(
                n.tensor(inputs * outputs, 4), rows: outputs, columns: inputs, stride: inputs),
            output: output, end: .statistics(center: n.center(outputs, 5)))
        return Left(
            values: output.tensor.values, sums: n.doubles(sums))
    }

    static func pointwiseGradient(_ n: Numbers) -> Left {
        let dx = n.result(inputs), dweight = Storage(count: inputs * outputs).all
        let gateSums = Storage(count: 5 * images * inputs).all
        n.engine.pointwiseGradient(
            Upstream(n.map(outputs, 0), y: n.map(outputs, 1), map: n.affine(outputs, 2)),
            norm: n.norm(outputs, 4), input: n.map(inputs, 7), map: n.affine(inputs, 8),
            gate: n.tensor(images * inputs, 10),
            weight: MatrixSlice(
                n.tensor(inputs * outputs, 11), rows: outputs, columns: inputs, stride: inputs),
            inputGradient: dx, accumulate: false,
            sums: .gate(center: n.center(inputs, 12), gateSums),
            weightGradient: MatrixSlice(
                dweight, rows: outputs, columns: inputs, stride: inputs))
        let sums = n.engine.gradientSums(
            gateSums: gateSums, gate: n.tensor(images * inputs, 13),
            meanGradient: n.tensor(images * inputs, 14), images: images, channels: inputs)
        return Left(
            values: dx.tensor.values + gateSums.values,
            sums: n.doubles(dweight) + n.doubles(sums))
    }

    static func depthwise(_ n: Numbers) -> Left {
        let output = n.result(inputs), folded = n.result(inputs)
        let mean = Storage(count: images * inputs).all
        let (input, filter) = (n.map(inputs, 0), n.tensor(25 * inputs, 3))
        let sums = n.engine.depthwise(
            input, map: n.affine(inputs, 1), filter: filter, kernel: kernel, stride: 1,
            output: output, end: .statistics(center: n.center(inputs, 4)))
        n.engine.depthwise(
            input, map: n.affine(inputs, 1), filter: filter, kernel: kernel, stride: 1,
            output: folded, end: .folded(n.affine(inputs, 5), mean: mean))
        return Left(
            values: output.tensor.values + folded.tensor.values + mean.values,
            sums: n.doubles(sums))
    }

    static func depthwiseGradient(_ n: Numbers) -> Left {
        let dx = n.result(inputs), dfilter = Storage(count: 25 * inputs).all
        let sums = n.engine.depthwiseGradient(
            Upstream(
                n.map(inputs, 0), y: n.map(inputs, 1), map: n.affine(inputs, 2),
                gate: n.tensor(images * inputs, 4), meanGradient: n.tensor(images * inputs, 5)),
            norm: n.norm(inputs, 6), input: n.map(inputs, 9), map: n.affine(inputs, 10),
            filter: n.tensor(25 * inputs, 12), kernel: kernel, stride: 1, add: nil,
            inputGradient: dx, center: n.center(inputs, 13), filterGradient: dfilter)
        return Left(
            values: dx.tensor.values, sums: n.doubles(dfilter) + n.doubles(sums))
    }

    static func convolution(_ n: Numbers) -> Left {
        let output = n.result(outputs), dweight = Storage(count: 27 * outputs).all
        let weight = n.filters(n.tensor(27 * outputs, 1), 3)
        let sums = n.engine.convolution(
            n.map(3, 0), weight: weight, stride: 1, output: output,
            end: .statistics(center: n.center(outputs, 2)))
        n.engine.convolutionGradient(
            Upstream(n.map(outputs, 3), y: n.map(outputs, 4), map: n.affine(outputs, 5)),
            norm: n.norm(outputs, 7), input: n.map(3, 0), weight: weight, stride: 1,
            inputGradient: nil, weightGradient: n.filters(dweight, 3))
        return Left(
            values: output.tensor.values, sums: n.doubles(sums) + n.doubles(dweight))
    }

    static func denseConvolution(_ n: Numbers) -> Left {
        let output = n.result(outputs), dx = n.result(inputs)
        let dweight = Storage(count: 9 * inputs * outputs).all
        let weight = n.filters(n.tensor(9 * inputs * outputs, 1), inputs)
        let (x, map) = (n.map(inputs, 0), n.affine(inputs, 10))
        let sums = n.engine.convolution(
            x, map: map, weight: weight, stride: 1, output: output,
            end: .statistics(center: n.center(outputs, 2)))
        let gradientSums = n.engine.convolutionGradient(
            Upstream(n.map(outputs, 3), y: n.map(outputs, 4), map: n.affine(outputs, 5)),
            norm: n.norm(outputs, 7), input: x, map: map, weight: weight, stride: 1,
            inputGradient: dx, sums: .slope(center: n.center(inputs, 12)),
            weightGradient: n.filters(dweight, inputs))
        return Left(
            values: output.tensor.values + dx.tensor.values,
            sums: n.doubles(sums) + n.doubles(gradientSums) + n.doubles(dweight))
    }

    static func pooling(_ n: Numbers) -> Left {
        let (x, map, out) = (n.map(inputs, 0), n.affine(inputs, 1), size / 2)
        func half() -> FeatureMap { FeatureMap(images: images, size: out, channels: inputs) }
        let (most, mean, dx, sum) = (half(), half(), n.result(inputs), n.result(inputs))
        n.engine.maxPooling(x, map: map, output: most)
        n.engine.meanPooling(x, map: map, size: 2, output: mean)
        let sums = n.engine.maxPoolingGradient(
            mean, input: x, map: map, inputGradient: dx,
            sums: .slope(center: n.center(inputs, 3)))
        n.engine.meanPoolingGradient(most, size: 2, inputGradient: dx, accumulate: true)
        n.engine.sumActivated(
            MappedMap(x, map: map), MappedMap(n.map(inputs, 4)), activation: .relu, output: sum)
        let g = n.result(inputs)
        let sides = n.engine.sumActivatedGradient(
            n.map(inputs, 5), output: sum, activation: .relu,
            a: (x, n.center(inputs, 6)), b: (n.map(inputs, 4), n.center(inputs, 7)), gradient: g)
        return Left(
            values: most.tensor.values + mean.tensor.values + dx.tensor.values + sum.tensor.values
                + g.tensor.values,
            sums: [sums, sides.a, sides.b].flatMap { n.doubles($0) })
    }

    static func passes(_ n: Numbers) -> Left {
        let output = n.result(inputs), mean = Storage(count: images * inputs).all
        let x = n.map(inputs, 0), map = n.affine(inputs, 1)
        n.engine.affine(x, map: map, residual: n.map(inputs, 3), output: output)
        n.engine.mean(x, map: map, output: mean)
        let sums = n.engine.gradientSums(
            Upstream(
                n.map(inputs, 4), y: x, map: map, gate: n.tensor(images * inputs, 5),
                meanGradient: n.tensor(images * inputs, 6)), center: n.center(inputs, 7))
        return Left(
            values: output.tensor.values + mean.values, sums: n.doubles(sums))
    }

    static func dense(_ n: Numbers) -> Left {
        let (count, wide, narrow) = (images, 131, 67)
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
        let soft = n.tensor(images * 9, 1), gradient = Storage(count: images * 9).all
        n.engine.softmax(soft, classes: 9)
        let found = n.engine.crossEntropy(
            n.tensor(images * 9, 0), classes: 9, labels: [0, 8, 1, 2, 2, 7, 3], soft: soft,
            smoothing: 0.1, gradient: gradient)
        // Losses are added in the order of the images, whichever thread computed them.
        let losses = [found.hard.bitPattern, found.soft.bitPattern, UInt64(found.correct)]
        return Left(
            values: gradient.values
                + losses.flatMap { bits in (0..<4).map { Float(bits >> (16 * $0) & 0xffff) } })
    }

    static func sgd(_ n: Numbers) -> Left {
        func storage(_ draw: Int) -> Storage {
            let storage = Storage(count: 1003)
            storage.all.fill(from: n.item.values(1003, draw: draw))
            return storage
        }
        let (weights, speed) = (storage(0), storage(1))
        n.engine.sgd(
            weights, momentum: speed, gradients: storage(2), range: 5..<1001,
            rate: 0.1, momentum: 0.9, decay: 1e-3)
        return Left(values: weights.all.values + speed.all.values)
    }
}
