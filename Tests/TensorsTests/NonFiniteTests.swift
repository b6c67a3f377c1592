// NaN and infinity stay visible: what depends on a bad number is bad, and nothing else changes in a single bit. What
// depends on it is found by changing it, not by knowing the operator.
import CKernels
import Foundation
import TestSupport
import Testing

@testable import Tensors

@Suite struct NonFiniteTests {
    /// An operator as a function of its arrays: everything that it leaves, one number after the other.
    typealias Operator = ([[Float]]) -> [Double]

    /// Puts NaN and infinity to `places` (array and index) of `inputs` in turn.
    func check(
        _ name: String, _ inputs: [[Float]], places: [(Int, Int)], _ run: Operator
    ) {
        let clean = run(inputs)
        #expect(clean.allSatisfy { $0.isFinite }, "\(name)")
        for (array, index) in places {
            func with(_ value: Float) -> [Double] {
                var changed = inputs
                changed[array][index] = value
                return run(changed)
            }
            let moved = with(inputs[array][index] + 0.75), what = "\(name), \(index) of \(array)"
            let dependents = clean.indices.filter { clean[$0] != moved[$0] }
            #expect(!dependents.isEmpty && moved.allSatisfy { $0.isFinite }, "\(what)")
            let nan = with(.nan)
            #expect(clean.indices.filter { !nan[$0].isFinite } == dependents, "\(what) is NaN")
            // Something limited, such as a slope or a hard sigmoid, may be finite at infinity.
            for value in [Float.infinity, -.infinity] {
                let bad = with(value), found = bad.indices.filter { !bad[$0].isFinite }
                #expect(
                    !found.isEmpty && Set(dependents).isSuperset(of: found), "\(what) is \(value)")
                for i in clean.indices where !dependents.contains(i) && bad[i] != clean[i] {
                    Issue.record("\(what) is \(value): \(bad[i]) at \(i), before \(clean[i])")
                }
            }
            for i in clean.indices where !dependents.contains(i) && nan[i] != clean[i] {
                Issue.record("\(what) is NaN: \(nan[i]) at \(i), before \(clean[i])")
            }
        }
    }

    /// Widths on either side of every vector's.
    static let widths = [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 33]

    func doubles(_ values: [Float]) -> [Double] { values.map { Double($0) } }

    @Test("in a product and its sums", arguments: sets)
    func product(set: InstructionSet) {
        for (number, columns) in (Self.widths + [48, 50, 65]).enumerated() {
            var draws = Draws(8000 + number)
            let rows = 1 + number * 3 % 20, depth = 1 + number * 5 % 11
            let inputs = [
                draws.factors(rows * depth), draws.factors(depth * columns), draws.factors(columns),
                draws.values(columns), draws.values(rows * columns),
            ]
            let places = [
                (0, draws.integer(0...rows * depth - 1)),
                (1, draws.integer(0...depth * columns - 1)),
                (2, draws.integer(0...columns - 1)), (3, columns - 1),
                (4, draws.integer(0...rows * columns - 1)),
            ]
            check("\(set) product \(rows)x\(depth)x\(columns) \(draws)", inputs, places: places) {
                let arrays = $0.map { Bordered($0, shift: 1) }
                let zeros = Bordered([Float](repeating: 0, count: columns))
                let packed = Bordered(
                    count: Int(set.kernels.packed_floats(Int32(depth), Int32(columns))))
                let c = Bordered(count: rows * columns)
                set.kernels.pack(
                    arrays[1].pointer, Int64(columns), 1, Int32(depth), Int32(columns),
                    arrays[2].pointer, 0, Int32(columns), packed.pointer)
                var sums = [Double](repeating: 0, count: 2 * columns)
                sums.withUnsafeMutableBufferPointer { sums in
                    var end = ofa_end()
                    end.shift = arrays[3].constant
                    end.residual = arrays[4].constant
                    (end.center, end.sums) = (zeros.constant, sums.baseAddress)
                    set.kernels.product(
                        arrays[0].pointer, Int64(depth), Int32(rows), Int32(depth), packed.pointer,
                        Int32(columns), c.pointer, Int64(columns), &end, nil)
                }
                return doubles(c.values) + sums
            }
        }
    }

    @Test("in an outer product", arguments: sets)
    func outer(set: InstructionSet) {
        for (number, n) in Self.widths.enumerated() {
            var draws = Draws(8100 + number)
            let rows = number % 2 == 0 ? 5 : 70, m = 1 + number * 3 % 20
            let inputs = [
                draws.factors(rows * m), draws.factors(rows * n), draws.values(m * n),
            ]
            let places = [
                (0, draws.integer(0...rows * m - 1)), (1, draws.integer(0...rows * n - 1)),
                (2, draws.integer(0...m * n - 1)),
            ]
            check("\(set) outer \(m)x\(n) of \(rows) \(draws)", inputs, places: places) {
                let arrays = $0.map { Bordered($0, shift: 3) }
                set.kernels.outer_product(
                    arrays[0].pointer, Int64(m), Int32(m), arrays[1].pointer, Int64(n), Int32(n),
                    Int32(rows), arrays[2].pointer, Int64(n), nil)
                return doubles(arrays[2].values)
            }
        }
    }

    @Test("in a depthwise convolution, its sums and its means", arguments: sets)
    func depthwise(set: InstructionSet) throws {
        for (number, n) in Self.widths.enumerated() {
            let (kernel, stride) = ([3, 5, 7][number % 3], 1 + number % 2)
            let (size, out) = (9, 8 / stride + 1)
            var draws = Draws(8200 + number)
            let inputs = [draws.values(2 * size * size * n), draws.factors(kernel * kernel * n)]
            let engine = try CPUEngine(threads: 1, instructionSet: set)
            let map = ChannelMap(
                scale: Tensor(draws.factors(n)), shift: Tensor(draws.values(n)), activation: .hSwish
            )
            let fold = ChannelMap(
                scale: Tensor(draws.factors(n)), shift: Tensor(draws.values(n)),
                activation: .identity)
            let zeros = Tensor([Float](repeating: 0, count: n))
            // Anywhere in the map, at its corners too: outside of it there is 0, not what is at its edge.
            let corners = [0, n - 1, 2 * size * size * n - 1, (size * size + size - 1) * n]
            let places = (0..<4).map { _ in draws.integer(0...2 * size * size * n - 1) } + corners
            check(
                "\(set) depthwise k\(kernel) s\(stride) of \(n) \(draws)", inputs,
                places: places.map { (0, $0) }
            ) {
                let input = FeatureMap($0[0], images: 2, size: size, channels: n)
                let output = FeatureMap(images: 2, size: out, channels: n)
                let mean = Storage(count: 2 * n).all
                func pass(_ end: ConvolutionEnd) -> [Double] {
                    let sums = engine.depthwise(
                        input, map: map, filter: Tensor(inputs[1]), kernel: kernel, stride: stride,
                        output: output, end: end)
                    return engine.doubles(sums)
                }
                let sums = pass(.statistics(center: zeros))
                let raw = doubles(output.tensor.values) + sums
                _ = pass(.folded(fold, mean: mean))
                return raw + doubles(output.tensor.values) + doubles(mean.values)
            }
        }
    }

    @Test("in the gradients of a depthwise convolution", arguments: sets)
    func depthwiseGradient(set: InstructionSet) throws {
        for (number, n) in Self.widths.enumerated() {
            let (kernel, stride) = ([3, 5, 7][number % 3], 1 + number % 2)
            let (size, out) = (12, 11 / stride + 1)
            var draws = Draws(8300 + number)
            let inputs = [
                draws.values(2 * out * out * n), draws.values(2 * out * out * n),
                draws.values(2 * n), draws.values(2 * n), draws.values(2 * size * size * n),
            ]
            let engine = try CPUEngine(threads: 1, instructionSet: set)
            func map() -> ChannelMap {
                ChannelMap(
                    scale: Tensor(draws.factors(n)), shift: Tensor(draws.values(n)),
                    activation: .hSwish)
            }
            let (before, after, filter) = (map(), map(), Tensor(draws.factors(kernel * kernel * n)))
            let norm = NormGradient(
                a: Tensor(draws.factors(n)), b: Tensor(draws.factors(n)), c: Tensor(draws.values(n))
            )
            let zeros = Tensor([Float](repeating: 0, count: n))
            // Inside, where every tap of the filter lies within the map: beside it, 0 times NaN counts as NaN.
            let inner = (out * out + out / 2 * out + out / 2) * n + draws.integer(0...n - 1)
            let under = (size * size + 6 * size + 6) * n + draws.integer(0...n - 1)
            check(
                "\(set) depthwise gradient k\(kernel) s\(stride) of \(n) \(draws)", inputs,
                places: [(0, inner), (1, inner), (4, under)]
            ) { arrays in
                func feature(_ index: Int, _ size: Int) -> FeatureMap {
                    FeatureMap(arrays[index], images: 2, size: size, channels: n)
                }
                let dx = FeatureMap(images: 2, size: size, channels: n)
                let dfilter = Storage(count: kernel * kernel * n).all
                let sums = engine.depthwiseGradient(
                    Upstream(
                        feature(0, out), y: feature(1, out), map: after, gate: Tensor(arrays[2]),
                        meanGradient: Tensor(arrays[3])), norm: norm, input: feature(4, size),
                    map: before, filter: filter, kernel: kernel, stride: stride, inputGradient: dx,
                    center: zeros, filterGradient: dfilter)
                return doubles(dx.tensor.values) + doubles(dfilter.values)
                    + engine.doubles(sums)
            }
        }
    }

    @Test("in means, statistics and everything about an upstream gradient", arguments: sets)
    func passes(set: InstructionSet) throws {
        for (number, n) in Self.widths.enumerated() {
            var draws = Draws(8400 + number)
            let (images, pixels) = (2, 3 + 40 * (number % 3)), count = images * pixels * n
            let inputs = [
                draws.values(count), draws.values(count), draws.values(images * n),
                draws.values(images * n),
            ]
            let scale = Bordered(draws.factors(n)), shift = Bordered(draws.values(n), shift: 1)
            let a = Bordered(draws.factors(n)), b = Bordered(draws.factors(n), shift: 2)
            let zeros = Bordered([Float](repeating: 0, count: n))
            let map = ofa_affine(
                scale: scale.constant, shift: shift.constant, activation: Activation.hSwish.code)
            let places = (0..<4).flatMap { array in
                [
                    (array, draws.integer(0...inputs[array].count - 1)),
                    (array, inputs[array].count - 1),
                ]
            }
            check("\(set) passes over \(n) \(draws)", inputs, places: places) {
                let (d, y) = (Bordered($0[0], shift: 1), Bordered($0[1], shift: 2))
                let (gate, meanGradient) = (Bordered($0[2]), Bordered($0[3], shift: 3))
                var upstream = ofa_upstream(
                    d: ofa_map(d.constant), y: ofa_map(y.constant), gate: gate.constant,
                    mean_gradient: meanGradient.constant,
                    map: map,
                    norm: ofa_norm_gradient(a: a.constant, b: b.constant, c: zeros.constant))
                let (images, pixels, n) = (Int32(images), Int32(pixels), Int32(n))
                let (dy, activated) = (Bordered(count: count), Bordered(count: count))
                let mean = Bordered(count: 2 * Int(n))
                let gateSums = Bordered([Float](repeating: 0, count: 10 * Int(n)))
                var sums = [Double](repeating: 0, count: 2 * Int(n))
                let kernels = set.kernels
                kernels.norm_gradient(&upstream, images, pixels, n, dy.pointer)
                kernels.gradient_sums(&upstream, images, pixels, n, zeros.pointer, &sums)
                kernels.affine(
                    ofa_map(y.constant), images, pixels, n, map, gate.pointer,
                    ofa_map(d.constant), activated.pointer)
                kernels.mean(ofa_map(y.constant), images, pixels, n, map, mean.pointer)
                kernels.gate_sums(
                    d.pointer, ofa_map(y.constant), images, pixels, n, map, zeros.pointer,
                    gateSums.pointer,
                    Int64(2 * n))
                var results = doubles(dy.values) + sums
                for array in [activated, mean, gateSums] { results += doubles(array.values) }
                return results
            }
        }
    }

    @Test("a slope is NaN at NaN, and at infinity what it is far out", arguments: sets)
    func slopes(set: InstructionSet) {
        let places: [Float] = [.nan, .infinity, -.infinity, 1, -1, 0, 6, 7]
        let expected: [Activation: [Float]] = [
            .identity: [1, 1, 1, 1, 1, 1, 1, 1],
            .relu: [.nan, 1, 0, 1, 0, 0, 1, 1],
            .relu6: [.nan, 0, 0, 1, 0, 0, 0, 0],
            .hSwish: [.nan, 1, 0, 5.0 / 6, 1.0 / 6, 0.5, 1, 1],
        ]
        for (kind, slopes) in expected {
            for n in Self.widths {
                // Every place in every lane.
                let at = { (i: Int) in (i / n + i % n) % places.count }
                let count = places.count * n
                let y = Bordered((0..<count).map { places[at($0)] }, shift: 1)
                let ones = Bordered([Float](repeating: 1, count: count), shift: 2)
                let zeros = Bordered([Float](repeating: 0, count: n))
                let out = Bordered(count: count, shift: 3)
                var upstream = ofa_upstream()
                (upstream.d, upstream.y) = (ofa_map(ones.constant), ofa_map(y.constant))
                upstream.map = ofa_affine(
                    scale: ones.constant, shift: zeros.constant, activation: kind.code)
                set.kernels.norm_gradient(&upstream, 1, Int32(places.count), Int32(n), out.pointer)
                var sums = [Double](repeating: 0, count: 2 * n)
                set.kernels.gradient_sums(
                    &upstream, 1, Int32(places.count), Int32(n), zeros.constant, &sums)
                for (i, found) in out.values.enumerated() {
                    let slope = slopes[at(i)]
                    // Two roundings of numbers below 2 where h_swish bends.
                    #expect(
                        slope.isNaN ? found.isNaN : abs(found - slope) <= 2 * 0x1p-23,
                        "\(set) \(kind) at \(places[at(i)]), \(i) of \(n): \(found)")
                }
                let hidden = kind != .identity && sums[..<n].contains { !$0.isNaN }
                #expect(!hidden, "\(set) \(kind): sums of \(n) channels hide a NaN")
            }
        }
    }

    @Test("a gate's slope is NaN where the gate is, and nowhere else")
    func gateSlope() throws {
        let engine = try CPUEngine(threads: 1)
        let d = Tensor([6, 6, 6, 6, 6]), gate = Tensor([.nan, 0, 1, 0.5, 0.25])
        engine.hardSigmoid(gate.slice(0, 1))
        engine.hardSigmoidGradient(d, gate: gate)
        #expect(d[0].isNaN && d.values[1...] == [0, 0, 1, 1])
    }

    @Test("at the input of a depthwise convolution, whatever its activation", arguments: sets)
    func depthwiseSlope(set: InstructionSet) throws {
        for kind in [Activation.relu, .relu6, .hSwish] {
            for n in Self.widths {
                let engine = try CPUEngine(threads: 1, instructionSet: set), size = 5
                var values = [Float](repeating: 1, count: size * size * n)
                let bad = 12 * n + n - 1
                values[bad] = .nan
                func map(_ values: [Float]) -> FeatureMap {
                    FeatureMap(
                        Tensor(values), images: 1, height: size, width: size, channels: n)
                }
                let ones = Tensor([Float](repeating: 1, count: n))
                let zeros = Tensor([Float](repeating: 0, count: n))
                let flat = map([Float](repeating: 1, count: values.count))
                let dx = map([Float](repeating: 0, count: values.count))
                let dfilter = Storage(count: 9 * n).all
                engine.depthwiseGradient(
                    Upstream(flat, y: flat), norm: NormGradient(a: ones, b: zeros, c: zeros),
                    input: map(values),
                    map: ChannelMap(scale: ones, shift: zeros, activation: kind),
                    filter: Tensor([Float](repeating: 1, count: 9 * n)), kernel: 3, stride: 1,
                    inputGradient: dx, center: zeros, filterGradient: dfilter)
                let found = dx.tensor.values.indices.filter { dx.tensor[$0].isNaN }
                #expect(found == [bad], "\(set) \(kind) of \(n): \(found)")
            }
        }
    }
}
