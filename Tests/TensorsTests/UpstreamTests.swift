// The gradient that arrives at a convolution's output, in every combination of what it can be made of: what is summed,
// what is written, and the five sums from which a gated one follows.
import CKernels
import TestSupport
import Testing

@testable import Tensors

@Suite struct UpstreamTests {
    /// Which parts there are; nil as activation is no map.
    private struct Kind: CustomStringConvertible {
        let hasD, hasGate, hasMeanGradient, hasNorm: Bool
        let activation: Activation?

        static let all: [Kind] = (0..<80).map { number in
            Kind(
                hasD: number & 1 != 0, hasGate: number & 2 != 0, hasMeanGradient: number & 4 != 0,
                hasNorm: number & 8 != 0,
                activation: [nil, .identity, .relu, .relu6, .hSwish][number / 16])
        }

        var description: String {
            "d \(hasD), gate \(hasGate), meanGradient \(hasMeanGradient), norm \(hasNorm), "
                + (activation?.rawValue ?? "no map")
        }
    }

    /// Arrays for every part, of which a kind takes some.
    private struct Parts {
        let images, pixels, channels: Int
        let d, y, gate, meanGradient, center: Bordered
        let scale, shift, a, b, c: Bordered
        let draws: Draws

        init(images: Int, pixels: Int, channels: Int, seed: Int) {
            var draws = Draws(seed)
            (self.images, self.pixels, self.channels) = (images, pixels, channels)
            let rows = images * pixels
            let scale = draws.factors(channels), shift = draws.values(channels)
            // Mapped values away from where a slope jumps: 0, 6 and ±3.
            let y = draws.values(rows * channels).enumerated().map { index, value in
                var z = 8 * value
                for kink in [Float(0), 6, -3, 3] where abs(z - kink) < 0.02 { z = kink + 0.05 }
                return (z - shift[index % channels]) / scale[index % channels]
            }
            d = Bordered(draws.values(rows * channels), shift: 1)
            self.y = Bordered(y, shift: 2)
            gate = Bordered(draws.values(images * channels), shift: 3)
            meanGradient = Bordered(draws.values(images * channels), shift: 4)
            center = Bordered(draws.values(channels), shift: 5)
            self.scale = Bordered(scale)
            self.shift = Bordered(shift, shift: 7)
            a = Bordered(draws.factors(channels), shift: 6)
            b = Bordered(draws.values(channels), shift: 8)
            c = Bordered(draws.values(channels), shift: 9)
            self.draws = draws
        }

        var map: ofa_affine {
            ofa_affine(scale: scale.constant, shift: shift.constant, activation: 0)
        }

        func upstream(_ kind: Kind) -> ofa_upstream {
            var map = ofa_affine()
            if let activation = kind.activation {
                map = self.map
                map.activation = activation.code
            }
            return ofa_upstream(
                d: ofa_map(kind.hasD ? d.constant : nil), y: ofa_map(y.constant),
                gate: kind.hasGate ? gate.constant : nil,
                mean_gradient: kind.hasMeanGradient ? meanGradient.constant : nil, map: map,
                norm: kind.hasNorm
                    ? ofa_norm_gradient(a: a.constant, b: b.constant, c: c.constant)
                    : ofa_norm_gradient())
        }

        /// g and its rounding at element `i`, in double from the definition.
        func g(_ kind: Kind, _ i: Int) -> (value: Double, error: Double) {
            let c = i % channels, slot = i / (pixels * channels) * channels + c
            let first =
                kind.hasD
                ? Double(d.pointer[i]) * (kind.hasGate ? Double(gate.pointer[slot]) : 1) : 0
            let second = kind.hasMeanGradient ? Double(meanGradient.pointer[slot]) : 0
            guard let activation = kind.activation else {
                return (first + second, 2 * (abs(first) + abs(second)) * unit)
            }
            let scaled = Double(y.pointer[i]) * Double(scale.pointer[c])
            let factor = slope(scaled + Double(shift.pointer[c]), activation)
            // The slope of h_swish, (2z + 3) / 6, is off by a third of what z is, and by its own three roundings.
            let size = abs(scaled) + abs(Double(shift.pointer[c]))
            return (
                (first + second) * factor,
                (abs(first) + abs(second)) * (4 * abs(factor) + 2 * size + 2) * unit
            )
        }

        var all: [Bordered] { [d, y, gate, meanGradient, center, scale, shift, a, b, c] }
        var description: String { "\(draws): \(images) x \(pixels) x \(channels)" }
    }

    private static func shapes() -> [Parts] {
        var parts: [Parts] = []
        for (number, channels) in [1, 3, 7, 8, 16, 17, 24, 33].enumerated() {
            for (images, pixels) in [(1, 1), (3, 63), (2, 130)] {
                parts.append(
                    Parts(
                        images: images, pixels: pixels, channels: channels,
                        seed: 3000 + 10 * number + images))
            }
        }
        return parts
    }

    @Test(
        "what is written and what is summed is the definition's, whatever the gradient is made of",
        arguments: sets)
    func kinds(set: InstructionSet) {
        for parts in Self.shapes() {
            let n = parts.channels, count = parts.images * parts.pixels * n
            for kind in Kind.all {
                var upstream = parts.upstream(kind)
                // Beside the gradient, and over it where there is one.
                let beside = Bordered(count: count, shift: 3), over = Bordered(parts.d.values)
                set.kernels.norm_gradient(
                    &upstream, Int32(parts.images), Int32(parts.pixels), Int32(n), beside.pointer)
                if kind.hasD { upstream.d = ofa_map(over.constant) }
                set.kernels.norm_gradient(
                    &upstream, Int32(parts.images), Int32(parts.pixels), Int32(n), over.pointer)
                #expect(bits(beside.values) == bits(over.values))
                var sums = [Double](repeating: 0, count: 2 * n)
                upstream = parts.upstream(kind)
                set.kernels.gradient_sums(
                    &upstream, Int32(parts.images), Int32(parts.pixels), Int32(n),
                    parts.center.pointer, &sums)

                var written: [Float] = [], bounds: [Double] = []
                var values: [Float] = [], errors: [Double] = []
                for i in 0..<count {
                    let g = parts.g(kind, i), c = i % n
                    values.append(Float(g.value))
                    errors.append(g.error)
                    guard kind.hasNorm else { continue }
                    let factor = Double(parts.a.pointer[c])
                    let lean = Double(parts.b.pointer[c]) * Double(parts.y.pointer[i])
                    let plus = Double(parts.c.pointer[c])
                    written.append(Float(factor * g.value + lean + plus))
                    bounds.append(
                        abs(factor) * g.error
                            + 4 * unit * (abs(factor * g.value) + abs(lean) + abs(plus)))
                }
                let what = "\(set) \(parts.description), \(kind)"
                #expect(
                    firstBeyond(
                        beside.values, kind.hasNorm ? written : values,
                        bounds: kind.hasNorm ? bounds : errors) == nil, "\(what)")
                let expected = ExpectedSums(
                    values, errors: errors, from: parts.y.values, center: parts.center.values)
                #expect(expected.firstBeyond(sums) == nil, "\(what)")
                #expect((parts.all + [beside, over]).allSatisfy { $0.isIntact }, "\(what)")
            }
        }
    }

    @Test(
        "five sums an image and a gate known later make the sums of the gated gradient",
        arguments: sets)
    func gateTotals(set: InstructionSet) {
        for parts in Self.shapes() {
            let n = parts.channels, slots = parts.images * n, part = slots + 5
            for activation in [Activation.identity, .relu, .relu6, .hSwish] {
                let kind = Kind(
                    hasD: true, hasGate: true, hasMeanGradient: true, hasNorm: false,
                    activation: activation)
                var upstream = parts.upstream(kind)
                var direct = [Double](repeating: 0, count: 2 * n), later = direct
                set.kernels.gradient_sums(
                    &upstream, Int32(parts.images), Int32(parts.pixels), Int32(n),
                    parts.center.pointer, &direct)
                let gateSums = Bordered([Float](repeating: 0, count: 5 * part), shift: 2)
                set.kernels.gate_sums(
                    parts.d.pointer, ofa_map(parts.y.constant), Int32(parts.images),
                    Int32(parts.pixels),
                    Int32(n), upstream.map, parts.center.pointer, gateSums.pointer, Int64(part))
                ofa_gate_totals(
                    gateSums.pointer, parts.gate.pointer, parts.meanGradient.pointer,
                    Int32(parts.images),
                    Int32(n), Int64(part), &later)
                // Both add as many terms; with the gate outside of the sum, its absolute value is too.
                var bounds = [Double](repeating: 0, count: 2 * n)
                for i in 0..<parts.images * parts.pixels * n {
                    let c = i % n, g = parts.g(kind, i), terms = Double(2 * parts.pixels + 16)
                    let slot = i / (parts.pixels * n) * n + c
                    let size =
                        abs(Double(parts.d.pointer[i] * parts.gate.pointer[slot]))
                        + abs(Double(parts.meanGradient.pointer[slot]))
                    let off =
                        abs(Double(parts.y.pointer[i])) + abs(Double(parts.center.pointer[c]))
                    let error = 2 * g.error + terms * unit * size * 1.5
                    bounds[c] += error
                    bounds[n + c] += error * off
                }
                for c in 0..<2 * n {
                    #expect(
                        abs(direct[c] - later[c]) <= bounds[c],
                        "\(set) \(parts.description) \(activation) \(c): \(later[c]), \(direct[c])")
                }
                #expect((parts.all + [gateSums]).allSatisfy { $0.isIntact })
            }
        }
    }
}
