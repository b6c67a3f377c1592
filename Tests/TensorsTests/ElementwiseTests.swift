// Passes over one map, with every instruction set, against the definitions in double.
import CKernels
import TestSupport
import Testing

@testable import Tensors

@Suite struct ElementwiseTests {
    private struct Case {
        let item: KernelCase
        let scale, shift, y, d, residual, gate, meanGradient, center: [Float]
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
            meanGradient = item.values(item.images * n, draw: 6)
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
            let test = Case(item),
                engine = try CPUEngine(threads: item.threads, instructionSet: set)
            let hasResidual = item.channels % 3 != 0, output = test.feature(test.d)
            engine.affine(
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

    @Test("the mean over positions", arguments: sets)
    func mean(set: InstructionSet) throws {
        for item in KernelCase.elementwise {
            let test = Case(item),
                engine = try CPUEngine(threads: item.threads, instructionSet: set)
            let n = item.channels, pixels = Double(item.size * item.size)
            let mean = Storage(count: item.images * n).all
            engine.mean(test.feature(test.y), map: test.map, output: mean)
            var means = [Double](repeating: 0, count: item.images * n), sizes = means
            for i in test.z.indices {
                means[test.slot(i)] += activated(test.z[i], test.kind) / pixels
                sizes[test.slot(i)] += 1.5 * test.size[i] / pixels
            }
            let bounds = sizes.map { $0 * (pixels + 8) * unit }
            #expect(
                firstBeyond(mean.values, means.map { Float($0) }, bounds: bounds) == nil,
                "\(set) \(item)")
        }
    }

    @Test(
        "the gradient of a gate and what a gated norm needs are five sums over an image",
        arguments: sets)
    func gateSums(set: InstructionSet) throws {
        let kernels = set.table.pointee
        for item in KernelCase.elementwise {
            let test = Case(item), n = item.channels, part = item.images * n + 3
            let d = Tensor(test.d), y = Tensor(test.y), center = Tensor(test.center)
            // An identity has a map here as well: gates follow norms.
            let map = ChannelMap(
                scale: Tensor(item.isMapped ? test.scale : test.scale.map { _ in 1 }),
                shift: Tensor(item.isMapped ? test.shift : test.shift.map { _ in 0 }),
                activation: test.kind)
            let before = item.values(5 * part, draw: 8), out = Tensor(before)
            withExtendedLifetime((d, y, center, map, out)) {
                kernels.gate_sums(
                    d.pointer, ofa_map(y.pointer), Int32(item.images), Int32(item.size * item.size),
                    Int32(n), map.affine, center.pointer, out.pointer, Int64(part))
            }
            // They are added to what is there, and what lies between the arrays is left alone.
            var expected = before.map { Double($0) }, sizes = expected.map { abs($0) }
            for slot in sizes.indices where slot % part >= item.images * n { sizes[slot] = 0 }
            for i in test.z.indices {
                let up = Double(test.d[i]), derivative = slope(test.z[i], test.kind)
                let centred = Double(test.y[i]) - Double(test.center[i % n])
                // The slope of h_swish, (2z + 3) / 6, is off by a third of what z is.
                let derivativeSize = abs(derivative) + test.size[i] + 2
                let centredSize = abs(Double(test.y[i])) + abs(Double(test.center[i % n]))
                let terms = [
                    (up * activated(test.z[i], test.kind), abs(up) * 1.5 * test.size[i]),
                    (up * derivative, abs(up) * derivativeSize),
                    (up * derivative * centred, abs(up) * derivativeSize * centredSize),
                    (derivative, derivativeSize),
                    (derivative * centred, derivativeSize * centredSize),
                ]
                for (k, term) in terms.enumerated() {
                    expected[k * part + test.slot(i)] += term.0
                    sizes[k * part + test.slot(i)] += term.1
                }
            }
            let bounds = sizes.map { $0 * Double(item.size * item.size + 8) * unit }
            #expect(
                firstBeyond(out.values, expected.map { Float($0) }, bounds: bounds) == nil,
                "\(set) \(item)")
        }
    }

    @Test(
        "the gradient at a norm's output, gated, meanGradient or both, with its sums",
        arguments: sets)
    func gradient(set: InstructionSet) throws {
        let kernels = set.table.pointee
        for (number, item) in KernelCase.elementwise.enumerated() {
            let test = Case(item),
                engine = try CPUEngine(threads: item.threads, instructionSet: set)
            // In turn: plain, gated, meanGradient, both, and meanGradient alone.
            let hasD = number % 5 != 4, isGated = [1, 3].contains(number % 5)
            let hasMeanGradient = number % 5 >= 2
            let upstream = Upstream(
                hasD ? test.feature(test.d) : nil, y: test.feature(test.y), map: test.map,
                gate: isGated ? Tensor(test.gate) : nil,
                meanGradient: hasMeanGradient ? Tensor(test.meanGradient) : nil)
            let output = Tensor(test.residual)
            withExtendedLifetime(upstream) {
                var from = upstream.part(image: 0)
                kernels.norm_gradient(
                    &from, Int32(item.images), Int32(item.size * item.size), Int32(item.channels),
                    output.pointer)
            }
            let found = engine.gradientSums(upstream, center: Tensor(test.center))
            var expected: [Float] = [], errors: [Double] = []
            for i in test.z.indices {
                let slot = test.slot(i), factor = slope(test.z[i], test.kind)
                let first = hasD ? Double(test.d[i]) * (isGated ? Double(test.gate[slot]) : 1) : 0
                let second = hasMeanGradient ? Double(test.meanGradient[slot]) : 0
                expected.append(Float((first + second) * factor))
                // The slope of h_swish, (2z + 3) / 6, is off by a third of what z is.
                errors.append(
                    (abs(first) + abs(second)) * (4 * abs(factor) + 2 * test.size[i] + 2) * unit)
            }
            #expect(firstBeyond(output.values, expected, bounds: errors) == nil, "\(set) \(item)")
            let sums = ExpectedSums(expected, errors: errors, from: test.y, center: test.center)
            #expect(
                sums.firstBeyond(engine.doubles(found)) == nil, "\(set) \(item)")
        }
    }

    @Test(
        "the gradient through a norm is one line, over the gradient or beside it", arguments: sets)
    func normGradient(set: InstructionSet) throws {
        let kernels = set.table.pointee
        for (number, item) in KernelCase.elementwise.enumerated() {
            let n = item.channels, g = item.values(item.rows * n, draw: 0),
                y = item.values(item.rows * n, draw: 1)
            let a = item.values(n, draw: 2), b = item.values(n, draw: 3),
                c = item.values(n, draw: 4)
            let gradient = Tensor(g), input = Tensor(y),
                map = NormGradient(a: Tensor(a), b: Tensor(b), c: Tensor(c))
            let output = number % 2 == 0 ? gradient : Tensor(g.map { _ in 9 })
            withExtendedLifetime((gradient, input, map, output)) {
                var upstream = ofa_upstream()
                (upstream.d, upstream.y) = (
                    ofa_map(gradient.pointer), ofa_map(input.pointer)
                )
                upstream.norm = map.map
                kernels.norm_gradient(
                    &upstream, Int32(item.images), Int32(item.size * item.size), Int32(n),
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

    @Test("the norm of an arena is that of its values, and finite where they are", arguments: sets)
    func squaredNorm(set: InstructionSet) throws {
        for threads in [1, 3] {
            let engine = try CPUEngine(threads: threads, instructionSet: set)
            #expect(engine.squaredNorm(Storage(count: 0)) == 0)
            for count in Array(1...40) + [63, 64, 65, 130, 1000] {
                var draws = Draws(count)
                let arena = Storage(count: count)
                arena.all.fill(from: draws.values(count))
                let expected = arena.all.values.reduce(0.0) { $0 + Double($1) * Double($1) }
                // Sums of `count` positive doubles in another order.
                #expect(
                    abs(engine.squaredNorm(arena) - expected)
                        <= Double(count) * 0x1p-52 * expected)
                for place in count < 70 ? Array(0..<count) : [0, 64, 100, count - 1] {
                    for bad in [Float.infinity, -.infinity, .nan, -.nan] {
                        let good = arena.all[place]
                        arena.all[place] = bad
                        #expect(!engine.squaredNorm(arena).isFinite, "\(count) \(place)")
                        arena.all[place] = good
                    }
                }
                for i in 0..<count {
                    arena.all[i] = (i % 2 == 0 ? 1 : -1) * .greatestFiniteMagnitude
                }
                #expect(engine.squaredNorm(arena).isFinite)
            }
        }
    }

    @Test("one number that is not finite is found, wherever it is", arguments: sets)
    func finite(set: InstructionSet) throws {
        for threads in [1, 3] {
            let engine = try CPUEngine(threads: threads, instructionSet: set)
            #expect(engine.areFinite([]))
            let counts = Array(1...40) + [63, 64, 65, 130, 257]
            for count in counts {
                let first = Storage(count: 7), second = Storage(count: count)
                // The largest and the smallest of both signs are finite.
                let ends: [Float] = [
                    .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .leastNonzeroMagnitude, -0,
                ]
                for i in 0..<count { second.all[i] = ends[i % 4] }
                #expect(engine.areFinite([first, second]))
                for place in count < 70 ? Array(0..<count) : [0, 64, 100, count - 1] {
                    for bad in [Float.infinity, -.infinity, .nan, -.nan, .signalingNaN] {
                        let good = second.all[place]
                        second.all[place] = bad
                        #expect(!engine.areFinite([first, second]), "\(set) \(count) \(place)")
                        #expect(!engine.areFinite([second, first]))
                        second.all[place] = good
                    }
                }
            }
        }
    }

    @Test(
        "a Nesterov step follows its formula, clears the gradients, and touches nothing but its range",
        arguments: sets)
    func sgd(set: InstructionSet) throws {
        for (number, item) in KernelCase.elementwise.enumerated() where item.size < 57 {
            let n = item.rows * item.channels, before = number % 19, count = n + before + 21
            let engine = try CPUEngine(threads: item.threads, instructionSet: set)
            let w = item.values(count, draw: 0), v = item.values(count, draw: 1)
            let g = item.values(count, draw: 2)
            func storage(_ values: [Float]) -> Storage {
                let storage = Storage(count: count)
                storage.all.fill(from: values)
                return storage
            }
            let weights = storage(w), speed = storage(v), gradients = storage(g)
            let range = before..<before + n
            engine.sgd(
                weights, momentum: speed, gradients: gradients, range: range, rate: 0.25,
                momentum: 0.9, decay: 0.125)
            var expected = w, bounds = [Double](repeating: 0, count: count)
            for i in range {
                let sum = 0.125 * Double(w[i]) + Double(g[i])
                let size = 0.125 * Double(abs(w[i])) + Double(abs(g[i]))
                let newSpeed = Double(Float(0.9)) * Double(v[i]) + sum
                expected[i] = Float(Double(w[i]) - 0.25 * (sum + Double(Float(0.9)) * newSpeed))
                bounds[i] = 12 * unit * (Double(abs(w[i])) + size + Double(abs(v[i])))
            }
            #expect(
                firstBeyond(weights.all.values, expected, bounds: bounds) == nil, "\(set) \(item)")
            let left = g.enumerated().map { range.contains($0) ? 0 : $1 }
            #expect(gradients.all.values == left, "\(set) \(item)")
            #expect(
                !zip(v, speed.all.values).enumerated().contains {
                    !range.contains($0) && $1.0 != $1.1
                })
        }
    }

    @Test("NaN and infinity stay visible through every activation", arguments: sets)
    func nonFinite(set: InstructionSet) throws {
        let engine = try CPUEngine(threads: 1, instructionSet: set)
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
                    engine.affine(input, map: map, residual: nil, output: output)
                    engine.mean(input, map: map, output: mean)
                    #expect(
                        output.tensor.values.indices.filter { output.tensor[$0].isNaN } == [
                            2 * channels + place
                        ])
                    #expect((0..<channels).filter { mean[$0].isNaN } == [place])
                    input.tensor[2 * channels + place] = .infinity
                    engine.affine(input, map: map, residual: nil, output: output)
                    #expect(
                        output.tensor[2 * channels + place] == (kind == .relu6 ? 6 : .infinity),
                        "\(set) \(kind)")
                }
            }
        }
        let gate = Tensor([.nan, .infinity, -.infinity, 0])
        engine.hardSigmoid(gate)
        #expect(gate[0].isNaN)
        #expect(Array(gate.values.dropFirst()) == [1, 0, 0.5])
    }
}
