// The operators of a pass over codes that multiply by weights: products, dense convolutions, and the beginnings of
// inverted residual blocks.

import CKernels

/// The packed weights of one layer, and how its sums become codes. The arrays lie in the pass's memory of weights.
struct CodeLayer {
    let packed: UnsafePointer<Int8>
    let bias: UnsafePointer<Int32>
    let factor: UnsafePointer<Float>
    let table: UnsafePointer<UInt8>?
    let zero: Int32
    let outputs, depth: Int

    /// Returns the end of the sums of channel `first`, the first of a block, and those after it.
    @inline(__always)
    func end(_ first: Int = 0) -> ofa_code_end {
        ofa_code_end(bias: bias + first, factor: factor + first, table: table, zero: zero)
    }

    static let block = Int(OFA_CODE_BLOCK)
    /// The number of blocks of channels.
    var blocks: Int { (outputs + Self.block - 1) / Self.block }
    /// Bytes of the packed weights of one block of a matrix.
    var blockBytes: Int { (depth + 3) / 4 * 4 * Self.block }
}

/// output = codes of input · weights, row by row.
final class CodeProductStep: CodeStep {
    let name: StaticString = "pointwise"
    private let table: UnsafePointer<ofa_code_kernels>
    private let input, output: UnsafeMutablePointer<UInt8>
    private let layer: CodeLayer
    private let rows: Int
    private let rowParts, columnParts: Int
    let items: Int

    init(
        rows: Int, threads: Int, table: UnsafePointer<ofa_code_kernels>, layer: CodeLayer,
        input: UnsafeMutablePointer<UInt8>, output: UnsafeMutablePointer<UInt8>
    ) {
        (self.table, self.layer, self.rows) = (table, layer, rows)
        (self.input, self.output) = (input, output)
        let isShared = threads > 1 && rows * layer.depth * layer.outputs >= 4 * StepCut.soloMacs
        let byColumns = isShared && rows < 24 * threads
        rowParts = isShared && !byColumns ? 2 * threads : 1
        columnParts = byColumns ? min(threads, layer.blocks) : 1
        items = rowParts * columnParts
    }

    var macs: Int { rows * layer.depth * layer.outputs }
    var bytes: Int { rows * (layer.depth + layer.outputs) + layer.depth * layer.outputs }

    func run(_ item: Int, _ scratch: UnsafeMutablePointer<UInt8>) {
        let part = StepCut.range(item / columnParts, of: rowParts, rows, step: 12)
        if part.isEmpty { return }
        let columns = StepCut.range(
            item % columnParts, of: columnParts, layer.blocks, step: 1)
        let first = columns.lowerBound * CodeLayer.block
        let last = min(columns.upperBound * CodeLayer.block, layer.outputs)
        var end = layer.end(first)
        var place = ofa_code_place(
            c: output + part.lowerBound * layer.outputs + first, places: nil,
            row: Int64(layer.outputs), block: Int64(CodeLayer.block))
        table.pointee.product(
            input + part.lowerBound * layer.depth, Int64(layer.depth), Int32(part.count),
            Int32(layer.depth), layer.packed + columns.lowerBound * layer.blockBytes,
            Int32(last - first), &end, &place)
    }
}

/// The sizes of a convolution's maps, which are squares.
struct CodeWindows {
    let images, size, channels, kernel, stride, padding: Int

    var out: Int { (size + 2 * padding - kernel) / stride + 1 }
}

/// output = codes of a dense convolution; the patches of one output row at a time are copied to scratch.
final class CodeConvolutionStep: CodeStep {
    let name: StaticString = "convolution"
    private let table: UnsafePointer<ofa_code_kernels>
    private let input, output: UnsafeMutablePointer<UInt8>
    private let layer: CodeLayer
    private let windows: CodeWindows
    private let zero: UInt8
    private let parts: Int

    init(
        _ windows: CodeWindows, zero: UInt8, threads: Int,
        table: UnsafePointer<ofa_code_kernels>, layer: CodeLayer,
        input: UnsafeMutablePointer<UInt8>, output: UnsafeMutablePointer<UInt8>
    ) {
        (self.table, self.layer, self.windows, self.zero) = (table, layer, windows, zero)
        (self.input, self.output) = (input, output)
        parts = threads > 1 ? min(2 * threads, windows.out) : 1
    }

    /// Bytes of a patch.
    private static func patch(_ windows: CodeWindows) -> Int {
        (windows.kernel * windows.kernel * windows.channels + 3) / 4 * 4
    }

    /// Bytes of scratch that a step needs.
    static func scratch(_ windows: CodeWindows) -> Int {
        patch(windows) * windows.out + Int(OFA_CODE_SLACK)
    }

    var items: Int { windows.images * parts }
    var macs: Int {
        windows.images * windows.out * windows.out * layer.outputs * layer.depth
    }
    var bytes: Int {
        windows.images
            * (windows.size * windows.size * windows.channels
                + windows.out * windows.out * layer.outputs)
    }

    func run(_ item: Int, _ scratch: UnsafeMutablePointer<UInt8>) {
        let image = item / parts, out = windows.out, patch = Self.patch(windows)
        let x = input + image * windows.size * windows.size * windows.channels
        var end = layer.end()
        for row in StepCut.range(item % parts, of: parts, out, step: 1) {
            ofa_code_patches(
                x, Int32(windows.size), Int32(windows.size), Int32(windows.channels),
                Int32(windows.kernel), Int32(windows.stride), Int32(row), Int32(out), zero,
                Int64(patch), scratch)
            var place = ofa_code_place(
                c: output + (image * out + row) * out * layer.outputs, places: nil,
                row: Int64(layer.outputs), block: Int64(CodeLayer.block))
            table.pointee.product(
                scratch, Int64(patch), Int32(out), Int32(layer.depth), layer.packed,
                Int32(layer.outputs), &end, &place)
        }
    }
}

/// output = codes of a depthwise convolution, of the input or of its expansion. A few blocks of channels at a time are
/// written to zero-padded planes in scratch, straight from the expansion's sums.
final class CodeExpansionStep: CodeStep {
    let name: StaticString = "expand depthwise"
    private let table: UnsafePointer<ofa_code_kernels>
    private let input, output: UnsafeMutablePointer<UInt8>
    private let expand: CodeLayer?
    private let depthwise: CodeLayer
    private let windows: CodeWindows
    private let zero: UInt8
    private let places: UnsafePointer<Int32>
    private let groups, blocksPerGroup: Int

    /// `zero` is the code of 0 of the map that the depthwise convolution reads; `places` has the place of each pixel in
    /// a plane.
    init(
        _ windows: CodeWindows, zero: UInt8, threads: Int,
        table: UnsafePointer<ofa_code_kernels>, expand: CodeLayer?, depthwise: CodeLayer,
        places: UnsafePointer<Int32>, input: UnsafeMutablePointer<UInt8>,
        output: UnsafeMutablePointer<UInt8>
    ) {
        (self.table, self.windows, self.zero) = (table, windows, zero)
        (self.expand, self.depthwise, self.places) = (expand, depthwise, places)
        (self.input, self.output) = (input, output)
        blocksPerGroup = Self.blocksPerGroup(windows)
        groups = (depthwise.blocks + blocksPerGroup - 1) / blocksPerGroup
    }

    /// Bytes of a plane's row.
    static func row(_ windows: CodeWindows) -> Int {
        (windows.size + 2 * windows.padding) * CodeLayer.block
    }

    private static func plane(_ windows: CodeWindows) -> Int {
        row(windows) * (windows.size + 2 * windows.padding)
    }

    /// As many planes as stay in half of a second-level cache of 1 MB, at most four: a product takes four blocks at a
    /// time.
    private static func blocksPerGroup(_ windows: CodeWindows) -> Int {
        min(4, max(1, 512 * 1024 / plane(windows)))
    }

    /// Bytes of scratch that a step needs.
    static func scratch(_ windows: CodeWindows) -> Int {
        blocksPerGroup(windows) * plane(windows) + Int(OFA_CODE_SLACK)
    }

    var items: Int { windows.images * groups }
    var macs: Int {
        let pixels = windows.size * windows.size, out = windows.out * windows.out
        return windows.images
            * (pixels * (expand.map { $0.depth * $0.outputs } ?? 0)
                + out * depthwise.outputs * depthwise.depth)
    }
    var bytes: Int {
        windows.images
            * (windows.size * windows.size * windows.channels
                + windows.out * windows.out * depthwise.outputs)
    }

    func run(_ item: Int, _ scratch: UnsafeMutablePointer<UInt8>) {
        let image = item / groups, group = item % groups, size = windows.size
        let first = group * blocksPerGroup
        let last = min(first + blocksPerGroup, depthwise.blocks)
        let plane = Self.plane(windows), row = Self.row(windows), block = CodeLayer.block
        let x = input + image * size * size * windows.channels
        if let expand {
            for index in 0..<last - first {
                ofa_code_border(
                    Int32(size), Int32(windows.padding), zero, Int64(row), scratch + index * plane)
            }
            var end = expand.end(first * block)
            var place = ofa_code_place(
                c: scratch, places: places, row: 0, block: Int64(plane))
            table.pointee.product(
                x, Int64(expand.depth), Int32(size * size), Int32(expand.depth),
                expand.packed + first * expand.blockBytes,
                Int32(min(last * block, expand.outputs) - first * block), &end, &place)
        } else {
            for index in first..<last {
                ofa_code_plane(
                    x, Int32(size), Int32(size), Int32(windows.channels), Int32(index * block),
                    Int32(min(block, windows.channels - index * block)), Int32(windows.padding),
                    zero, Int64(row), scratch + (index - first) * plane)
            }
        }
        var window = ofa_code_window(
            out_height: Int32(windows.out), out_width: Int32(windows.out),
            kernel: Int32(windows.kernel), stride: Int32(windows.stride), row: Int64(row))
        let filter = Int(ofa_code_packed_filter(Int32(windows.kernel)))
        let y = output + image * windows.out * windows.out * depthwise.outputs
        for index in first..<last {
            var end = depthwise.end(index * block)
            table.pointee.depthwise(
                &window, scratch + (index - first) * plane, depthwise.packed + index * filter,
                Int32(min(block, depthwise.outputs - index * block)), &end, y + index * block,
                Int64(depthwise.outputs))
        }
    }
}

/// logits = the sums of the last layer times their scales.
final class CodeLogitsStep: CodeStep {
    let name: StaticString = "dense"
    private let table: UnsafePointer<ofa_code_kernels>
    private let input: UnsafeMutablePointer<UInt8>
    private let output: UnsafeMutablePointer<Float>
    private let layer: CodeLayer
    private let images: Int
    let items = 1

    init(
        images: Int, table: UnsafePointer<ofa_code_kernels>, layer: CodeLayer,
        input: UnsafeMutablePointer<UInt8>, output: UnsafeMutablePointer<Float>
    ) {
        (self.images, self.table, self.layer) = (images, table, layer)
        (self.input, self.output) = (input, output)
    }

    /// Bytes of scratch that a step needs.
    static func scratch(_ layer: CodeLayer) -> Int { 4 * layer.blocks * CodeLayer.block }

    var macs: Int { images * layer.depth * layer.outputs }
    var bytes: Int { layer.depth * layer.outputs }

    func run(_ item: Int, _ scratch: UnsafeMutablePointer<UInt8>) {
        UnsafeMutableRawPointer(scratch).withMemoryRebound(
            to: Int32.self, capacity: layer.outputs
        ) { sums in
            for image in 0..<images {
                table.pointee.sums(
                    input + image * layer.depth, Int32(layer.depth), layer.packed,
                    Int32(layer.outputs), layer.bias, sums)
                let to = output + image * layer.outputs
                for j in 0..<layer.outputs { to[j] = Float(sums[j]) * layer.factor[j] }
            }
        }
    }
}
