// Products of pairs of 16-bit values against sums in double of the rounded factors.
import CKernels
import TestSupport
import Testing

@testable import Tensors

@Suite struct PairTests {
    /// The two values of a pair.
    private static func values(_ pair: Float) -> [Float] {
        [pair.bitPattern << 16, pair.bitPattern & 0xffff_0000].map { Float(bitPattern: $0) }
    }

    @Test("a block is rounded and paired across channels and down rows", arguments: sets)
    func rows(set: InstructionSet) {
        guard let pairs = set.pairs?.pointee else { return }
        for (rows, channels) in [(1, 2), (2, 16), (3, 18), (7, 40), (96, 24)] {
            var draws = Draws(rows)
            let values = draws.values(rows * channels), from = Bordered(values, shift: 3)
            let across = Bordered(count: rows * channels / 2, shift: 1)
            let down = Bordered(count: (rows + 1) / 2 * channels, shift: 2)
            pairs.pair_rows(
                from.pointer, Int32(rows), Int32(channels), across.pointer, down.pointer)
            #expect(across.values.flatMap(Self.values) == values.map(rounded))
            for (i, pair) in down.values.enumerated() {
                let at = i / channels * 2 * channels + i % channels
                let below = at + channels < values.count ? rounded(values[at + channels]) : 0
                #expect(Self.values(pair) == [rounded(values[at]), below])
            }
            #expect(across.isIntact && down.isIntact)
        }
    }

    @Test("a product and its sums are those of the rounded factors", arguments: sets)
    func product(set: InstructionSet) {
        guard let pairs = set.pairs?.pointee else { return }
        for (rows, depth, columns) in [
            (1, 2, 1), (3, 8, 5), (13, 24, 24), (97, 40, 72), (200, 18, 40), (12, 64, 33),
        ] {
            var draws = Draws(depth)
            let a = draws.values(rows * depth), w = draws.values(depth * columns)
            let room = Int(set.kernels.packed_floats(Int32(depth), Int32(columns)))
            let (from, weights) = (Bordered(a), Bordered(w)), packed = Bordered(count: room)
            let across = Bordered(count: rows * depth / 2)
            set.kernels.pack(
                weights.pointer, Int64(columns), 1, Int32(depth), Int32(columns), nil, 0,
                Int32(columns), packed.pointer)
            pairs.pair_matrix(packed.pointer, Int32(depth), Int32(columns), 0, Int32(columns))
            pairs.pair_rows(from.pointer, Int32(rows), Int32(depth), across.pointer, nil)
            let c = Bordered(count: rows * columns, shift: 1)
            let center = Bordered(draws.values(columns))
            var sums = [Double](repeating: 0, count: 2 * columns), end = ofa_end()
            sums.withUnsafeMutableBufferPointer {
                (end.center, end.sums) = (center.constant, $0.baseAddress)
                pairs.product(
                    across.pointer, Int64(depth / 2), Int32(rows), Int32(depth / 2),
                    packed.pointer, Int32(columns), c.pointer, Int64(columns), &end, nil)
            }
            var expected: [Float] = [], bounds: [Double] = []
            for i in 0..<rows * columns {
                var sum = 0.0, size = 0.0
                for k in 0..<depth {
                    let term =
                        Double(rounded(a[i / columns * depth + k]))
                        * Double(rounded(w[k * columns + i % columns]))
                    (sum, size) = (sum + term, size + abs(term))
                }
                expected.append(Float(sum))
                // A rounding of at most the terms' sizes for every term; a processor may truncate instead.
                bounds.append(2 * Double(depth + 1) * unit * size)
            }
            let what = "\(set): \(rows) x \(depth) x \(columns)"
            #expect(firstBeyond(c.values, expected, bounds: bounds) == nil, "\(what)")
            let found = ExpectedSums(expected, errors: bounds, center: center.values)
            #expect(found.firstBeyond(sums) == nil, "\(what)")
            #expect(c.isIntact && packed.isIntact && across.isIntact, "\(what)")
        }
    }

    @Test("an outer product is added, over an odd number of rows too", arguments: sets)
    func outerProduct(set: InstructionSet) {
        guard let pairs = set.pairs?.pointee else { return }
        for (rows, m, n) in [(1, 2, 2), (7, 8, 16), (64, 24, 40), (301, 18, 50), (130, 9, 97)] {
            var draws = Draws(rows + m)
            let (a, b) = (draws.values(rows * m), draws.values(rows * n))
            let before = draws.values(m * n), half = (rows + 1) / 2
            let (from, other) = (Bordered(a), Bordered(b)), c = Bordered(before, shift: 1)
            let down = Bordered(count: half * m), right = Bordered(count: half * n)
            pairs.pair_rows(from.pointer, Int32(rows), Int32(m), nil, down.pointer)
            pairs.pair_rows(other.pointer, Int32(rows), Int32(n), nil, right.pointer)
            pairs.outer_product(
                down.pointer, Int64(m), Int32(m), right.pointer, Int64(n), Int32(n), Int32(half),
                c.pointer, Int64(n), nil)
            var expected: [Float] = [], bounds: [Double] = []
            for i in 0..<m * n {
                var sum = Double(before[i]), size = abs(sum)
                for r in 0..<rows {
                    let term =
                        Double(rounded(a[r * m + i / n])) * Double(rounded(b[r * n + i % n]))
                    (sum, size) = (sum + term, size + abs(term))
                }
                expected.append(Float(sum))
                bounds.append(2 * Double(rows + 2) * unit * size)
            }
            let what = "\(set): \(rows) rows, \(m) x \(n)"
            #expect(firstBeyond(c.values, expected, bounds: bounds) == nil, "\(what)")
            #expect(c.isIntact && down.isIntact && right.isIntact, "\(what)")
        }
    }
}
