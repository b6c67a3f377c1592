// Dense convolutions against plain loops in double, with every instruction set: of images, and between blocks.
import TestSupport
import Testing

@testable import Tensors

@Suite struct ConvolutionTests {
    @Test(
        "a first convolution and its weight gradient are those of six plain loops", arguments: sets)
    func image(set: InstructionSet) throws {
        for item in KernelCase.convolution {
            let n = item.channels, outs = item.outChannels, k = item.kernel, depth = n * k * k
            let x = item.values(item.rows * n, draw: 0), weight = item.values(outs * depth, draw: 1)
            let center = item.values(outs, draw: 2), g = item.values(item.outRows * outs, draw: 3)
            let engine = try CPUEngine(threads: item.threads, instructionSet: set)
            let input = FeatureMap(x, images: item.images, size: item.size, channels: n)
            let output = FeatureMap(images: item.images, size: item.outSize, channels: outs)
            func filters(_ tensor: Tensor) -> FilterSlice {
                FilterSlice(tensor, outputs: outs, inputs: n, kernel: k, storedInputs: n)
            }
            let found = engine.convolution(
                input, weight: filters(Tensor(weight)), stride: item.stride, output: output,
                end: .statistics(center: Tensor(center)))
            let sumsFound = engine.doubles(found), got = Storage(count: outs * depth).all
            let (one, zero) = (
                Tensor([Float](repeating: 1, count: outs)),
                Tensor([Float](repeating: 0, count: outs))
            )
            engine.convolutionGradient(
                Upstream(
                    FeatureMap(g, images: item.images, size: item.outSize, channels: outs),
                    y: output),
                norm: NormGradient(a: one, b: zero, c: zero), input: input,
                weight: filters(Tensor(weight)), stride: item.stride, inputGradient: nil,
                weightGradient: filters(got))

            var expected = [Double](repeating: 0, count: item.outRows * outs), sizes = expected
            var dweight = [Double](repeating: 0, count: outs * depth), dsizes = dweight
            for row in 0..<item.outRows {
                let (image, p) = (
                    row / (item.outSize * item.outSize), row % (item.outSize * item.outSize)
                )
                for c in 0..<n {
                    for ky in 0..<k {
                        for kx in 0..<k {
                            let iy = p / item.outSize * item.stride + ky - k / 2,
                                ix = p % item.outSize * item.stride + kx - k / 2
                            guard (0..<item.size).contains(iy), (0..<item.size).contains(ix) else {
                                continue
                            }
                            let value = Double(
                                x[((image * item.size + iy) * item.size + ix) * n + c])
                            for out in 0..<outs {
                                let at = (out * n + c) * k * k + ky * k + kx
                                expected[row * outs + out] += value * Double(weight[at])
                                sizes[row * outs + out] += abs(value * Double(weight[at]))
                                dweight[at] += value * Double(g[row * outs + out])
                                dsizes[at] += abs(value * Double(g[row * outs + out]))
                            }
                        }
                    }
                }
            }
            let errors = sizes.map { $0 * Double(depth + 2) * unit }
            #expect(
                firstBeyond(output.tensor.values, expected.map { Float($0) }, bounds: errors)
                    == nil, "\(set) \(item)")
            let sums = ExpectedSums(expected.map { Float($0) }, errors: errors, center: center)
            #expect(sums.firstBeyond(sumsFound) == nil, "\(set) \(item)")
            let derrors = dsizes.map { $0 * Double(item.outRows + 2) * unit }
            #expect(
                firstBeyond(got.values, dweight.map { Float($0) }, bounds: derrors) == nil,
                "\(set) \(item)")
        }
    }

    /// A convolution between blocks: its input is mapped and has a skip, its weights are the first of larger ones.
    private struct Case {
        let item: KernelCase
        let scale, shift, x, plus, weight, center, add, g, y, a, b, c: [Float]
        /// What the filters read and the gradient at the output, with the sizes their rounding is relative to.
        var inputs: [(value: Double, size: Double)] = []
        var dy: [(value: Double, size: Double)] = []
        /// The activation's slope at each input.
        var slopes: [Double] = []

        init(_ item: KernelCase) {
            self.item = item
            let n = item.channels, outs = item.outChannels
            scale = item.factors(n, draw: 0)
            shift = item.values(n, draw: 1)
            x = item.inputs(rows: item.rows, scale: scale, shift: shift, draw: 2)
            plus = item.values(item.rows * n, draw: 3)
            weight = item.values((outs + 1) * (n + 3) * 9, draw: 4)
            center = item.values(outs, draw: 5)
            add = item.values(item.rows * n, draw: 6)
            g = item.values(item.outRows * outs, draw: 7)
            y = item.values(item.outRows * outs, draw: 8)
            (a, b, c) = (
                item.factors(outs, draw: 9), item.values(outs, draw: 10),
                item.values(outs, draw: 11)
            )
            for (i, value) in x.enumerated() {
                var z = Double(value), size = abs(z)
                if item.isMapped {
                    z = z * Double(scale[i % n]) + Double(shift[i % n])
                    size = 1.5 * (size * Double(abs(scale[i % n])) + Double(abs(shift[i % n])))
                }
                let kind = item.isMapped ? item.activation : .identity
                inputs.append((activated(z, kind) + Double(plus[i]), size + Double(abs(plus[i]))))
                slopes.append(slope(z, kind))
            }
            for i in g.indices {
                let o = i % outs
                let terms = [Double(a[o] * g[i]), Double(b[o] * y[i]), Double(c[o])]
                let value = Double(a[o]) * Double(g[i]) + Double(b[o]) * Double(y[i]) + Double(c[o])
                dy.append((value, terms.reduce(0) { $0 + abs($1) }))
            }
        }

        var map: ChannelMap {
            item.isMapped
                ? ChannelMap(
                    scale: Tensor(scale), shift: Tensor(shift), activation: item.activation)
                : .identity
        }
        func filters(_ tensor: Tensor) -> FilterSlice {
            FilterSlice(
                tensor, outputs: item.outChannels, inputs: item.channels, kernel: 3,
                storedInputs: item.channels + 3)
        }
        func weightIndex(_ out: Int, _ c: Int, _ tap: Int) -> Int {
            (out * (item.channels + 3) + c) * 9 + tap
        }
        func feature(_ values: [Float]) -> FeatureMap {
            FeatureMap(values, images: item.images, size: item.size, channels: item.channels)
        }
        func outFeature(_ values: [Float]) -> FeatureMap {
            FeatureMap(values, images: item.images, size: item.outSize, channels: item.outChannels)
        }

        /// Calls `body` for every output position, input position and tap that belong together.
        func eachTap(_ body: (_ outRow: Int, _ row: Int, _ tap: Int) -> Void) {
            let out = item.outSize, size = item.size
            for outRow in 0..<item.outRows {
                let (image, p) = (outRow / (out * out), outRow % (out * out))
                for tap in 0..<9 {
                    let iy = p / out * item.stride + tap / 3 - 1
                    let ix = p % out * item.stride + tap % 3 - 1
                    guard (0..<size).contains(iy), (0..<size).contains(ix) else { continue }
                    body(outRow, (image * size + iy) * size + ix, tap)
                }
            }
        }
    }

    @Test(
        "a convolution between blocks is that of six plain loops, in place in larger weights",
        arguments: sets)
    func forward(set: InstructionSet) throws {
        for item in KernelCase.denseConvolution {
            let test = Case(item), (n, outs) = (item.channels, item.outChannels)
            let engine = try CPUEngine(threads: item.threads, instructionSet: set)
            let output = test.outFeature(test.g)
            let found = engine.convolution(
                test.feature(test.x), map: test.map,
                plus: MappedMap(test.feature(test.plus)), weight: test.filters(Tensor(test.weight)),
                stride: item.stride, output: output, end: .statistics(center: Tensor(test.center)))
            var expected = [Double](repeating: 0, count: item.outRows * outs), sizes = expected
            test.eachTap { outRow, row, tap in
                for out in 0..<outs {
                    for c in 0..<n {
                        let w = Double(test.weight[test.weightIndex(out, c, tap)])
                        expected[outRow * outs + out] += test.inputs[row * n + c].value * w
                        sizes[outRow * outs + out] += test.inputs[row * n + c].size * abs(w)
                    }
                }
            }
            // A rounding a term and a tap, and a few in what is read.
            let errors = sizes.map { $0 * Double(9 * n + 9 + 8) * unit }
            let values = expected.map { Float($0) }
            #expect(
                firstBeyond(output.tensor.values, values, bounds: errors) == nil, "\(set) \(item)")
            let sums = ExpectedSums(values, errors: errors, center: test.center)
            #expect(sums.firstBeyond(engine.doubles(found)) == nil, "\(set) \(item)")
        }
    }

    @Test(
        "with its norm folded in it is the raw one, the map and the residual", arguments: sets)
    func folded(set: InstructionSet) throws {
        for item in KernelCase.denseConvolution where item.size < 57 {
            let test = Case(item), outs = item.outChannels
            let engine = try CPUEngine(threads: item.threads, instructionSet: set)
            func pass(_ end: ConvolutionEnd) -> [Float] {
                let output = test.outFeature(test.g)
                engine.convolution(
                    test.feature(test.x), map: test.map,
                    weight: test.filters(Tensor(test.weight)), stride: item.stride, output: output,
                    end: end)
                return output.tensor.values
            }
            let raw = pass(.statistics(center: nil))
            let sizes = raw.map { abs(Double($0)) + Double(9 * item.channels) * 16 }
            let map = ChannelMap(
                scale: Tensor(test.a), shift: Tensor(test.b), activation: .identity)
            let got = pass(.folded(map, residual: test.outFeature(test.y)))
            let expected = raw.indices.map {
                raw[$0] * test.a[$0 % outs] + test.b[$0 % outs] + test.y[$0]
            }
            // Factors within the weights: another rounding of every term.
            let errors = sizes.map { 2 * $0 * Double(9 * item.channels + 20) * unit }
            #expect(firstBeyond(got, expected, bounds: errors) == nil, "\(set) \(item)")
        }
    }

    @Test(
        "its gradients are those of plain loops, with the sums for the norm before", arguments: sets
    )
    func gradient(set: InstructionSet) throws {
        for item in KernelCase.denseConvolution {
            let test = Case(item), (n, outs) = (item.channels, item.outChannels)
            let engine = try CPUEngine(threads: item.threads, instructionSet: set)
            let hasAdd = item.channels % 2 == 0, dx = test.feature(test.x)
            let dweight = Storage(count: test.weight.count).all
            dweight.fill(with: 0.5)
            let center = item.values(n, draw: 12)
            let found = engine.convolutionGradient(
                Upstream(test.outFeature(test.g), y: test.outFeature(test.y)),
                norm: NormGradient(a: Tensor(test.a), b: Tensor(test.b), c: Tensor(test.c)),
                input: test.feature(test.x), map: test.map,
                plus: MappedMap(test.feature(test.plus)), weight: test.filters(Tensor(test.weight)),
                stride: item.stride, inputGradient: dx,
                add: hasAdd ? test.feature(test.add) : nil, sums: .slope(center: Tensor(center)),
                weightGradient: test.filters(dweight))
            var expected = test.add.map { hasAdd ? Double($0) : 0 }, sizes = expected.map(abs)
            var weights = [Double](repeating: 0.5, count: test.weight.count), weightSizes = weights
            test.eachTap { outRow, row, tap in
                for out in 0..<outs {
                    let dy = test.dy[outRow * outs + out]
                    for c in 0..<n {
                        let at = test.weightIndex(out, c, tap), w = Double(test.weight[at])
                        expected[row * n + c] += dy.value * w
                        sizes[row * n + c] += dy.size * abs(w)
                        weights[at] += dy.value * test.inputs[row * n + c].value
                        weightSizes[at] += dy.size * test.inputs[row * n + c].size
                    }
                }
            }
            let errors = sizes.map { $0 * Double(9 * outs + 9 + 8) * unit }
            #expect(
                firstBeyond(dx.tensor.values, expected.map { Float($0) }, bounds: errors) == nil,
                "\(set) \(item) dx")
            let weightErrors = weightSizes.map { $0 * Double(item.outRows + 12) * unit }
            #expect(
                firstBeyond(dweight.values, weights.map { Float($0) }, bounds: weightErrors) == nil,
                "\(set) \(item) dweight")
            // h_swish's slope is a third of what was mapped, which rounds twice.
            let sloped = expected.indices.map { Float(expected[$0] * test.slopes[$0]) }
            let slopedErrors = expected.indices.map {
                errors[$0] * max(1, abs(test.slopes[$0]))
                    + abs(expected[$0]) * (8 + test.inputs[$0].size) * unit
            }
            let sums = ExpectedSums(sloped, errors: slopedErrors, from: test.x, center: center)
            #expect(sums.firstBeyond(engine.doubles(found)) == nil, "\(set) \(item) sums")
        }
    }
}
