// Maxima and means over windows, and activated sums, with every instruction set: against their definitions, by hand, and
// against differences of their values.
import TestSupport
import Testing

@testable import Tensors

@Suite struct PoolingTests {
    private struct Case {
        let item: KernelCase
        let scale, shift, x: [Float]
        /// The mapped values, and the sizes that their rounding is relative to.
        let values, sizes: [Double]

        init(_ item: KernelCase) {
            self.item = item
            let n = item.channels
            let scale = item.factors(n, draw: 0), shift = item.values(n, draw: 1)
            (self.scale, self.shift) = (scale, shift)
            x = item.inputs(rows: item.rows, scale: scale, shift: shift, draw: 2)
            let kind = item.isMapped ? item.activation : .identity
            let isMapped = item.isMapped
            values = x.enumerated().map { i, value in
                isMapped
                    ? activated(
                        Double(value) * Double(scale[i % n]) + Double(shift[i % n]), kind)
                    : Double(value)
            }
            sizes = x.enumerated().map { i, value in
                isMapped
                    ? 4 * Double(abs(value * scale[i % n]) + abs(shift[i % n]))
                    : Double(abs(value))
            }
        }

        var map: ChannelMap {
            item.isMapped
                ? ChannelMap(
                    scale: Tensor(scale), shift: Tensor(shift), activation: item.activation)
                : .identity
        }
        var input: FeatureMap { feature(x, item.size) }
        func feature(_ values: [Float], _ size: Int) -> FeatureMap {
            FeatureMap(values, images: item.images, size: size, channels: item.channels)
        }

        /// The places of the inputs in each output's window, in row-major order.
        func windows(out: Int, size: Int, stride: Int, padding: Int) -> [[Int]] {
            let n = item.channels
            return (0..<item.images * out * out * n).map { at in
                let c = at % n, ox = at / n % out, oy = at / n / out % out
                let image = at / n / out / out
                var places: [Int] = []
                for iy in oy * stride - padding..<oy * stride - padding + size
                where (0..<item.size).contains(iy) {
                    for ix in ox * stride - padding..<ox * stride - padding + size
                    where (0..<item.size).contains(ix) {
                        places.append(((image * item.size + iy) * item.size + ix) * n + c)
                    }
                }
                return places
            }
        }
    }

    @Test(
        "a maximum is that of its window, and its gradient goes to the first place that has it",
        arguments: sets)
    func maxima(set: InstructionSet) throws {
        for item in KernelCase.elementwise where item.size < 57 {
            let test = Case(item), out = (item.size - 1) / 2 + 1, n = item.channels
            let engine = try CPUEngine(threads: item.threads, instructionSet: set)
            let windows = test.windows(out: out, size: 3, stride: 2, padding: 1)
            let output = FeatureMap(images: item.images, size: out, channels: n)
            engine.maxPooling(test.input, map: test.map, output: output)
            let expected = windows.map { Float($0.map { test.values[$0] }.max() ?? 0) }
            let bounds = windows.map { ($0.map { test.sizes[$0] }.max() ?? 0) * unit }
            #expect(
                firstBeyond(output.tensor.values, expected, bounds: bounds) == nil,
                "\(set) \(item)")

            let d = item.values(windows.count, draw: 3), center = item.values(n, draw: 4)
            let dx = FeatureMap(images: item.images, size: item.size, channels: n)
            let found = engine.maxPoolingGradient(
                test.feature(d, out), input: test.input, map: test.map, inputGradient: dx,
                sums: .slope(center: Tensor(center)))
            var gradient = [Double](repeating: 0, count: test.x.count), counts = gradient
            for (at, places) in windows.enumerated() {
                let most = places.map { test.values[$0] }.max() ?? 0
                guard let first = places.first(where: { test.values[$0] == most }) else { continue }
                gradient[first] += Double(d[at])
                counts[first] += Double(abs(d[at]))
            }
            let errors = counts.map { 4 * $0 * unit }
            #expect(
                firstBeyond(dx.tensor.values, gradient.map { Float($0) }, bounds: errors) == nil,
                "\(set) \(item)")
            let kind = item.isMapped ? item.activation : .identity
            let sloped = gradient.indices.map { i in
                let z =
                    item.isMapped
                    ? Double(test.x[i]) * Double(test.scale[i % n]) + Double(test.shift[i % n]) : 0
                return Float(gradient[i] * slope(z, kind))
            }
            let slopedErrors = errors.indices.map {
                1.5 * errors[$0] + counts[$0] * (8 + test.sizes[$0]) * unit
            }
            let sums = ExpectedSums(sloped, errors: slopedErrors, from: test.x, center: center)
            #expect(sums.firstBeyond(engine.doubles(found)) == nil, "\(set) \(item)")
        }
    }

    @Test(
        "equal maxima: the first in row-major order takes the gradient; NaN is a maximum",
        arguments: sets)
    func ties(set: InstructionSet) throws {
        let engine = try CPUEngine(threads: 1, instructionSet: set)
        for n in [1, 5, 16, 19] {
            func wide(_ values: [Float]) -> [Float] {
                values.flatMap { [Float](repeating: $0, count: n) }
            }
            let x = FeatureMap(wide([3, 1, 3, 3, 2, 3, 0, 3, 3]), images: 1, size: 3, channels: n)
            let dx = FeatureMap(images: 1, size: 3, channels: n)
            let d = FeatureMap(wide([1, 10, 100, 1000]), images: 1, size: 2, channels: n)
            engine.maxPoolingGradient(d, input: x, inputGradient: dx)
            // Windows of rows and columns {0, 1} and {1, 2}.
            #expect(dx.tensor.values == wide([1, 0, 10, 100, 0, 1000, 0, 0, 0]), "\(set) \(n)")
            let bad = FeatureMap(
                wide([3, 1, 3, 3, .nan, 3, 0, 3, 3]), images: 1, size: 3, channels: n)
            let output = FeatureMap(images: 1, size: 2, channels: n)
            engine.maxPooling(bad, output: output)
            #expect(output.tensor.values.allSatisfy { $0.isNaN }, "\(set) \(n)")
            let low = FeatureMap(
                [Float](repeating: -.infinity, count: 9 * n), images: 1, size: 3, channels: n)
            engine.maxPoolingGradient(d, input: low, inputGradient: dx)
            #expect(dx.tensor.values == wide([1, 10, 0, 100, 1000, 0, 0, 0, 0]), "\(set) \(n)")
        }
    }

    @Test(
        "a mean is that of the pixels of its window inside the map, and so is its gradient",
        arguments: sets, 1...3)
    func means(set: InstructionSet, size: Int) throws {
        for item in KernelCase.elementwise where item.size < 57 {
            let test = Case(item), out = (item.size + size - 1) / size, n = item.channels
            let engine = try CPUEngine(threads: item.threads, instructionSet: set)
            let windows = test.windows(out: out, size: size, stride: size, padding: 0)
            let output = FeatureMap(images: item.images, size: out, channels: n)
            engine.meanPooling(test.input, map: test.map, size: size, output: output)
            let expected = windows.map { places in
                Float(places.reduce(0) { $0 + test.values[$1] } / Double(places.count))
            }
            let bounds = windows.map { places in
                places.reduce(0) { $0 + test.sizes[$1] } * Double(size * size + 4) * unit
                    / Double(places.count)
            }
            #expect(
                firstBeyond(output.tensor.values, expected, bounds: bounds) == nil,
                "\(set) \(item)")

            let d = item.values(windows.count, draw: 3), before = item.values(test.x.count, draw: 4)
            for accumulate in [false, true] {
                let dx = test.feature(before, item.size)
                engine.meanPoolingGradient(
                    test.feature(d, out), size: size, inputGradient: dx, accumulate: accumulate)
                var gradient = before.map { accumulate ? Double($0) : 0 }
                var sizes = gradient.map(abs)
                for (at, places) in windows.enumerated() {
                    for place in places {
                        gradient[place] += Double(d[at]) / Double(places.count)
                        sizes[place] += Double(abs(d[at])) / Double(places.count)
                    }
                }
                #expect(
                    firstBeyond(
                        dx.tensor.values, gradient.map { Float($0) },
                        bounds: sizes.map { 4 * $0 * unit }) == nil, "\(set) \(item)")
            }
        }
    }

    @Test("the sum of two mapped maps, activated", arguments: sets)
    func sums(set: InstructionSet) throws {
        for item in KernelCase.elementwise where item.size < 57 {
            let test = Case(item), n = item.channels
            let engine = try CPUEngine(threads: item.threads, instructionSet: set)
            let b = item.values(test.x.count, draw: 3)
            for kind in [Activation.relu, .identity] {
                let output = FeatureMap(images: item.images, size: item.size, channels: n)
                engine.sumActivated(
                    MappedMap(test.input, map: test.map), MappedMap(test.feature(b, item.size)),
                    activation: kind, output: output)
                let expected = b.indices.map {
                    Float(activated(test.values[$0] + Double(b[$0]), kind))
                }
                let bounds = b.indices.map {
                    (1.5 * test.sizes[$0] + 2 * Double(abs(b[$0]))) * unit
                }
                #expect(
                    firstBeyond(output.tensor.values, expected, bounds: bounds) == nil,
                    "\(set) \(item)")
            }
        }
    }

    @Test(
        "the gradient of an activated sum goes on where the output is above zero, with sums for both norms",
        arguments: sets)
    func sumGradient(set: InstructionSet) throws {
        for item in KernelCase.elementwise where item.size < 57 {
            let n = item.channels, count = item.rows * n
            let engine = try CPUEngine(threads: item.threads, instructionSet: set)
            func feature(_ values: [Float]) -> FeatureMap {
                FeatureMap(values, images: item.images, size: item.size, channels: n)
            }
            let d = item.values(count, draw: 0)
            let output = item.values(count, draw: 1).map { max($0, 0) }
            let (a, b) = (item.values(count, draw: 2), item.values(count, draw: 3))
            let (midA, midB) = (item.values(n, draw: 4), item.values(n, draw: 5))
            let expected = d.indices.map { output[$0] > 0 ? d[$0] : 0 }
            let errors = d.map { _ in 0.0 }
            let g = feature(d)
            let both = engine.sumActivatedGradient(
                g, output: feature(output), activation: .relu, a: (feature(a), Tensor(midA)),
                b: (feature(b), Tensor(midB)), gradient: g)
            #expect(g.tensor.values == expected, "\(set) \(item)")
            let sumsA = ExpectedSums(expected, errors: errors, from: a, center: midA)
            let sumsB = ExpectedSums(expected, errors: errors, from: b, center: midB)
            #expect(sumsA.firstBeyond(engine.doubles(both.a)) == nil, "\(set) \(item)")
            #expect(sumsB.firstBeyond(engine.doubles(both.b)) == nil, "\(set) \(item)")
            let one = engine.sumActivatedGradient(
                feature(d), output: feature(output), activation: .relu, a: nil,
                b: (feature(b), Tensor(midB)), gradient: g)
            #expect(sumsB.firstBeyond(engine.doubles(one.b)) == nil, "\(set) \(item)")
        }
    }

    @Test("differences of values give the same gradients", arguments: sets)
    func differences(set: InstructionSet) throws {
        let item = KernelCase(4, size: 7, channels: 5), count = item.rows * 5
        let engine = try CPUEngine(threads: 2, instructionSet: set)
        // A tenth apart, and a twentieth from zero: no step changes which is the largest, or a sign.
        var stream = RandomStream(seed: 12)
        let order = (0..<count).map { _ in stream.uniform() }
        let spaced = order.indices.sorted { order[$0] < order[$1] }.map {
            0.1 * (Float($0 - count / 2) + 0.5)
        }
        func feature(_ tensor: Tensor, _ size: Int) -> FeatureMap {
            FeatureMap(tensor, images: item.images, height: size, width: size, channels: 5)
        }
        func check(
            _ name: String, _ input: Tensor, _ weighting: [Float], _ output: FeatureMap,
            gradient: [Float], _ run: () -> Void
        ) {
            for draw in 1..<4 {
                let direction = FiniteDifference.direction(input.count, draw: draw)
                let difference = FiniteDifference(
                    of: input, along: direction, step: 0.01, roundings: 50
                ) {
                    run()
                    let values = output.tensor.values
                    return (
                        values.dot(weighting),
                        zip(values, weighting).reduce(0) { $0 + Double(abs($1.0 * $1.1)) }
                    )
                }
                #expect(
                    abs(gradient.dot(direction) - difference.slope) <= difference.uncertainty,
                    "\(set) \(name): \(gradient.dot(direction)), \(difference)")
            }
        }
        let x = Tensor(spaced), dx = feature(Storage(count: count).all, 7)
        let small = FeatureMap(images: item.images, size: 4, channels: 5)
        let weighting = item.values(small.tensor.count, draw: 1)
        let d = feature(Tensor(weighting), 4)
        engine.maxPoolingGradient(d, input: feature(x, 7), inputGradient: dx)
        check("maximum", x, weighting, small, gradient: dx.tensor.values) {
            engine.maxPooling(feature(x, 7), output: small)
        }
        engine.meanPoolingGradient(d, size: 2, inputGradient: dx, accumulate: false)
        check("mean", x, weighting, small, gradient: dx.tensor.values) {
            engine.meanPooling(feature(x, 7), size: 2, output: small)
        }
        let output = FeatureMap(images: item.images, size: 7, channels: 5)
        let wide = item.values(count, draw: 2), b = Tensor([Float](repeating: 0, count: count))
        let sum = {
            engine.sumActivated(
                MappedMap(feature(x, 7)), MappedMap(feature(b, 7)), activation: .relu,
                output: output)
        }
        sum()
        engine.sumActivatedGradient(
            feature(Tensor(wide), 7), output: output, activation: .relu, a: nil, b: nil,
            gradient: dx)
        check("activated sum, first", x, wide, output, gradient: dx.tensor.values, sum)
        check("activated sum, second", b, wide, output, gradient: dx.tensor.values, sum)
    }
}
