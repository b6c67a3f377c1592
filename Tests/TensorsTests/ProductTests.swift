// The products of a block of rows, by themselves: packing, every tile and tail, leading dimensions, what is done at
// the end, and the way a result takes to memory.
import CKernels
import TestSupport
import Testing

@testable import Tensors

@Suite struct ProductTests {
    /// A product and everything that may be done with it.
    private struct Case: CustomStringConvertible {
        let rows, depth, columns, aGap, cGap, depthStride, columnStride: Int
        var a: [Float]
        let w, factor, shift, residual, center: [Float]
        var hasFactor, hasShift, isInPlace, hasResidual, hasSums: Bool
        let activation: Activation
        let draws: Draws

        init(rows: Int, depth: Int, columns: Int, seed: Int) {
            var draws = Draws(seed)
            (self.rows, self.depth, self.columns) = (rows, depth, columns)
            aGap = draws.integer(0...5)
            cGap = draws.integer(0...5)
            // A matrix as it lies, a transposed one, each in a wider one, and one of a wider tensor.
            switch seed % 5 {
            case 0: (depthStride, columnStride) = (columns, 1)
            case 1: (depthStride, columnStride) = (1, depth)
            case 2: (depthStride, columnStride) = (columns + 3, 1)
            case 3: (depthStride, columnStride) = (1, depth + 3)
            default: (depthStride, columnStride) = (2, 2 * depth + 1)
            }
            a = draws.values(rows * (depth + aGap))
            w = draws.values((depth - 1) * depthStride + (columns - 1) * columnStride + 1)
            factor = draws.factors(columns)
            shift = draws.values(columns)
            residual = draws.values(rows * (columns + cGap))
            center = draws.values(columns)
            let choice = draws.integer(0...31)
            hasFactor = choice & 1 != 0
            hasShift = choice & 2 != 0
            hasResidual = choice & 4 != 0
            isInPlace = choice & 8 != 0
            hasSums = choice & 16 != 0
            activation = draws.one(of: [.identity, .relu, .relu6, .hSwish])
            self.draws = draws
        }

        /// The sums of absolute terms, which rounding is relative to.
        func sizes() -> [Double] {
            var sizes: [Double] = []
            for row in 0..<rows {
                for j in 0..<columns {
                    var sum = 0.0
                    for k in 0..<depth {
                        sum += Double(abs(a[row * (depth + aGap) + k] * w[at(k, j)]))
                    }
                    if hasFactor { sum *= Double(abs(factor[j])) }
                    sizes.append(sum + (hasShift ? Double(abs(shift[j])) : 0))
                }
            }
            return sizes
        }

        func at(_ k: Int, _ j: Int) -> Int { k * depthStride + j * columnStride }

        var description: String {
            "\(draws): \(rows)x\(depth)x\(columns), strides \(depthStride) \(columnStride), gaps \(aGap) \(cGap)"
                + (hasFactor ? ", factor" : "") + (hasShift ? ", \(activation)" : "")
                + (hasResidual ? isInPlace ? ", residual in place" : ", residual" : "")
                + (hasSums ? ", sums" : "")
        }
    }

    private struct Result: Equatable {
        var output: [UInt32] = []
        var sums: [Double] = []
        var isIntact = true

        var values: [Float] { output.map { Float(bitPattern: $0) } }
    }

    /// Packs in `parts` parts, multiplies, and gives what was written with the gaps between the rows.
    private static func run(
        _ test: Case, _ set: InstructionSet, parts: Int = 1, fetching: Bool = false
    ) -> Result {
        let kernels = set.kernels, width = test.columns + test.cGap
        let a = Bordered(test.a, shift: test.depth % 16), w = Bordered(test.w)
        let factor = Bordered(test.factor, shift: 1), shift = Bordered(test.shift, shift: 2)
        let residual = Bordered(test.residual, shift: 3), center = Bordered(test.center, shift: 5)
        let packed = Bordered(
            count: Int(kernels.packed_floats(Int32(test.depth), Int32(test.columns))))
        let c =
            test.hasResidual && test.isInPlace
            ? residual : Bordered(count: test.rows * width, shift: test.rows % 16)
        for part in 0..<parts {
            kernels.pack(
                w.pointer, Int64(test.depthStride), Int64(test.columnStride), Int32(test.depth),
                Int32(test.columns), test.hasFactor ? factor.pointer : nil,
                Int32(test.columns * part / parts), Int32(test.columns * (part + 1) / parts),
                packed.pointer)
        }
        var result = Result()
        var sums = [Double](repeating: 0, count: 2 * test.columns)
        sums.withUnsafeMutableBufferPointer { sums in
            var end = ofa_end()
            if test.hasShift {
                end.shift = shift.constant
                end.activation = test.activation.code
            }
            if test.hasResidual { end.residual = residual.constant }
            if test.hasSums { (end.center, end.sums) = (center.constant, sums.baseAddress) }
            var ahead = ofa_ahead()
            (ahead.at.0, ahead.floats.0, ahead.calls) = (a.constant, Int64(a.count), 2)
            (ahead.at.2, ahead.floats.2) = (w.constant, Int64(w.count))
            withUnsafeMutablePointer(to: &ahead) { ahead in
                kernels.product(
                    a.pointer, Int64(test.depth + test.aGap), Int32(test.rows), Int32(test.depth),
                    packed.pointer, Int32(test.columns), c.pointer, Int64(width), &end,
                    fetching ? ahead : nil)
            }
        }
        result.output = bits(c.values)
        result.sums = sums
        result.isIntact = [a, w, factor, shift, residual, center, packed, c].allSatisfy {
            $0.isIntact
        }
        return result
    }

    /// Every number of rows, of columns and of depth, with the others drawn, and blocks of more rows than one float
    /// sum takes.
    private static let cases: [Case] = {
        var shapes: [(Int, Int, Int)] = [], draws = Draws(0)
        for _ in 0..<2 {
            for rows in 1...40 {
                shapes.append((rows, draws.integer(1...70), draws.integer(1...130)))
            }
            for depth in 1...70 {
                shapes.append((draws.integer(1...40), depth, draws.integer(1...130)))
            }
            for columns in 1...130 {
                shapes.append((draws.integer(1...40), draws.integer(1...70), columns))
            }
        }
        for rows in [96, 97, 191, 192, 205] {
            shapes.append((rows, draws.integer(1...70), draws.integer(1...130)))
        }
        return shapes.enumerated().map { Case(rows: $1.0, depth: $1.1, columns: $1.2, seed: $0) }
    }()

    @Test(
        "a product of any size agrees with the oracle, with everything that may follow it, and writes nothing else",
        arguments: vectorSets)
    func product(set: InstructionSet) {
        for test in Self.cases {
            let expected = Self.run(test, .oracle), got = Self.run(test, set)
            #expect(expected.isIntact && got.isIntact, "\(set) \(test)")
            let width = test.columns + test.cGap, sizes = test.sizes()
            // One rounding for the factor and one for each term, on both sides; slopes reach 1.5, and an activation's
            // own roundings are relative to what it is applied to.
            var values: [Float] = [], found: [Float] = [], errors: [Double] = [], isLeft = true
            let all = (expected.values, got.values)
            for row in 0..<test.rows {
                for j in 0..<width {
                    let i = row * width + j
                    // Between the rows everything is as it was.
                    if j >= test.columns {
                        isLeft = isLeft && got.output[i] == expected.output[i]
                        continue
                    }
                    let plus = test.hasResidual ? Double(abs(test.residual[i])) : 0
                    let size = sizes[row * test.columns + j]
                    values.append(all.0[i])
                    found.append(all.1[i])
                    errors.append((1.5 * Double(test.depth + 8) * size + 2 * (plus + size)) * unit)
                }
            }
            #expect(isLeft, "\(set) \(test)")
            #expect(firstBeyond(found, values, bounds: errors) == nil, "\(set) \(test)")
            guard test.hasSums else {
                #expect(got.sums.allSatisfy { $0 == 0 })
                continue
            }
            let sums = ExpectedSums(values, errors: errors, center: test.center)
            #expect(sums.firstBeyond(got.sums) == nil, "\(set) \(test)")
        }
    }

    @Test(
        "packed by several threads a matrix is the same as by one, and what is fetched ahead changes nothing",
        arguments: sets)
    func parts(set: InstructionSet) {
        for test in Self.cases.prefix(240) {
            let whole = Self.run(test, set)
            for parts in [2, 3, 5] {
                #expect(Self.run(test, set, parts: parts) == whole, "\(set) \(test) \(parts) parts")
            }
            #expect(Self.run(test, set, fetching: true) == whole, "\(set) \(test) fetching")
        }
    }

    @Test("the product with 1 is the packed matrix, times the factor, to the bit", arguments: sets)
    func identity(set: InstructionSet) {
        for number in 0..<60 {
            var draws = Draws(700 + number)
            let depth = draws.integer(1...30)
            var test = Case(
                rows: depth, depth: depth, columns: draws.integer(1...70), seed: 800 + number)
            (test.hasShift, test.hasResidual, test.hasSums) = (false, false, false)
            for i in test.a.indices { test.a[i] = i % (depth + test.aGap + 1) == 0 ? 1 : 0 }
            let got = Self.run(test, set).values
            let width = test.columns + test.cGap
            let wrong = (0..<depth * test.columns).first { i in
                let (k, j) = (i / test.columns, i % test.columns)
                return got[k * width + j]
                    != test.w[test.at(k, j)] * (test.hasFactor ? test.factor[j] : 1)
            }
            #expect(wrong == nil, "\(set) \(test)")
        }
    }

    @Test("what is left to fetch is shared by the calls that are left", arguments: vectorSets)
    func fetching(set: InstructionSet) {
        let a = Bordered(.init(repeating: 1, count: 40 * 24)), c = Bordered(count: 40 * 40)
        let packed = Bordered(.init(repeating: 1, count: Int(set.kernels.packed_floats(24, 40))))
        var ahead = ofa_ahead(), end = ofa_end()
        (ahead.at.0, ahead.floats.0, ahead.calls) = (a.constant, 960, 3)
        var left: [Int64] = [960]
        for _ in 0..<3 {
            set.kernels.product(
                a.pointer, 24, 40, 24, packed.pointer, 40, c.pointer, 40, &end, &ahead)
            left.append(ahead.floats.0)
        }
        #expect(zip(left, left.dropFirst()).allSatisfy(>=) && left[1] < 960)
        #expect(left[3] <= 0 && ahead.calls == 0, "\(set): \(left)")
    }

    @Test(
        "an outer product of any size agrees with the oracle, adds to what is there, and writes nothing else",
        arguments: vectorSets)
    func outer(set: InstructionSet) {
        var draws = Draws(900), shapes: [(m: Int, n: Int, rows: Int)] = []
        for m in 1...40 { shapes.append((m, draws.integer(1...130), draws.integer(1...70))) }
        for n in 1...130 { shapes.append((draws.integer(1...40), n, draws.integer(1...70))) }
        for rows in 1...150 { shapes.append((draws.integer(1...40), draws.integer(1...130), rows)) }
        for (number, shape) in shapes.enumerated() {
            var draws = Draws(1000 + number)
            let (m, n, rows) = shape
            let (aRow, bRow, cRow) = (
                m + draws.integer(0...5), n + draws.integer(0...5), n + draws.integer(0...5)
            )
            let a = Bordered(draws.values(rows * aRow), shift: m % 16)
            let b = Bordered(draws.values(rows * bRow), shift: n % 16)
            let before = draws.values(m * cRow)
            func run(_ set: InstructionSet, _ a: Bordered, _ b: Bordered, _ c: [Float]) -> [Float] {
                let c = Bordered(c, shift: rows % 16)
                set.kernels.outer_product(
                    a.pointer, Int64(aRow), Int32(m), b.pointer, Int64(bRow), Int32(n), Int32(rows),
                    c.pointer, Int64(cRow), nil)
                #expect(a.isIntact && b.isIntact && c.isIntact, "\(set) \(draws) \(shape)")
                return c.values
            }
            let expected = run(.oracle, a, b, before), got = run(set, a, b, before)
            let sizes = run(
                .oracle, Bordered(a.values.map { abs($0) }), Bordered(b.values.map { abs($0) }),
                before.map { abs($0) })
            // One rounding a term, and one for adding; nothing is allowed between the rows.
            let bounds = sizes.indices.map {
                $0 % cRow < n ? Double(sizes[$0]) * Double(rows + 4) * unit : 0
            }
            #expect(
                firstBeyond(got, expected, bounds: bounds) == nil,
                "\(set) \(draws) \(shape), rows of \(aRow), \(bRow), \(cRow)")
        }
    }

    @Test(
        "a result reaches memory to the bit, past the caches or not, aligned or not",
        arguments: sets)
    func writeOut(set: InstructionSet) {
        let threshold = 1 << 20
        var draws = Draws(2000)
        for count in [0, 1, 3, 4, 15, 16, 17, 31, 33, 64, 1000, 4099] {
            for (from, to) in [(0, 0), (0, 1), (1, 0), (3, 7), (5, 15), (8, 4), (15, 12)] {
                var values = draws.values(count)
                for (index, value) in [Float.nan, -Float.infinity, -0.0, .init(bitPattern: 714)]
                    .enumerated()
                where count > index { values[count - 1 - index] = value }
                let source = Bordered(values, shift: from)
                for all in [count, threshold - 1, threshold, threshold + 1, 1 << 24] {
                    let target = Bordered(count: count, shift: to)
                    set.kernels.write_out(
                        source.pointer, Int64(count), Int64(all), ofa_target(target.pointer))
                    #expect(
                        bits(target.values) == bits(values) && target.isIntact,
                        "\(set) \(draws): \(count) of \(all), \(from) to \(to)")
                }
            }
        }
    }
}
