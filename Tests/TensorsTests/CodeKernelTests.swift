// The kernels on codes of every instruction set give the codes of the scalar ones, to the bit, over random shapes and
// extreme values; the scalar ones give what is computed by hand.
import CKernels
import Tensors
import Testing

@Suite struct CodeKernelTests {
    /// The instruction sets that this processor has, without the reference.
    static let names: [String] = ["avx2", "avx512"].filter { ofa_code_kernels_named($0) != nil }

    /// Draws codes and weights: random ones, only the extreme ones, or only the largest.
    private struct Draw {
        var stream: RandomStream
        let mode: Int

        init(_ seed: Int, mode: Int) { (stream, self.mode) = (RandomStream(seed: 7, seed), mode) }

        mutating func below(_ count: Int) -> Int {
            min(Int(stream.uniform() * Float(count)), count - 1)
        }

        mutating func codes(_ count: Int) -> [UInt8] {
            (0..<count).map { _ in
                mode == 0 ? UInt8(below(256)) : mode == 1 ? (below(2) == 0 ? 0 : 255) : 255
            }
        }

        mutating func weights(_ count: Int) -> [Int8] {
            (0..<count).map { _ in
                mode == 0
                    ? Int8(below(255) - 127) : mode == 1 ? (below(2) == 0 ? -127 : 127) : 127
            }
        }
    }

    private static func padded(_ count: Int) -> Int { (count + 15) / 16 * 16 }

    /// Lends an end with random biases, factors and, if `hasTable`, a random table.
    private static func withEnd<Result>(
        _ draw: inout Draw, _ columns: Int, factor: Float, hasTable: Bool,
        _ body: (inout ofa_code_end) -> Result
    ) -> Result {
        let bias = (0..<padded(columns)).map { _ in Int32(draw.below(40_000) - 20_000) }
        let factors = (0..<padded(columns)).map { _ in factor * Float(1 + draw.below(100)) / 50 }
        let table = (0..<256).map { _ in UInt8(draw.below(256)) }
        let zero = Int32(draw.below(256))
        return bias.withUnsafeBufferPointer { bias in
            factors.withUnsafeBufferPointer { factors in
                table.withUnsafeBufferPointer { table in
                    var end = ofa_code_end(
                        bias: bias.baseAddress, factor: factors.baseAddress,
                        table: hasTable ? table.baseAddress : nil, zero: zero)
                    return body(&end)
                }
            }
        }
    }

    @Test("products and sums are those of the scalar kernels", arguments: names)
    func products(name: String) throws {
        let kernels = try #require(ofa_code_kernels_named(name)).pointee
        let scalar = ofa_code_kernels_scalar().pointee
        for number in 0..<150 {
            var draw = Draw(number, mode: number % 3)
            let rows = 1 + draw.below(40), columns = 1 + draw.below(150)
            let depth = 4 * (1 + draw.below(50)) - (number % 5 == 0 ? draw.below(4) : 0)
            let step = depth + 8
            let a = draw.codes(rows * step + 8), w = draw.weights(columns * depth)
            var packed = [Int8](
                repeating: 0, count: Int(ofa_code_packed(Int32(depth), Int32(columns))))
            ofa_code_pack(w, Int32(depth), Int32(columns), &packed, nil)
            let places = (0..<rows).map { Int32(16 * (rows - 1 - $0)) }
            // Large factors give numbers beyond 32 bits.
            let results = Self.withEnd(
                &draw, columns, factor: number % 7 == 0 ? 1e4 : 1e-4, hasTable: number % 2 == 0
            ) { end in
                [scalar, kernels].map { kernels -> [UInt8] in
                    var c = [UInt8](repeating: 0, count: 2 * rows * Self.padded(columns))
                    c.withUnsafeMutableBufferPointer { c in
                        places.withUnsafeBufferPointer { places in
                            var place = ofa_code_place(
                                c: c.baseAddress, places: nil, row: Int64(columns), block: 16)
                            if number % 3 == 1 {
                                place.places = places.baseAddress
                                place.block = Int64(16 * rows)
                            }
                            kernels.product(
                                a, Int64(step), Int32(rows), Int32(depth), packed,
                                Int32(columns), &end, &place)
                        }
                    }
                    return c
                }
            }
            #expect(results[0] == results[1], "\(rows) x \(depth) x \(columns), case \(number)")
            let bias = [Int32](repeating: -5, count: columns)
            let sums = [scalar, kernels].map { kernels -> [Int32] in
                var sums = [Int32](repeating: 0, count: columns)
                kernels.sums(a, Int32(depth), packed, Int32(columns), bias, &sums)
                return sums
            }
            #expect(sums[0] == sums[1], "\(depth) x \(columns)")
        }
    }

    @Test("depthwise convolutions are those of the scalar kernels", arguments: names)
    func depthwise(name: String) throws {
        let kernels = try #require(ofa_code_kernels_named(name)).pointee
        let scalar = ofa_code_kernels_scalar().pointee
        for number in 0..<150 {
            var draw = Draw(number, mode: number % 3)
            let kernel = 3 + 2 * draw.below(3), stride = 1 + draw.below(2), pad = kernel / 2
            let height = 1 + draw.below(20), width = 1 + draw.below(30)
            let channels = 1 + draw.below(16), all = channels + draw.below(20)
            let row = 16 * (width + 2 * pad)
            let x = draw.codes(height * width * all)
            var plane = [UInt8](
                repeating: 1, count: row * (height + 2 * pad) + Int(OFA_CODE_SLACK))
            ofa_code_plane(
                x, Int32(height), Int32(width), Int32(all), Int32(all - channels), Int32(channels),
                Int32(pad), 9, Int64(row), &plane)
            let w = draw.weights(channels * kernel * kernel)
            var packed = [Int8](repeating: 0, count: Int(ofa_code_packed_filter(Int32(kernel))))
            ofa_code_pack_filter(w, Int32(kernel), Int32(channels), &packed)
            var window = ofa_code_window(
                out_height: Int32((height - 1) / stride + 1),
                out_width: Int32((width - 1) / stride + 1), kernel: Int32(kernel),
                stride: Int32(stride), row: Int64(row))
            let results = Self.withEnd(
                &draw, channels, factor: 1e-3, hasTable: number % 2 == 0
            ) { end in
                [scalar, kernels].map { kernels -> [UInt8] in
                    var y = [UInt8](repeating: 0, count: height * width * all)
                    kernels.depthwise(
                        &window, plane, packed, Int32(channels), &end, &y, Int64(all))
                    return y
                }
            }
            #expect(
                results[0] == results[1],
                "kernel \(kernel), stride \(stride), \(height)x\(width), \(channels) channels")
        }
    }

    @Test("passes over codes are those of the scalar kernels", arguments: names)
    func passes(name: String) throws {
        let kernels = try #require(ofa_code_kernels_named(name)).pointee
        let scalar = ofa_code_kernels_scalar().pointee
        for number in 0..<60 {
            var draw = Draw(number, mode: number % 2)
            let pixels = 1 + draw.below(50), channels = 1 + draw.below(70)
            let count = pixels * channels
            let a = draw.codes(count), b = draw.codes(count), table = draw.codes(256)
            let (base, first) = (Float(draw.below(200)) - 100.3, Float(draw.below(2000)) / 1000)
            let floats =
                (0..<count).map { _ in
                    (draw.stream.uniform() - 0.5) * (number % 4 == 0 ? 1e30 : 10)
                } + [.nan, .infinity]
            func both(_ body: (ofa_code_kernels, UnsafeMutablePointer<UInt8>) -> Void) -> Bool {
                let results = [scalar, kernels].map { kernels -> [UInt8] in
                    var y = [UInt8](repeating: 0, count: count + 2)
                    y.withUnsafeMutableBufferPointer { y in
                        if let to = y.baseAddress { body(kernels, to) }
                    }
                    return y
                }
                return results[0] == results[1]
            }
            #expect(both { $0.map(a, Int64(count), table, $1) })
            #expect(both { $0.sum(a, b, Int64(count), base, first, 0.7, $1) })
            #expect(
                both { $0.gate(a, b, Int32(pixels), Int32(channels), 5, 200, 3e-3, 77, $1) })
            #expect(both { $0.quantise(floats, Int64(count + 2), 0.02, 100, $1) })
            let totals = [scalar, kernels].map { kernels -> [Int32] in
                var sums = [Int32](repeating: 1, count: channels)
                kernels.totals(a, Int32(pixels), Int32(channels), &sums)
                return sums
            }
            #expect(totals[0] == totals[1])
        }
    }

    @Test("a product, a depthwise sum and a patch are those computed by hand")
    func byHand() {
        let scalar = ofa_code_kernels_scalar().pointee
        // Codes 1, 2, 3 times weights 4, -5, 6, plus bias 1, times 0.5: 6.5, even 6, and zero 100.
        var packed = [Int8](repeating: 0, count: Int(ofa_code_packed(3, 1)))
        var shift: [Int32] = [0]
        ofa_code_pack([4, -5, 6], 3, 1, &packed, &shift)
        #expect(shift == [5])
        let bias = [Int32](repeating: 1, count: 16), factor = [Float](repeating: 0.5, count: 16)
        var codes = [UInt8](repeating: 0, count: 16)
        bias.withUnsafeBufferPointer { bias in
            factor.withUnsafeBufferPointer { factor in
                codes.withUnsafeMutableBufferPointer { codes in
                    var end = ofa_code_end(
                        bias: bias.baseAddress, factor: factor.baseAddress, table: nil, zero: 100)
                    var place = ofa_code_place(c: codes.baseAddress, places: nil, row: 1, block: 16)
                    scalar.product([1, 2, 3, 99], 4, 1, 3, packed, 1, &end, &place)
                }
            }
        }
        #expect(codes[0] == 106 && codes[1] == 0)
        // The upper left patch of a 2x2 image of two channels, with 9 outside; reads and writes may go beyond.
        var patch = [UInt8](repeating: 0, count: 20 + Int(OFA_CODE_SLACK))
        let image: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
        ofa_code_patches(
            image + [UInt8](repeating: 0, count: Int(OFA_CODE_SLACK)), 2, 2, 2, 3, 1, 0, 1, 9, 20,
            &patch)
        #expect(patch[..<18] == [9, 9, 9, 9, 9, 9, 9, 9, 1, 2, 3, 4, 9, 9, 5, 6, 7, 8])
    }
}
