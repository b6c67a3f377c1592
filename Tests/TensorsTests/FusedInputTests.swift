// What an operator makes of its input while it reads is what a pass of its own would have made before: the norm and the
// skip at the end of the block before, and the gradient that reaches a depthwise input past the block.
import TestSupport
import Testing

@testable import Tensors

@Suite struct FusedInputTests {
    /// One map as it is stored, the skip past it, and what is read of both.
    private struct Case {
        let item: KernelCase, engine: CPUEngine
        let raw: FeatureMap, plus: MappedMap, map: ChannelMap, sum: FeatureMap
        let weight: MatrixSlice

        init(_ item: KernelCase, _ set: InstructionSet) throws {
            self.item = item
            let n = item.channels
            engine = try CPUEngine(threads: item.threads, instructionSet: set)
            func map(_ draw: Int) -> FeatureMap {
                FeatureMap(
                    item.values(item.rows * n, draw: draw), images: item.images, size: item.size,
                    channels: n)
            }
            func channels(_ draw: Int, _ kind: Activation) -> ChannelMap {
                ChannelMap(
                    scale: Tensor(item.factors(n, draw: draw)),
                    shift: Tensor(item.values(n, draw: draw + 1)), activation: kind)
            }
            raw = map(0)
            // As projections leave it: a norm without activation; the skip is plain or has a norm of its own.
            self.map = channels(1, .identity)
            plus = MappedMap(map(3), map: item.isMapped ? channels(4, item.activation) : .identity)
            let skip = map(6)
            engine.affine(plus.values, map: plus.map, residual: nil, output: skip)
            sum = map(7)
            engine.affine(raw, map: self.map, residual: skip, output: sum)
            weight = MatrixSlice(
                Tensor(item.values(n * item.outChannels, draw: 8)), rows: item.outChannels,
                columns: n, stride: n)
        }

        func result(_ channels: Int) -> FeatureMap {
            FeatureMap(images: item.images, size: item.size, channels: channels)
        }
    }

    @Test(
        "a pointwise convolution of a map and its skip has the bits of two passes, and writes their sum down",
        arguments: sets)
    func pointwise(set: InstructionSet) throws {
        for item in KernelCase.pointwise where item.size < 57 {
            let test = try Case(item, set), outs = item.outChannels, engine = test.engine
            let (one, two) = (test.result(outs), test.result(outs))
            let inputCopy = test.result(item.channels)
            let center = Tensor(item.values(outs, draw: 9))
            let oneSums = engine.pointwise(
                test.sum, weight: test.weight, output: one, end: .statistics(center: center))
            let twoSums = engine.pointwise(
                test.raw, map: test.map, plus: test.plus, inputCopy: inputCopy, weight: test.weight,
                output: two, end: .statistics(center: center))
            #expect(two.tensor.values == one.tensor.values, "\(set) \(item)")
            #expect(engine.doubles(oneSums) == engine.doubles(twoSums), "\(set) \(item)")
            #expect(inputCopy.tensor.values == test.sum.tensor.values, "\(set) \(item)")
        }
    }

    @Test(
        "so have its gradients, and the sums are those of the norm before the skip",
        arguments: sets)
    func pointwiseGradient(set: InstructionSet) throws {
        for item in KernelCase.pointwise where item.size < 57 {
            let test = try Case(item, set), outs = item.outChannels, engine = test.engine
            let n = item.channels
            func map(_ draw: Int) -> FeatureMap {
                FeatureMap(
                    item.values(item.rows * outs, draw: draw), images: item.images,
                    size: item.size, channels: outs)
            }
            let upstream = Upstream(map(9), y: map(10))
            let norm = NormGradient(
                a: Tensor(item.factors(outs, draw: 11)), b: Tensor(item.values(outs, draw: 12)),
                c: Tensor(item.values(outs, draw: 13)))
            let center = item.values(n, draw: 14)
            func gradients(
                of input: FeatureMap, map: ChannelMap = .identity, plus: MappedMap? = nil,
                sums: GradientSums = .none
            ) -> (dx: [Float], dweight: [Float], sums: [Double]) {
                let dx = FeatureMap(
                    item.values(item.rows * n, draw: 15), images: item.images, size: item.size,
                    channels: n)
                let dweight = Storage(count: outs * n).all
                let found = engine.pointwiseGradient(
                    upstream, norm: norm, input: input, map: map, plus: plus, weight: test.weight,
                    inputGradient: dx, accumulate: true, sums: sums,
                    weightGradient: MatrixSlice(dweight, rows: outs, columns: n, stride: n))
                return (dx.tensor.values, dweight.values, engine.doubles(found))
            }
            let one = gradients(of: test.sum)
            let two = gradients(
                of: test.raw, map: test.map, plus: test.plus, sums: .slope(center: Tensor(center)))
            #expect(two.dx == one.dx && two.dweight == one.dweight, "\(set) \(item)")
            let expected = ExpectedSums(
                one.dx, errors: one.dx.map { _ in 0 }, from: test.raw.tensor.values, center: center)
            #expect(expected.firstBeyond(two.sums) == nil, "\(set) \(item)")
        }
    }

    @Test(
        "a depthwise gradient takes along what reaches the input another way", arguments: sets)
    func depthwiseGradient(set: InstructionSet) throws {
        for item in KernelCase.depthwise where item.size < 57 && item.isMapped {
            let n = item.channels,
                engine = try CPUEngine(threads: item.threads, instructionSet: set)
            let scale = item.factors(n, draw: 0), shift = item.values(n, draw: 1)
            let x = item.inputs(rows: item.rows, scale: scale, shift: shift, draw: 2)
            let add = item.values(item.rows * n, draw: 3), center = item.values(n, draw: 4)
            let y = FeatureMap(
                item.values(item.outRows * n, draw: 5), images: item.images, size: item.outSize,
                channels: n)
            let norm = NormGradient(
                a: Tensor(item.factors(n, draw: 6)), b: Tensor(item.values(n, draw: 7)),
                c: Tensor(item.values(n, draw: 8)))
            let filter = Tensor(item.values(n * item.kernel * item.kernel, draw: 9))
            func map(_ values: [Float]) -> FeatureMap {
                FeatureMap(values, images: item.images, size: item.size, channels: n)
            }
            func gradient(_ kind: Activation, add: [Float]?) -> (
                dx: [Float], dfilter: [Float], sums: [Double]
            ) {
                let dx = map(x)
                let dfilter = Storage(count: filter.count).all
                let sums = engine.depthwiseGradient(
                    Upstream(y, y: y), norm: norm, input: map(x),
                    map: ChannelMap(scale: Tensor(scale), shift: Tensor(shift), activation: kind),
                    filter: filter, kernel: item.kernel, stride: item.stride,
                    add: add.map(map), inputGradient: dx, center: Tensor(center),
                    filterGradient: dfilter)
                return (dx.tensor.values, dfilter.values, engine.doubles(sums))
            }
            // Without an activation dx is the bare gradient: the slope of the input's own follows the sum.
            let bare = gradient(.identity, add: nil).dx
            let plain = gradient(item.activation, add: nil)
            let found = gradient(item.activation, add: add)
            let slopes = x.enumerated().map { i, value in
                slope(Double(value) * Double(scale[i % n]) + Double(shift[i % n]), item.activation)
            }
            let expected = x.indices.map {
                Float((Double(bare[$0]) + Double(add[$0])) * slopes[$0])
            }
            // The sum, the product and the result round once each; h_swish's slope is a third of z, which rounds twice.
            let errors = x.indices.map { i in
                let z = abs(Double(x[i] * scale[i % n])) + abs(Double(shift[i % n]))
                return (abs(Double(bare[i])) + abs(Double(add[i]))) * (8 + z) * unit
            }
            #expect(firstBeyond(found.dx, expected, bounds: errors) == nil, "\(set) \(item)")
            #expect(found.dfilter == plain.dfilter, "\(set) \(item)")
            let sums = ExpectedSums(
                found.dx, errors: found.dx.map { _ in 0 }, from: x, center: center)
            #expect(sums.firstBeyond(found.sums) == nil, "\(set) \(item)")
        }
    }
}
