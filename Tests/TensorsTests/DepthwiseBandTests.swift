// Depthwise passes over maps that do not fit at once: bands, the rows that two bands share, odd shapes, results that go
// past the caches, several images, and gradients that arrive through a gate.
import CKernels
import TestSupport
import Testing

@testable import Tensors

@Suite struct DepthwiseBandTests {
    /// A map of any height and width, forward and backward.
    private struct Case: CustomStringConvertible {
        let geometry: ofa_depthwise
        let x, scale, shift, filter, factor, center: [Float]
        let add, outScale, outShift, outCenter, d, y, gate, meanGradient, a, b, c: [Float]
        let activation, outActivation: Activation
        let hasD, hasGate, hasMeanGradient, isFolded, isMapped: Bool
        let draws: Draws

        init(
            _ number: Int, images: Int, height: Int, width: Int, channels: Int, kernel: Int,
            stride: Int
        ) {
            var draws = Draws(5000 + number)
            let outHeight = (height - 1) / stride + 1, outWidth = (width - 1) / stride + 1
            geometry = ofa_depthwise(
                images: Int32(images), height: Int32(height), width: Int32(width),
                channels: Int32(channels), out_height: Int32(outHeight), out_width: Int32(outWidth),
                kernel: Int32(kernel), stride: Int32(stride))
            let rows = images * height * width, outRows = images * outHeight * outWidth
            let kinds: [Activation] = [.hSwish, .relu, .identity, .relu6]
            (activation, outActivation) = (kinds[number % 4], kinds[(number + 1) % 4])
            isMapped = number % 5 != 4
            isFolded = number % 2 == 0
            hasD = number % 6 != 5
            hasGate = number % 3 != 0
            hasMeanGradient = number % 3 != 0 || !hasD
            scale = draws.factors(channels)
            shift = draws.values(channels)
            outScale = draws.factors(channels)
            outShift = draws.values(channels)
            x = Self.away(draws.values(rows * channels), isMapped ? (scale, shift) : nil)
            y = Self.away(draws.values(outRows * channels), (outScale, outShift))
            filter = draws.values(kernel * kernel * channels)
            factor = draws.factors(channels)
            add = draws.values(channels)
            center = draws.values(channels)
            outCenter = draws.values(channels)
            d = draws.values(outRows * channels)
            gate = draws.values(images * channels)
            meanGradient = draws.values(images * channels)
            a = draws.factors(channels)
            b = draws.values(channels)
            c = draws.values(channels)
            self.draws = draws
        }

        /// Values whose maps stay away from where a slope jumps: 0, 6 and ±3.
        private static func away(_ values: [Float], _ map: (scale: [Float], shift: [Float])?)
            -> [Float]
        {
            values.enumerated().map { index, value in
                guard let map else { return 8 * value }
                var z = 8 * value
                for kink in [Float(0), 6, -3, 3] where abs(z - kink) < 0.02 { z = kink + 0.05 }
                let c = index % map.scale.count
                return (z - map.shift[c]) / map.scale[c]
            }
        }

        var channels: Int { Int(geometry.channels) }
        var images: Int { Int(geometry.images) }
        var taps: Int { Int(geometry.kernel * geometry.kernel) }
        var pixels: Int { Int(geometry.height * geometry.width) }
        var outPixels: Int { Int(geometry.out_height * geometry.out_width) }
        var description: String {
            "\(draws): \(images) of \(geometry.height)x\(geometry.width)x\(channels) k\(geometry.kernel) s\(geometry.stride)"
                + " \(isMapped ? activation.rawValue : "plain") gate \(hasGate) meanGradient \(hasMeanGradient) folded \(isFolded)"
        }
    }

    /// What the passes read; `sizes` gives the same with absolute values, so that the oracle sums absolute terms.
    private struct Reads {
        var x, filter, factor, add, dy: [Float]

        static func sizes(_ test: Case) -> Reads {
            let n = test.channels
            let x = test.x.enumerated().map {
                test.isMapped
                    ? abs($1 * test.scale[$0 % n]) + abs(test.shift[$0 % n]) : abs($1)
            }
            // |dy| and what its rounding is relative to: slopes reach 1.5, and that of h_swish is off by what its
            // argument is off by.
            let dy = test.y.enumerated().map { i, y in
                let c = i % n, slot = i / (test.outPixels * n) * n + c
                let z = abs(y * test.outScale[c]) + abs(test.outShift[c])
                let arrives =
                    (test.hasD ? abs(test.d[i] * (test.hasGate ? test.gate[slot] : 1)) : 0)
                    + (test.hasMeanGradient ? abs(test.meanGradient[slot]) : 0)
                return abs(test.a[c]) * arrives * (2 + z) + abs(test.b[c] * y) + abs(test.c[c])
            }
            return Reads(
                x: x, filter: test.filter.map { abs($0) }, factor: test.factor.map { abs($0) },
                add: test.add.map { abs($0) }, dy: dy)
        }
    }

    private struct Results {
        var output, mean, dx, dfilter: [Float]
        var sums, gradientSums: [Double]
        var isIntact: Bool
    }

    /// Both passes; with `sizes`, of those numbers without maps and activations.
    private static func run(_ test: Case, _ set: InstructionSet, sizes: Reads? = nil) -> Results {
        let n = test.channels, kernels = set.kernels, plain = sizes != nil
        let x = Bordered(sizes?.x ?? test.x, shift: 3),
            filter = Bordered(sizes?.filter ?? test.filter)
        let factor = Bordered(sizes?.factor ?? test.factor, shift: 1)
        let add = Bordered(sizes?.add ?? test.add, shift: 2)
        let (scale, shift) = (Bordered(test.scale), Bordered(test.shift, shift: 5))
        let (outScale, outShift) = (Bordered(test.outScale), Bordered(test.outShift, shift: 6))
        let (center, outCenter) = (Bordered(test.center), Bordered(test.outCenter, shift: 7))
        // The sizes' own are what rounding errors are relative to.
        let added = Bordered(plain ? test.x.map { abs($0) } : test.x, shift: 5)
        let scratch = Bordered(count: Int(ofa_depthwise_scratch(test.geometry)))
        let output = Bordered(count: test.images * test.outPixels * n, shift: 4)
        let mean = Bordered(count: test.images * n, shift: 9)
        let dx = Bordered(count: test.images * test.pixels * n, shift: 11)
        let dfilter = Bordered(.init(repeating: 0, count: test.filter.count), shift: 13)
        var map = ofa_affine()
        if test.isMapped && !plain {
            map = ofa_affine(
                scale: scale.constant, shift: shift.constant, activation: test.activation.code)
        }
        var sums = [Double](repeating: 0, count: 2 * n), gradientSums = sums
        sums.withUnsafeMutableBufferPointer { sums in
            var end = ofa_end()
            if test.isFolded {
                end.shift = add.constant
                end.activation = plain ? 0 : test.outActivation.code
                end.mean = mean.pointer
            } else {
                (end.center, end.sums) = (outCenter.constant, sums.baseAddress)
            }
            kernels.depthwise(
                test.geometry, ofa_map(x.constant), map, filter.pointer,
                test.isFolded ? factor.pointer : nil, ofa_target(output.pointer), &end,
                scratch.pointer)
        }
        let d = Bordered(sizes?.dy ?? test.d, shift: 10), y = Bordered(test.y)
        let gate = Bordered(test.gate, shift: 1),
            meanGradient = Bordered(test.meanGradient, shift: 2)
        let one = [Float](repeating: 1, count: n), zero = [Float](repeating: 0, count: n)
        let a = Bordered(plain ? one : test.a), b = Bordered(plain ? zero : test.b)
        let c = Bordered(plain ? zero : test.c, shift: 3)
        var upstream = ofa_upstream(
            d: ofa_map(test.hasD || plain ? d.constant : nil), y: ofa_map(y.constant),
            gate: test.hasGate && !plain ? gate.constant : nil,
            mean_gradient: test.hasMeanGradient && !plain ? meanGradient.constant : nil,
            map: plain
                ? ofa_affine()
                : ofa_affine(
                    scale: outScale.constant, shift: outShift.constant,
                    activation: test.outActivation.code),
            norm: ofa_norm_gradient(a: a.constant, b: b.constant, c: c.constant))
        kernels.depthwise_gradient(
            test.geometry, &upstream, ofa_map(x.constant), map, filter.pointer,
            ofa_map(test.hasGate ? nil : added.constant), ofa_target(dx.pointer), center.pointer,
            &gradientSums, dfilter.pointer, scratch.pointer)
        let intact = [
            x, filter, factor, add, scale, shift, outScale, outShift, center, outCenter, scratch,
            output, mean, dx, dfilter, added, d, y, gate, meanGradient, a, b, c,
        ].allSatisfy { $0.isIntact }
        return Results(
            output: output.values, mean: mean.values, dx: dx.values, dfilter: dfilter.values,
            sums: sums, gradientSums: gradientSums, isIntact: intact)
    }

    /// Compares every vector set with the oracle.
    private func check(_ test: Case) {
        let expected = Self.run(test, .oracle)
        let sizes = Self.run(test, .oracle, sizes: .sizes(test))
        #expect(expected.isIntact && sizes.isIntact, "\(test)")
        let n = test.channels
        // A few roundings for maps, factor and activation, one for each term; activations' slopes reach 1.5, twice
        // where one follows the sum. Both passes of both sides count.
        let each = 1.5 * 1.5 * Double(test.taps + 12) * unit
        let errors = sizes.output.map { Double($0) * each }
        let inputErrors = sizes.dx.map { Double($0) * each }
        let filterErrors = sizes.dfilter.map {
            1.5 * Double($0) * Double(test.images * test.outPixels + 12) * unit
        }
        let sums = ExpectedSums(expected.output, errors: errors, center: test.outCenter)
        let gradientSums = ExpectedSums(
            expected.dx, errors: inputErrors, from: test.x, center: test.center)
        let meanErrors = meanBounds(
            expected.output, errors: errors, pixels: test.outPixels, channels: n)
        for set in vectorSets {
            let got = Self.run(test, set)
            #expect(got.isIntact, "\(set) \(test)")
            var problems = [
                ("output", firstBeyond(got.output, expected.output, bounds: errors)),
                ("input gradient", firstBeyond(got.dx, expected.dx, bounds: inputErrors)),
                (
                    "filter gradient",
                    firstBeyond(got.dfilter, expected.dfilter, bounds: filterErrors)
                ),
                ("gradient sums", gradientSums.firstBeyond(got.gradientSums)),
            ]
            problems.append(
                test.isFolded
                    ? ("mean", firstBeyond(got.mean, expected.mean, bounds: meanErrors))
                    : ("sums", sums.firstBeyond(got.sums)))
            for (what, problem) in problems {
                #expect(problem == nil, "\(set) \(test): \(what)")
            }
        }
    }

    @Test(
        "maps of several bands agree with the oracle, forward and backward, and nothing else is touched",
        arguments: [3, 5, 7], [1, 2])
    func bands(kernel: Int, stride: Int) {
        var number = 10 * kernel + stride
        // One image of 40 x 36 x 72 takes two bands and more; narrow maps of many channels and wide ones of few; and of
        // narrow maps, whose planes have no columns outside, such as take several bands.
        for (images, height, width, channels) in [
            (1, 40, 36, 72), (2, 23, 17, 100), (3, 17, 23, 24), (2, 64, 9, 16), (1, 9, 200, 100),
            (2, 31, 33, 7), (1, 300, 37, 1), (2, 5, 1, 24), (1, 1, 6, 16),
            (1, 11, 7, 1152), (1, 41, 5, 640), (2, 13, 4, 1500),
        ] {
            number += 100
            check(
                Case(
                    number, images: images, height: height, width: width, channels: channels,
                    kernel: kernel, stride: stride))
        }
    }

    @Test("results that go past the caches are the same", arguments: [(3, 1), (5, 2)])
    func streams(kernel: Int, stride: Int) {
        // More than a million floats: the input gradient at any stride, the output without one.
        check(
            Case(
                7000 + kernel, images: 11, height: 40, width: 36, channels: 72, kernel: kernel,
                stride: stride))
    }

    @Test(
        "a map is cut into bands of what fits a second-level cache: 131,072 floats, an even number of rows"
    )
    func plan() {
        func bands(_ height: Int, _ width: Int, _ channels: Int, _ kernel: Int, _ stride: Int)
            -> [Int32]
        {
            let found = ofa_depthwise_bands(
                ofa_depthwise(
                    images: 1, height: Int32(height), width: Int32(width),
                    channels: Int32(channels), out_height: Int32((height - 1) / stride + 1),
                    out_width: Int32((width - 1) / stride + 1), kernel: Int32(kernel),
                    stride: Int32(stride)))
            return [found.forward, found.gradient]
        }
        // A row of 36 x 72 is 2,592 floats. Forward a row costs input and output, 5,184, and the kernel's two more
        // rows of input 5,184 once: 24 rows fit. The gradient reads x, d and y and writes dx, 10,368 a row, and 15,552
        // once: 10 rows of 11.1.
        #expect(bands(40, 36, 72, 3, 1) == [2, 4])
        // Stride 2: 6,480 a row of output and 12,960 once, 18 of 20 rows; 6,480 a row of input and 25,920 once, 16 of 40.
        #expect(bands(40, 36, 72, 7, 2) == [2, 3])
        #expect(bands(5, 5, 8, 7, 1) == [1, 1] && bands(1, 1, 6, 3, 2) == [1, 1])
        // Rows that are too large for one band still go four at a time.
        #expect(bands(16, 512, 512, 3, 1) == [4, 4])
    }
}
