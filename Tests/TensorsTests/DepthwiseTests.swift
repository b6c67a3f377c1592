// Depthwise convolution and its gradients: the oracle against a hand-computed case, every instruction set against
// the oracle.
import TestSupport
import Testing

@testable import Tensors

@Suite struct DepthwiseTests {
    /// Everything a forward and a backward pass reads.
    private struct Inputs {
        var x, scale, shift, filter, center, g, y, a, b, c: [Float]
        var isMapped: Bool

        init(_ item: KernelCase) {
            let n = item.channels
            scale = item.factors(n, draw: 0)
            shift = item.values(n, draw: 1)
            x = item.inputs(rows: item.rows, scale: scale, shift: shift, draw: 2)
            filter = item.values(item.kernel * item.kernel * n, draw: 3)
            center = item.values(n, draw: 4)
            g = item.values(item.outRows * n, draw: 5)
            y = item.values(item.outRows * n, draw: 6)
            a = item.factors(n, draw: 7)
            b = item.values(n, draw: 8)
            c = item.values(n, draw: 9)
            isMapped = item.isMapped
        }

        /// The largest absolute value that each number of the computation can have on its way: the oracle on these
        /// gives the sums of absolute terms that rounding errors are relative to. Slopes reach 1.5 (h_swish).
        var sizes: Inputs {
            var sizes = self
            let n = scale.count
            sizes.x = x.enumerated().map {
                isMapped ? abs($1 * scale[$0 % n]) + abs(shift[$0 % n]) : abs($1)
            }
            sizes.filter = filter.map { abs($0) }
            sizes.g = zip(g, y).enumerated().map {
                abs(a[$0 % n] * $1.0) + abs(b[$0 % n] * $1.1) + abs(c[$0 % n])
            }
            sizes.a = .init(repeating: 1, count: n)
            sizes.b = .init(repeating: 0, count: n)
            sizes.c = sizes.b
            sizes.isMapped = false
            return sizes
        }
    }

    private struct Outputs {
        let output, inputGradient, filterGradient: [Float]
        let sums, gradientSums: [Double]

        init(_ item: KernelCase, _ inputs: Inputs, _ set: InstructionSet) throws {
            let engine = try CPUEngine(threads: item.threads, instructionSet: set),
                n = item.channels
            let x = FeatureMap(inputs.x, images: item.images, size: item.size, channels: n)
            let map =
                inputs.isMapped
                ? ChannelMap(
                    scale: Tensor(inputs.scale), shift: Tensor(inputs.shift),
                    activation: item.activation) : .identity
            let output = FeatureMap(images: item.images, size: item.outSize, channels: n)
            let filter = Tensor(inputs.filter), center = Tensor(inputs.center)
            let found = engine.depthwise(
                x, map: map, filter: filter, kernel: item.kernel, stride: item.stride,
                output: output, end: .statistics(center: center))
            self.output = output.tensor.values
            sums = engine.doubles(found)
            let dx = FeatureMap(images: item.images, size: item.size, channels: n)
            let dfilter = Storage(count: inputs.filter.count).all
            let gradientFound = engine.depthwiseGradient(
                Upstream(
                    FeatureMap(inputs.g, images: item.images, size: item.outSize, channels: n),
                    y: FeatureMap(inputs.y, images: item.images, size: item.outSize, channels: n)),
                norm: NormGradient(a: Tensor(inputs.a), b: Tensor(inputs.b), c: Tensor(inputs.c)),
                input: x, map: map,
                filter: filter, kernel: item.kernel, stride: item.stride, inputGradient: dx,
                center: center,
                filterGradient: dfilter)
            inputGradient = dx.tensor.values
            gradientSums = engine.doubles(gradientFound)
            filterGradient = dfilter.values
        }
    }

    @Test("every instruction set agrees with the oracle within the rounding of its sums")
    func oracle() throws {
        let scalar = try InstructionSet.named("scalar")
        for item in KernelCase.depthwise {
            let inputs = Inputs(item), n = item.channels, taps = item.kernel * item.kernel
            let expected = try Outputs(item, inputs, scalar),
                sizes = try Outputs(item, inputs.sizes, scalar)
            // A few roundings for the map and the activation, one for each term of the sum.
            let each = 1.5 * Double(taps + 8) * unit
            let outputErrors = sizes.output.map { Double($0) * each }
            let inputErrors = sizes.inputGradient.map { 1.5 * Double($0) * each }
            let filterErrors = sizes.filterGradient.map {
                1.5 * Double($0) * Double(item.outRows + 8) * unit
            }
            let sums = ExpectedSums(expected.output, errors: outputErrors, center: inputs.center)
            let gradientSums = ExpectedSums(
                expected.inputGradient, errors: inputErrors, from: inputs.x, center: inputs.center)
            for set in vectorSets {
                let got = try Outputs(item, inputs, set)
                for (what, problem) in [
                    ("output", firstBeyond(got.output, expected.output, bounds: outputErrors)),
                    ("sums", sums.firstBeyond(got.sums)),
                    (
                        "input gradient",
                        firstBeyond(got.inputGradient, expected.inputGradient, bounds: inputErrors)
                    ),
                    ("gradient sums", gradientSums.firstBeyond(got.gradientSums)),
                    (
                        "filter gradient",
                        firstBeyond(
                            got.filterGradient, expected.filterGradient, bounds: filterErrors)
                    ),
                ] { #expect(problem == nil, "\(set) \(item) \(what), \(n) channels") }
            }
        }
    }

    @Test("a 3x3 map under a 3x3 filter, computed by hand", arguments: sets)
    func hand(set: InstructionSet) throws {
        let engine = try CPUEngine(threads: 1, instructionSet: set)
        let x = FeatureMap([1, 2, 3, 4, 5, 6, 7, 8, 9], images: 1, size: 3, channels: 1)
        let y = FeatureMap(images: 1, size: 3, channels: 1)
        let filter = Tensor([0, 1, 0, 2, 3, 4, 0, 5, 0])
        let map = ChannelMap(scale: Tensor([1]), shift: Tensor([-2]), activation: .relu)
        let sums = engine.depthwise(
            x, map: map, filter: filter, kernel: 3, stride: 1, output: y,
            end: .statistics(center: Tensor([10])))
        // relu(x - 2) = 0 0 1 / 2 3 4 / 5 6 7; each output = up + 2 left + 3 self + 4 right + 5 down.
        let expected: [Float] = [10, 19, 23, 43, 59, 54, 41, 59, 37]
        #expect(y.tensor.values == expected)
        #expect(
            engine.doubles(sums) == [
                345 - 90, expected.reduce(0) { $0 + Double(($1 - 10) * ($1 - 10)) },
            ])

        let dx = FeatureMap(images: 1, size: 3, channels: 1), dfilter = Storage(count: 9).all
        // dy = 2 g + 0 y + 1 = 1 everywhere but 3 in the middle.
        let gradientSums = engine.depthwiseGradient(
            Upstream(
                FeatureMap([0, 0, 0, 0, 1, 0, 0, 0, 0], images: 1, size: 3, channels: 1), y: y),
            norm: NormGradient(a: Tensor([2]), b: Tensor([0]), c: Tensor([1])), input: x, map: map,
            filter: filter,
            kernel: 3, stride: 1, inputGradient: dx, center: Tensor([1]),
            filterGradient: dfilter)
        // dx = down + 2 right + 3 self + 4 left + 5 up of dy, times the slope of relu, which is 0 for the first two.
        #expect(dx.tensor.values == [0, 0, 8, 15, 21, 21, 10, 24, 12])
        #expect(engine.doubles(gradientSums) == [111, 574])
        #expect(dfilter.values == [5, 10, 10, 20, 34, 29, 26, 39, 34])
    }
}

extension CPUEngine {
    /// The sums of a handle.
    func doubles(_ sums: Tensors.ChannelSums) -> [Double] {
        (0..<2 * sums.channels).map { values(sums)[$0] }
    }
}
