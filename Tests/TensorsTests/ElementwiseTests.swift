// Passes over one map, with every instruction set, against the definitions in double.
import CKernels
import TestSupport
import Testing

@testable import Tensors

@Suite struct ElementwiseTests {
    private struct Case {
        let item: KernelCase
        let scale, shift, y, d, residual, gate, spread, center: [Float]
        let z: [Double]
        let size: [Double]

        init(_ item: KernelCase) {
            self.item = item
            let n = item.channels
            let scale = item.factors(n, draw: 0), shift = item.values(n, draw: 1)
            (self.scale, self.shift) = (scale, shift)
            y = item.inputs(rows: item.rows, scale: scale, shift: shift, draw: 2)
            d = item.values(item.rows * n, draw: 3)
            residual = item.values(item.rows * n, draw: 4)
            gate = item.values(item.images * n, draw: 5)
            spread = item.values(item.images * n, draw: 6)
            center = item.values(n, draw: 7)
            z = y.enumerated().map {
                item.isMapped
                    ? Double($1) * Double(scale[$0 % n]) + Double(shift[$0 % n]) : Double($1)
            }
            size = y.enumerated().map {
                item.isMapped
                    ? abs(Double($1) * Double(scale[$0 % n])) + abs(Double(shift[$0 % n]))
                    : abs(Double($1))
            }
        }

        var map: ChannelMap {
            item.isMapped
                ? ChannelMap(
                    scale: Tensor(scale), shift: Tensor(shift), activation: item.activation)
                : .identity
        }
        var kind: Activation { item.isMapped ? item.activation : .identity }
        func feature(_ values: [Float]) -> FeatureMap {
            FeatureMap(values, images: item.images, size: item.size, channels: item.channels)
        }
        /// The place of a value's image and channel in an (images, channels) array.
        func slot(_ index: Int) -> Int {
            let n = item.channels
            return index / (item.size * item.size * n) * n + index % n
        }
    }

    @Test("normalise, activate and add", arguments: sets)
    func affine(set: InstructionSet) throws {
        for item in KernelCase.elementwise {
            let test = Case(item), backend = try Backend(threads: item.threads, instructionSet: set)
            let hasResidual = item.channels % 3 != 0, output = test.feature(test.d)
            backend.affine(
                test.feature(test.y), map: test.map,
                residual: hasResidual ? test.feature(test.residual) : nil,
                output: output)
            let plus = test.y.indices.map { hasResidual ? Double(test.residual[$0]) : 0 }
            let expected = test.z.indices.map { Float(activated(test.z[$0], test.kind) + plus[$0]) }
            let bounds = test.z.indices.map { (1.5 * 4 * test.size[$0] + 2 * abs(plus[$0])) * unit }
            #expect(
                firstBeyond(output.tensor.values, expected, bounds: bounds) == nil, "\(set) \(item)"
            )
        }
    }

    @Test(
        "the mean over positions, and the gradient of a gate, are sums over an image",
        arguments: sets)
    func pooling(set: InstructionSet) throws {
        for item in KernelCase.elementwise {
            let test = Case(item), backend = try Backend(threads: item.threads, instructionSet: set)
            let n = item.channels, pixels = Double(item.size * item.size)
            let mean = Storage(count: item.images * n).all,
                dgate = Storage(count: item.images * n).all
            backend.mean(test.feature(test.y), map: test.map, output: mean)
            backend.gateGradient(
                test.feature(test.d), y: test.feature(test.y), map: test.map, output: dgate)
            var means = [Double](repeating: 0, count: item.images * n), meanSizes = means,
                gates = means, gateSizes = means
            for i in test.z.indices {
                let value = activated(test.z[i], test.kind), slot = test.slot(i),
                    d = Double(test.d[i])
                means[slot] += value / pixels
                meanSizes[slot] += 1.5 * test.size[i] / pixels
                gates[slot] += d * value
                gateSizes[slot] += 1.5 * test.size[i] * abs(d)
            }
            let terms = (pixels + 8) * unit
            #expect(
                firstBeyond(
                    mean.values, means.map { Float($0) }, bounds: meanSizes.map { $0 * terms })
                    == nil,
                "\(set) \(item)")
            #expect(
                firstBeyond(
                    dgate.values, gates.map { Float($0) }, bounds: gateSizes.map { $0 * terms })
                    == nil,
                "\(set) \(item)")
        }
    }

    @Test("the gradient at a norm's output, gated, spread or both, with its sums", arguments: sets)
    func gradient(set: InstructionSet) throws {
        for (number, item) in KernelCase.elementwise.enumerated() {
            let test = Case(item), backend = try Backend(threads: item.threads, instructionSet: set)
            let (hasD, isGated, isSpread) = (number % 4 != 3, number % 2 == 0, number % 4 != 0)
            let output = test.feature(test.residual)
            backend.activationGradient(
                hasD ? test.feature(test.d) : nil, y: test.feature(test.y), map: test.map,
                gate: isGated ? Tensor(test.gate) : nil,
                spread: isSpread ? Tensor(test.spread) : nil,
                center: Tensor(test.center), output: output)
            var expected: [Float] = [], errors: [Double] = []
            for i in test.z.indices {
                let slot = test.slot(i), factor = slope(test.z[i], test.kind)
                let first = hasD ? Double(test.d[i]) * (isGated ? Double(test.gate[slot]) : 1) : 0
                let second = isSpread ? Double(test.spread[slot]) : 0
                expected.append(Float((first + second) * factor))
                // The slope of h_swish, (2z + 3) / 6, is off by a third of what z is.
                errors.append(
                    (abs(first) + abs(second)) * (4 * abs(factor) + 2 * test.size[i] + 2) * unit)
            }
            #expect(
                firstBeyond(output.tensor.values, expected, bounds: errors) == nil, "\(set) \(item)"
            )
            let sums = ChannelSums(expected, errors: errors, from: test.y, center: test.center)
            #expect(
                sums.firstBeyond(backend.sums(channels: item.channels)) == nil, "\(set) \(item)")
        }
    }

    @Test(
        "the gradient through a norm is one line, over the gradient or beside it", arguments: sets)
    func normGradient(set: InstructionSet) throws {
        let kernels = set.table.pointee
        for item in KernelCase.elementwise {
            let n = item.channels, g = item.values(item.rows * n, draw: 0),
                y = item.values(item.rows * n, draw: 1)
            let a = item.values(n, draw: 2), b = item.values(n, draw: 3),
                c = item.values(n, draw: 4)
            let output = Tensor(g), input = Tensor(y),
                map = NormGradient(a: Tensor(a), b: Tensor(b), c: Tensor(c))
            withExtendedLifetime((output, input, map)) {
                kernels.norm_gradient(
                    output.pointer, input.pointer, Int64(item.rows), Int32(n), map.map,
                    output.pointer)
            }
            let expected = g.indices.map { i in
                Float(
                    Double(a[i % n]) * Double(g[i]) + Double(b[i % n]) * Double(y[i])
                        + Double(c[i % n]))
            }
            let bounds = g.indices.map {
                4 * unit * Double(abs(a[$0 % n] * g[$0]) + abs(b[$0 % n] * y[$0]) + abs(c[$0 % n]))
            }
            #expect(firstBeyond(output.values, expected, bounds: bounds) == nil, "\(set) \(item)")
        }
    }

    @Test("moments are sums about a center", arguments: sets)
    func moments(set: InstructionSet) throws {
        let kernels = set.table.pointee
        for item in KernelCase.elementwise {
            let n = item.channels, y = item.values(item.rows * n, draw: 0),
                center = item.values(n, draw: 1)
            var sums = [Double](repeating: 0, count: 2 * n)
            let input = Tensor(y), middle = Tensor(center)
            withExtendedLifetime((input, middle)) {
                kernels.moments(input.pointer, Int64(item.rows), Int32(n), middle.pointer, &sums)
            }
            // Float sums run over at most 64 rows; the totals are double.
            let expected = ChannelSums(y, errors: y.map { _ in 0 }, center: center)
            #expect(expected.firstBeyond(sums) == nil, "\(set) \(item)")
        }
    }

    @Test(
        "a Nesterov step follows its formula, clears the gradients, and any length fits",
        arguments: sets)
    func sgd(set: InstructionSet) throws {
        for item in KernelCase.elementwise where item.size < 57 {
            let n = item.rows * item.channels,
                backend = try Backend(threads: item.threads, instructionSet: set)
            let w = item.values(n, draw: 0), v = item.values(n, draw: 1)
            let g = (0..<item.threads).map { item.values(n, draw: 2 + $0) }
            let weights = Tensor(w), speed = Tensor(v), gradients = g.map { Tensor($0) }
            backend.sgd(
                weights, momentum: speed, gradients: gradients, rate: 0.25, momentum: 0.9,
                decay: 0.125)
            var expected: [Float] = [], bounds: [Double] = []
            for i in 0..<n {
                let sum = g.reduce(0.125 * Double(w[i])) { $0 + Double($1[i]) }
                let size = g.reduce(0.125 * Double(abs(w[i]))) { $0 + Double(abs($1[i])) }
                let newSpeed = Double(Float(0.9)) * Double(v[i]) + sum
                expected.append(Float(Double(w[i]) - 0.25 * (sum + Double(Float(0.9)) * newSpeed)))
                bounds.append(12 * unit * (Double(abs(w[i])) + size + Double(abs(v[i]))))
            }
            #expect(firstBeyond(weights.values, expected, bounds: bounds) == nil, "\(set) \(item)")
            #expect(gradients.allSatisfy { $0.values.allSatisfy { $0 == 0 } })
        }
    }

    @Test("NaN and infinity stay visible through every activation", arguments: sets)
    func nonFinite(set: InstructionSet) throws {
        let backend = try Backend(threads: 1, instructionSet: set)
        for kind in [Activation.identity, .relu, .relu6, .hSwish] {
            for channels in [1, 3, 4, 7, 8, 9, 16, 17] {
                let map = ChannelMap(
                    scale: Tensor([Float](repeating: 1, count: channels)),
                    shift: Tensor([Float](repeating: 0, count: channels)), activation: kind)
                for place in 0..<channels {
                    var values = [Float](repeating: 1, count: 4 * channels)
                    values[2 * channels + place] = .nan
                    let output = FeatureMap(images: 1, size: 2, channels: channels),
                        mean = Storage(count: channels).all
                    let input = FeatureMap(values, images: 1, size: 2, channels: channels)
                    backend.affine(input, map: map, residual: nil, output: output)
                    backend.mean(input, map: map, output: mean)
                    #expect(
                        output.tensor.values.indices.filter { output.tensor[$0].isNaN } == [
                            2 * channels + place
                        ])
                    #expect((0..<channels).filter { mean[$0].isNaN } == [place])
                    input.tensor[2 * channels + place] = .infinity
                    backend.affine(input, map: map, residual: nil, output: output)
                    #expect(
                        output.tensor[2 * channels + place] == (kind == .relu6 ? 6 : .infinity),
                        "\(set) \(kind)")
                }
            }
        }
        let gate = Tensor([.nan, .infinity, -.infinity, 0])
        backend.hardSigmoid(gate)
        #expect(gate[0].isNaN)
        #expect(Array(gate.values.dropFirst()) == [1, 0, 0.5])
    }
}
