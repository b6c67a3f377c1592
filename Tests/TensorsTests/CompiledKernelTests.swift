// The kernels of compiled networks on every instruction set, against definitions in double: matrix times vector, and
// the expansion with the depthwise convolution, over whole maps, ranges of rows and ranges of panels.
import CKernels
import TestSupport
import Testing

@testable import Tensors

@Suite struct CompiledKernelTests {
    @Test("a matrix times a vector, over all panels and panel by panel", arguments: sets)
    func gemv(set: InstructionSet) {
        let kernels = set.kernels
        for (number, columns) in (NonFiniteTests.widths + [47, 48, 64, 65, 80, 100, 161])
            .enumerated()
        {
            for depth in [1, 2, 3, 4, 5, 11, 64, 77] {
                var draws = Draws(9000 + number)
                let x = draws.values(depth), w = draws.values(columns * depth), vector = Tensor(x)
                let shift = draws.values(columns), packed = packed(w, depth, columns, kernels)
                let added = Tensor(shift)
                let y = Storage(count: columns), pieces = Storage(count: columns)
                kernels.gemv(
                    vector.pointer, Int32(depth), packed.base, Int32(columns),
                    added.pointer, Int32(OFA_ACT_RELU), y.base)
                let panels = StepCut.panels(columns, kernels)
                for (first, end) in zip(panels, panels.dropFirst()) {
                    kernels.gemv(
                        vector.pointer, Int32(depth), packed.base + depth * first,
                        Int32(end - first), added.pointer + first, Int32(OFA_ACT_RELU),
                        pieces.base + first)
                }
                #expect(bits(pieces.all.values) == bits(y.all.values), "\(set) \(depth)x\(columns)")
                let expected = (0..<columns).map { j in
                    max(
                        0,
                        (0..<depth).reduce(Double(shift[j])) {
                            $0 + Double(x[$1]) * Double(w[j * depth + $1])
                        })
                }
                // Every factor is below 1: a sum of n products is off by less than n (n + 2) roundings.
                let bound = Double((depth + 1) * (depth + 3)) * unit
                #expect(
                    firstBeyond(
                        y.all.values, expected.map { Float($0) },
                        bounds: .init(repeating: bound + unit * Double(depth), count: columns))
                        == nil,
                    "\(set) \(depth)x\(columns)")
                kernels.gemv(
                    vector.pointer, Int32(depth), packed.base, Int32(columns), nil,
                    Int32(OFA_ACT_IDENTITY), y.base)
                #expect(!y.all.values.contains { $0.isNaN })
                withExtendedLifetime((vector, added, packed)) {}
            }
        }
    }

    @Test(
        "a dense convolution of padded rows is the product of its patches, bit by bit",
        arguments: sets)
    func convolve(set: InstructionSet) {
        let kernels = set.kernels
        for (number, columns) in NonFiniteTests.widths.enumerated() {
            for (kernel, stride, inputs) in [
                (3, 1, 1), (3, 2, 3), (5, 2, 4), (7, 1, 3), (3, 1, 17),
            ] {
                var draws = Draws(9300 + number)
                let (height, width) = (draws.integer(1...9), draws.integer(1...30))
                let outWidth = (width - 1) / stride + 1, outHeight = (height - 1) / stride + 1
                let depth = kernel * kernel * inputs, padded = (outWidth - 1) * stride + kernel
                let x = Tensor(draws.values(height * width * inputs))
                let packed = packed(draws.values(columns * depth), depth, columns, kernels)
                let shift = Tensor(draws.values(columns)), count = outWidth * columns
                let residual = Tensor(draws.values(count))
                let patches = Storage(count: outWidth * depth),
                    rows = Storage(
                        count: kernel * padded * inputs)
                let (found, expected) = (Storage(count: count), Storage(count: count))
                for row in 0..<outHeight {
                    var end = ofa_end()
                    end.shift = UnsafePointer(shift.pointer)
                    end.activation = Int32(OFA_ACT_HSWISH)
                    end.residual = UnsafePointer(residual.pointer)
                    ofa_patches(
                        x.pointer, Int32(height), Int32(width), Int32(inputs), Int32(kernel),
                        Int32(stride), Int32(row), 1, Int32(outWidth), patches.base)
                    kernels.product(
                        patches.base, Int64(depth), Int32(outWidth), Int32(depth), packed.base,
                        Int32(columns), expected.base, Int64(columns), &end, nil)
                    ofa_shifted(
                        x.pointer, 0, Int32(height), Int32(width), Int32(inputs),
                        Int32(row * stride - kernel / 2), Int32(-(kernel / 2)), 1, Int32(kernel),
                        Int32(padded), rows.base)
                    var from = ofa_filter_rows(
                        count: Int32(kernel), depth: Int32(kernel * inputs),
                        distance: Int64(padded * inputs), step: Int64(stride * inputs))
                    kernels.convolve(
                        rows.base, &from, Int32(outWidth), packed.base, Int32(columns), found.base,
                        &end)
                    #expect(
                        bits(found.all.values) == bits(expected.all.values),
                        "\(set) \(height)x\(width)x\(inputs)→\(columns) k\(kernel) s\(stride)")
                }
                withExtendedLifetime((x, packed, shift, residual)) {}
            }
        }
    }

    /// A block of any size; `inputs` is 0 without an expansion.
    struct Block: CustomStringConvertible {
        let geometry: ofa_depthwise
        let inputs: Int
        let activation: Activation
        var x: [Float]
        var expand, expandShift, filter, shift: [Float]

        init(
            _ number: Int, height: Int, width: Int, inputs: Int, channels: Int, kernel: Int,
            stride: Int
        ) {
            var draws = Draws(9500 + number)
            geometry = ofa_depthwise(
                images: 1, height: Int32(height), width: Int32(width), channels: Int32(channels),
                out_height: Int32((height - 1) / stride + 1),
                out_width: Int32((width - 1) / stride + 1), kernel: Int32(kernel),
                stride: Int32(stride))
            self.inputs = inputs
            activation = [.hSwish, .relu, .identity, .relu6][number % 4]
            x = draws.values(height * width * (inputs == 0 ? channels : inputs))
            expand = draws.values(channels * inputs)
            expandShift = draws.values(channels)
            filter = draws.values(kernel * kernel * channels)
            shift = draws.values(channels)
        }

        var channels: Int { Int(geometry.channels) }
        /// Whether vector kernels sum over pairs of columns.
        var isPaired: Bool {
            geometry.stride == 1 && geometry.width % 2 == 0 && geometry.width > 7
                && geometry.kernel > 3
        }
        var description: String {
            "\(geometry.height)x\(geometry.width)x\(inputs)→\(channels) k\(geometry.kernel)"
                + " s\(geometry.stride) \(activation)"
        }

        /// Runs the kernel over ranges of output rows and of columns. Returns the map, and the sum of the ranges' means.
        func run(_ kernels: ofa_kernels, rows: [Int], columns: [Int]) -> (y: [Float], mean: [Float])
        {
            let taps = Int(geometry.kernel * geometry.kernel)
            let expand = packed(self.expand, inputs, channels, kernels)
            let filter = Storage(
                count: Int(kernels.packed_filter_floats(Int32(taps), Int32(channels))))
            let taken = Tensor(self.filter)
            kernels.pack_filter(
                taken.pointer, nil, Int32(taps), Int32(channels), filter.base)
            let (x, before, after) = (Tensor(self.x), Tensor(expandShift), Tensor(shift))
            var block = ofa_expansion(
                d: geometry, inputs: Int32(inputs), activation: activation.code,
                expand: UnsafePointer(expand.base), expand_shift: UnsafePointer(before.pointer),
                filter: UnsafePointer(filter.base), shift: UnsafePointer(after.pointer))
            let y = Storage(
                count: Int(geometry.out_height * geometry.out_width) * channels)
            let mean = Storage(count: channels),
                scratch = Storage(
                    count: Int(ofa_expansion_scratch(geometry)))
            var means = [Float](repeating: 0, count: channels)
            // What is in scratch from other passes must not matter.
            scratch.all.fill(with: .nan)
            for (top, bottom) in zip(rows, rows.dropFirst()) {
                for (first, end) in zip(columns, columns.dropFirst()) {
                    kernels.expand_depthwise(
                        &block, x.pointer, Int32(top), Int32(bottom), Int32(first), Int32(end),
                        y.base, mean.base, scratch.base)
                }
                for c in 0..<channels { means[c] += mean.all[c] }
            }
            return withExtendedLifetime((x, before, after, expand, filter, taken)) {
                (y.all.values, means)
            }
        }

        /// The map in double, and how far off float sums may be.
        func expected() -> (y: [Double], bounds: [Double]) {
            let g = geometry, (h, w) = (Int(g.height), Int(g.width)), k = Int(g.kernel)
            var expanded = x.map { Double($0) }
            var lost = [Double](repeating: 0, count: expanded.count)
            if inputs > 0 {
                expanded = [Double](repeating: 0, count: h * w * channels)
                lost = expanded
                for p in 0..<h * w {
                    for c in 0..<channels {
                        var (sum, size) = (Double(expandShift[c]), abs(Double(expandShift[c])))
                        for i in 0..<inputs {
                            let term = Double(x[p * inputs + i]) * Double(expand[c * inputs + i])
                            sum += term
                            size += abs(term)
                        }
                        let value = Self.activated(sum, activation)
                        expanded[p * channels + c] = value
                        // A slope is at most 1.5; an activation rounds up to four times.
                        lost[p * channels + c] =
                            1.5 * Double(inputs + 2) * unit * size + 4 * unit * (size + 3)
                    }
                }
            }
            var y: [Double] = [], bounds: [Double] = []
            for oy in 0..<Int(g.out_height) {
                for ox in 0..<Int(g.out_width) {
                    for c in 0..<channels {
                        var (sum, size) = (Double(shift[c]), abs(Double(shift[c]))), off = 0.0
                        for t in 0..<k * k {
                            let iy = oy * Int(g.stride) + t / k - k / 2
                            let ix = ox * Int(g.stride) + t % k - k / 2
                            guard (0..<h).contains(iy), (0..<w).contains(ix) else { continue }
                            let at = (iy * w + ix) * channels + c
                            let factor = Double(filter[t * channels + c])
                            sum += expanded[at] * factor
                            size += abs(expanded[at] * factor)
                            off += lost[at] * abs(factor)
                        }
                        if isPaired, ox % 2 == 1 {
                            size = pairedSize(oy, ox, c, expanded) + abs(Double(shift[c]))
                        }
                        y.append(Self.activated(sum, activation))
                        bounds.append(
                            1.5 * (off + Double(k * k + 2) * unit * size) + 4 * unit * (size + 3))
                    }
                }
            }
            return (y, bounds)
        }

        /// The sum of the magnitudes from which sums over pairs of columns (depthwise_pairs.h) compute the output at the
        /// odd column `ox`. All terms of the output's row of pairs count: a tap at an even and one at an odd
        /// distance, each once alone and once in a sum.
        private func pairedSize(_ oy: Int, _ ox: Int, _ c: Int, _ expanded: [Double]) -> Double {
            let (h, w) = (Int(geometry.height), Int(geometry.width)), k = Int(geometry.kernel)
            let pad = k / 2, pair = ox / 2
            var size = 0.0
            for y in max(0, oy - pad)..<min(h, oy + pad + 1) {
                func tap(_ distance: Int) -> Double {
                    abs(distance) > pad
                        ? 0
                        : abs(Double(filter[((y - oy + pad) * k + distance + pad) * channels + c]))
                }
                func add(_ factor: Double, _ column: Int) {
                    guard (0..<w).contains(column) else { return }
                    size += factor * abs(expanded[(y * w + column) * channels + c])
                }
                for j in -2...3 {
                    add(tap(2 * j), 2 * (pair + j))
                    add(tap(2 * j + 1), 2 * (pair + 1 + j) + 1)
                    let both = tap(2 * j) + tap(2 * j - 1)
                    add(both, 2 * (pair + j))
                    add(both, 2 * (pair + j) + 1)
                }
            }
            return size
        }

        private static func activated(_ x: Double, _ activation: Activation) -> Double {
            switch activation {
            case .identity: x
            case .relu: max(x, 0)
            case .relu6: min(max(x, 0), 6)
            case .hSwish: x * min(max(x + 3, 0), 6) / 6
            }
        }
    }

    private static let blocks: [Block] = {
        let sizes = [(1, 1), (2, 3), (4, 4), (5, 7), (7, 7), (8, 8), (14, 13), (15, 28), (9, 10)]
        let widths = [(3, 5), (0, 8), (8, 16), (5, 20), (0, 24), (24, 40), (7, 49), (11, 72)]
        var blocks: [Block] = []
        for (index, size) in sizes.enumerated() {
            for (place, width) in widths.enumerated() {
                let kernel = [3, 5, 7][(index + place) % 3]
                for stride in [1, 2] {
                    blocks.append(
                        Block(
                            blocks.count, height: size.0, width: size.1, inputs: width.0,
                            channels: width.1, kernel: kernel, stride: stride))
                }
            }
        }
        // These need several bands with wide vectors.
        for (height, width, channels, kernel, stride) in [
            (57, 60, 49, 7, 1), (112, 112, 48, 3, 2), (90, 113, 40, 7, 2), (70, 90, 33, 5, 1),
        ] {
            blocks.append(
                Block(
                    blocks.count, height: height, width: width, inputs: channels % 5,
                    channels: channels,
                    kernel: kernel, stride: stride))
        }
        return blocks
    }()

    @Test(
        "an expansion and a depthwise convolution, whole and in ranges of rows and panels",
        arguments: sets)
    func expansion(set: InstructionSet) {
        for block in Self.blocks {
            let height = Int(block.geometry.out_height), (expected, bounds) = block.expected()
            let whole = block.run(set.kernels, rows: [0, height], columns: [0, block.channels])
            #expect(
                firstBeyond(
                    whole.y, expected.map { Float($0) },
                    bounds: zip(bounds, expected).map {
                        $0 + unit * abs($1)
                    }) == nil, "\(set) \(block)")
            let pixels = expected.count / block.channels
            var mean = [Double](repeating: 0, count: block.channels), off = mean
            for (i, value) in expected.enumerated() {
                mean[i % block.channels] += value / Double(pixels)
                off[i % block.channels] +=
                    (bounds[i] + Double(2 * pixels + 8) * unit * abs(value)) / Double(pixels)
            }
            #expect(
                firstBeyond(whole.mean, mean.map { Float($0) }, bounds: off.map { $0 + 2 * unit })
                    == nil, "the mean of \(set) \(block)")
            let cut = height / 3 / 2 * 2
            let parts = block.run(
                set.kernels, rows: cut > 0 ? [0, cut, height] : [0, height],
                columns: StepCut.panels(block.channels, set.kernels))
            #expect(bits(parts.y) == bits(whole.y), "\(set) \(block)")
            #expect(
                firstBeyond(parts.mean, mean.map { Float($0) }, bounds: off.map { $0 + 3 * unit })
                    == nil, "the means of parts of \(set) \(block)")
        }
    }

    @Test(
        "NaN in a pixel reaches the outputs that see it; of the others only one beside them, if columns are paired",
        arguments: sets)
    func nan(set: InstructionSet) {
        for (width, inputs, kernel) in [
            (11, 0, 3), (11, 6, 3), (12, 6, 3), (12, 0, 5), (12, 6, 5), (12, 0, 7), (12, 6, 7),
        ] {
            for x in [5, 6] {
                var block = Block(
                    0, height: 9, width: width, inputs: inputs, channels: 20, kernel: kernel,
                    stride: 1)
                let clean = block.run(set.kernels, rows: [0, 9], columns: [0, 20]).y
                let each = inputs == 0 ? 20 : inputs, pad = kernel / 2
                block.x[(4 * width + x) * each + 2] = .nan
                let found = block.run(set.kernels, rows: [0, 9], columns: [0, 20]).y
                for i in found.indices {
                    let (row, column, channel) = (i / 20 / width, i / 20 % width, i % 20)
                    let isNear = abs(row - 4) <= pad && (inputs > 0 || channel == 2)
                    if isNear && abs(column - x) <= pad {
                        #expect(found[i].isNaN, "\(set) k\(kernel) at \(i)")
                    } else {
                        let isBeside =
                            isNear && block.isPaired && column % 2 == 1
                            && abs(column - x) == pad + 1
                        #expect(
                            found[i] == clean[i] || isBeside, "\(set) k\(kernel) at \(i)")
                    }
                }
            }
        }
    }
}

/// A packed matrix (depth, columns) of weights (columns, depth).
private func packed(_ w: [Float], _ depth: Int, _ columns: Int, _ kernels: ofa_kernels) -> Storage {
    let packed = Storage(count: Int(kernels.packed_floats(Int32(depth), Int32(columns))))
    let weights = Tensor(w)
    if depth > 0 {
        kernels.pack(
            weights.pointer, 1, Int64(depth), Int32(depth), Int32(columns), nil, 0,
            Int32(columns), packed.base)
    }
    return withExtendedLifetime(weights) { packed }
}
