// Pointwise convolutions against plain loops in double, with every instruction set.
import CKernels
import TestSupport
import Testing

@testable import Tensors

@Suite struct PointwiseTests {
    /// act(x * scale + shift), plainly, and the size its rounding is relative to.
    private static func mapped(_ x: Float, _ scale: Float, _ shift: Float, _ kind: Activation) -> (
        value: Double, size: Double
    ) {
        let z = Double(x) * Double(scale) + Double(shift),
            size = abs(Double(x * scale)) + abs(Double(shift))
        return (activated(z, kind), 1.5 * size)
    }

    private struct Case {
        let item: KernelCase
        let scale, shift, x, weight, gate, center: [Float]
        let isGated: Bool
        /// What the product reads, (rows, in), with sizes.
        var inputs: [(value: Double, size: Double)] = []

        init(_ item: KernelCase, gated: Bool) {
            self.item = item
            let n = item.channels
            isGated = gated
            scale = item.factors(n, draw: 0)
            shift = item.values(n, draw: 1)
            x = item.inputs(rows: item.rows, scale: scale, shift: shift, draw: 2)
            weight = item.values((item.outChannels + 2) * (n + 3), draw: 3)
            gate = item.values(item.images * n, draw: 4)
            center = item.values(item.outChannels, draw: 5)
            for (index, value) in x.enumerated() {
                let c = index % n
                var input = (value: Double(value), size: abs(Double(value)))
                if item.isMapped { input = mapped(value, scale[c], shift[c], item.activation) }
                if gated {
                    let factor = Double(gate[index / (item.size * item.size * n) * n + c])
                    input = (input.value * factor, input.size * abs(factor))
                }
                inputs.append(input)
            }
        }

        var map: ChannelMap {
            item.isMapped
                ? ChannelMap(
                    scale: Tensor(scale), shift: Tensor(shift), activation: item.activation)
                : .identity
        }
        var map4: FeatureMap {
            FeatureMap(x, images: item.images, size: item.size, channels: item.channels)
        }
        /// The first rows and columns of a wider matrix.
        var slice: MatrixSlice {
            MatrixSlice(
                Tensor(weight), rows: item.outChannels, columns: item.channels,
                stride: item.channels + 3)
        }
        func w(_ out: Int, _ c: Int) -> Double { Double(weight[out * (item.channels + 3) + c]) }
    }

    @Test(
        "a pointwise convolution is the product with a slice of a wider matrix, in place",
        arguments: sets)
    func forward(set: InstructionSet) throws {
        for item in KernelCase.pointwise where item.size < 57 {
            let test = Case(item, gated: item.size % 2 == 1), n = item.channels,
                outs = item.outChannels
            let engine = try CPUEngine(threads: item.threads, instructionSet: set)
            let output = FeatureMap(images: item.images, size: item.size, channels: outs)
            let found = engine.pointwise(
                test.map4, map: test.map, gate: test.isGated ? Tensor(test.gate) : nil,
                weight: test.slice,
                output: output, end: .statistics(center: Tensor(test.center)))
            var expected: [Float] = [], errors: [Double] = []
            for row in 0..<item.rows {
                for out in 0..<outs {
                    var sum = 0.0, size = 0.0
                    for c in 0..<n {
                        sum += test.inputs[row * n + c].value * test.w(out, c)
                        size += test.inputs[row * n + c].size * abs(test.w(out, c))
                    }
                    expected.append(Float(sum))
                    errors.append(size * Double(n + 8) * unit)
                }
            }
            #expect(
                firstBeyond(output.tensor.values, expected, bounds: errors) == nil, "\(set) \(item)"
            )
            let sums = ExpectedSums(expected, errors: errors, center: test.center)
            #expect(sums.firstBeyond(engine.doubles(found)) == nil, "\(set) \(item)")
        }
    }

    @Test("an output too large for the caches has the same bits", arguments: sets)
    func streamed(set: InstructionSet) throws {
        let size = 128, inputs = 3, outs = 36, floats = size * size * outs
        try #require(floats <= OFA_STREAM_FLOATS && 2 * floats > OFA_STREAM_FLOATS)
        var stream = RandomStream(seed: 21)
        let values = (0..<2 * size * size * inputs).map { _ in stream.normal() }
        let weight = MatrixSlice(
            Tensor((0..<outs * inputs).map { _ in stream.normal() }), rows: outs, columns: inputs,
            stride: inputs)
        let engine = try CPUEngine(threads: 1, instructionSet: set)
        func outputs(_ values: ArraySlice<Float>, images: Int) -> [Float] {
            let output = FeatureMap(images: images, size: size, channels: outs)
            engine.pointwise(
                FeatureMap(Array(values), images: images, size: size, channels: inputs),
                weight: weight, output: output, end: .statistics(center: nil))
            return output.tensor.values
        }
        let half = values.count / 2
        #expect(
            outputs(values[...], images: 2) == outputs(values[..<half], images: 1)
                + outputs(values[half...], images: 1), "\(set)")
    }

    @Test("its gradients are the two products with the norm's gradient", arguments: sets)
    func gradient(set: InstructionSet) throws {
        for item in KernelCase.pointwise where item.size < 57 {
            let test = Case(item, gated: item.size % 2 == 1), n = item.channels,
                outs = item.outChannels
            let accumulate = item.channels % 2 == 0
            let g = item.values(item.rows * outs, draw: 6),
                y = item.values(item.rows * outs, draw: 7)
            let a = item.factors(outs, draw: 8), b = item.values(outs, draw: 9),
                c = item.values(outs, draw: 10)
            let before = item.values(item.rows * n, draw: 11)
            let engine = try CPUEngine(threads: item.threads, instructionSet: set)
            let dx = FeatureMap(before, images: item.images, size: item.size, channels: n)
            let dweight = Storage(count: outs * n).all
            engine.pointwiseGradient(
                Upstream(
                    FeatureMap(g, images: item.images, size: item.size, channels: outs),
                    y: FeatureMap(y, images: item.images, size: item.size, channels: outs)),
                norm: NormGradient(a: Tensor(a), b: Tensor(b), c: Tensor(c)), input: test.map4,
                map: test.map,
                gate: test.isGated ? Tensor(test.gate) : nil, weight: test.slice, inputGradient: dx,
                accumulate: accumulate,
                weightGradient: MatrixSlice(dweight, rows: outs, columns: n, stride: n))
            let dy = zip(g, y).enumerated().map { index, pair -> (value: Double, size: Double) in
                let (p, q, r) = (
                    Double(a[index % outs]) * Double(pair.0),
                    Double(b[index % outs]) * Double(pair.1), Double(c[index % outs])
                )
                return (p + q + r, abs(p) + abs(q) + abs(r))
            }
            var expected: [Float] = [], errors: [Double] = []
            for row in 0..<item.rows {
                for column in 0..<n {
                    var sum = accumulate ? Double(before[row * n + column]) : 0, size = abs(sum)
                    for out in 0..<outs {
                        sum += dy[row * outs + out].value * test.w(out, column)
                        size += dy[row * outs + out].size * abs(test.w(out, column))
                    }
                    expected.append(Float(sum))
                    errors.append(size * Double(outs + 8) * unit)
                }
            }
            #expect(
                firstBeyond(dx.tensor.values, expected, bounds: errors) == nil, "\(set) \(item) dx")
            var weights = [Float](), weightErrors = [Double]()
            for out in 0..<outs {
                for column in 0..<n {
                    var sum = 0.0, size = 0.0
                    for row in 0..<item.rows {
                        sum += dy[row * outs + out].value * test.inputs[row * n + column].value
                        size += dy[row * outs + out].size * test.inputs[row * n + column].size
                    }
                    weights.append(Float(sum))
                    weightErrors.append(size * Double(item.rows + 8) * unit)
                }
            }
            #expect(
                firstBeyond(dweight.values, weights, bounds: weightErrors) == nil,
                "\(set) \(item) dweight")
        }
    }
}

/// The activations in double, written from their definitions.
func activated(_ z: Double, _ kind: Activation) -> Double {
    switch kind {
    case .identity: z
    case .relu: max(z, 0)
    case .relu6: min(max(z, 0), 6)
    case .hSwish: z * min(max(z + 3, 0), 6) / 6
    }
}

/// Their derivatives.
func slope(_ z: Double, _ kind: Activation) -> Double {
    switch kind {
    case .identity: 1
    case .relu: z > 0 ? 1 : 0
    case .relu6: z > 0 && z < 6 ? 1 : 0
    case .hSwish: z <= -3 ? 0 : z >= 3 ? 1 : (2 * z + 3) / 6
    }
}
