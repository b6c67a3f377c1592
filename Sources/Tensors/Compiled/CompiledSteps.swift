// The operators of a compiled pass: products, dense convolutions, and the beginnings of inverted residual blocks.
// CompiledSteps+Small.swift has the operators without much work.

import CKernels

/// output = act(input · weights + shift) + residual over the pixels of a map. If there is a gate, the input's channels
/// are multiplied by it first.
final class ProductStep: CompiledStep {
    let name: StaticString = "pointwise"
    private let table: UnsafePointer<ofa_kernels>
    private let input, output, packed, shift: PassPlace
    private let gate, residual: PassPlace?
    private let images, pixels, inputs, outputs: Int
    private let activation: Int32
    /// The parts of the rows of an image, or of all images if there is no gate; the borders of the parts of the columns.
    private let rowParts: Int
    private let columnCuts: [Int]

    /// Images, positions in an image, and channels of input and output.
    struct Shape {
        let images, pixels, inputs, outputs: Int
    }

    init(
        _ shape: Shape, threads: Int, table: UnsafePointer<ofa_kernels>, input: PassPlace,
        packed: PassPlace, shift: PassPlace, activation: Activation, gate: PassPlace?,
        residual: PassPlace?, output: PassPlace
    ) {
        self.table = table
        (self.input, self.output, self.packed, self.shift) = (input, output, packed, shift)
        (self.gate, self.residual) = (gate, residual)
        // Without a gate the images are one long map.
        images = gate == nil ? 1 : shape.images
        pixels = gate == nil ? shape.images * shape.pixels : shape.pixels
        (inputs, outputs) = (shape.inputs, shape.outputs)
        self.activation = activation.code
        let rows = shape.images * shape.pixels
        let isShared = threads > 1 && rows * inputs * outputs >= StepCut.soloMacs
        let byColumns = isShared && rows < 24 * threads
        let blocks =
            (pixels + CPUEngine.blockRows(inputs + outputs) - 1)
            / CPUEngine.blockRows(inputs + outputs)
        // More parts than threads share the work evenly even if a thread comes late, but each reads the weights anew.
        let wanted = min(2 * threads, max((threads + images - 1) / images, rows / 192))
        rowParts = max(blocks, isShared && !byColumns ? min(wanted, max(1, pixels / 12)) : 1)
        columnCuts = StepCut.panels(outputs, parts: byColumns ? threads : 1, table.pointee)
        items = isShared ? images * rowParts * (columnCuts.count - 1) : 1
    }

    /// Floats of scratch that a step of this shape needs.
    static func scratch(_ shape: Shape, gated: Bool) -> Int {
        gated
            ? min(shape.pixels, CPUEngine.blockRows(shape.inputs + shape.outputs) + 24)
                * shape.inputs : 0
    }

    let items: Int
    var macs: Int { images * pixels * inputs * outputs }
    var weightFloats: Int { inputs * outputs + outputs }
    var mapFloats: Int { images * pixels * (inputs + (residual == nil ? 1 : 2) * outputs) }

    func run(_ item: Int, _ scratch: UnsafeMutablePointer<Float>) {
        let columnParts = columnCuts.count - 1, all = images * rowParts * columnParts
        let range = items == 1 ? 0..<all : item..<item + 1
        for part in range {
            let rows = StepCut.range(
                part / columnParts % rowParts, of: rowParts, pixels, step: 4)
            if rows.isEmpty { continue }
            let column = part % columnParts
            multiply(
                image: part / columnParts / rowParts, rows,
                columnCuts[column]..<columnCuts[column + 1], scratch)
        }
    }

    private func multiply(
        image: Int, _ rows: Range<Int>, _ columns: Range<Int>,
        _ scratch: UnsafeMutablePointer<Float>
    ) {
        let first = image * pixels + rows.lowerBound
        var from = UnsafePointer(input.pointer + first * inputs)
        if let gate {
            table.pointee.affine(
                ofa_map(from), 1, Int32(rows.count), Int32(inputs), ofa_affine(),
                gate.pointer + image * inputs, ofa_map(), scratch)
            from = UnsafePointer(scratch)
        }
        let offset = first * outputs + columns.lowerBound
        var end = ofa_end()
        end.shift = UnsafePointer(shift.pointer + columns.lowerBound)
        end.activation = activation
        end.residual = residual.map { UnsafePointer($0.pointer + offset) }
        table.pointee.product(
            from, Int64(inputs), Int32(rows.count), Int32(inputs),
            packed.pointer + inputs * columns.lowerBound, Int32(columns.count),
            output.pointer + offset, Int64(outputs), &end, nil)
    }
}

/// output = act(convolution(input) + shift) + residual. A few rows at a time are copied to a zero-padded map in scratch.
final class ConvolutionStep: CompiledStep {
    let name: StaticString = "convolution"
    private let table: UnsafePointer<ofa_kernels>
    private let input, output, packed, shift: PassPlace
    private let residual: PassPlace?
    private let images: Int
    private let blocks: ConvolutionBlocks
    private let activation: Int32
    private let parts: Int

    init(
        _ blocks: ConvolutionBlocks, images: Int, threads: Int, table: UnsafePointer<ofa_kernels>,
        input: PassPlace, packed: PassPlace, shift: PassPlace, activation: Activation,
        residual: PassPlace?, output: PassPlace
    ) {
        self.table = table
        (self.input, self.output, self.packed, self.shift) = (input, output, packed, shift)
        self.residual = residual
        self.images = images
        self.blocks = blocks
        self.activation = activation.code
        let needed = (blocks.outHeight + Self.rows(blocks) - 1) / Self.rows(blocks)
        parts = max(needed, min(blocks.outHeight, threads == 1 ? 1 : 2 * threads))
    }

    /// Output rows of a part, at most: their inputs and outputs should stay in cache.
    private static func rows(_ blocks: ConvolutionBlocks) -> Int {
        let inputs = blocks.stride * blocks.paddedWidth * blocks.inputs
        return max(4, CPUEngine.blockFloats / (inputs + blocks.outWidth * blocks.outputs))
    }

    /// Floats of scratch that this convolution needs.
    static func scratch(_ blocks: ConvolutionBlocks) -> Int {
        (rows(blocks) * blocks.stride + blocks.kernel) * blocks.paddedWidth * blocks.inputs
    }

    var items: Int { images * parts }
    var macs: Int {
        images * blocks.outHeight * blocks.outWidth * blocks.inputs * blocks.taps * blocks.outputs
    }
    var weightFloats: Int { (blocks.inputs * blocks.taps + 1) * blocks.outputs }
    var mapFloats: Int {
        let outputs = (residual == nil ? 1 : 2) * blocks.outputs
        return images
            * (blocks.inHeight * blocks.inWidth * blocks.inputs
                + blocks.outHeight * blocks.outWidth * outputs)
    }

    func run(_ item: Int, _ scratch: UnsafeMutablePointer<Float>) {
        let image = item / parts, rowFloats = blocks.paddedWidth * blocks.inputs
        let rows = StepCut.range(item % parts, of: parts, blocks.outHeight, step: 1)
        if rows.isEmpty { return }
        ofa_shifted(
            input.pointer + image * blocks.inHeight * blocks.inWidth * blocks.inputs, 0,
            Int32(blocks.inHeight), Int32(blocks.inWidth), Int32(blocks.inputs),
            Int32(rows.lowerBound * blocks.stride - blocks.padding), Int32(-blocks.padding), 1,
            Int32((rows.count - 1) * blocks.stride + blocks.kernel), Int32(blocks.paddedWidth),
            scratch)
        var from = ofa_filter_rows(
            count: Int32(blocks.kernel), depth: Int32(blocks.kernel * blocks.inputs),
            distance: Int64(rowFloats), step: Int64(blocks.stride * blocks.inputs))
        for row in rows {
            let offset = (image * blocks.outHeight + row) * blocks.outWidth * blocks.outputs
            var end = ofa_end()
            end.shift = UnsafePointer(shift.pointer)
            end.activation = activation
            end.residual = residual.map { UnsafePointer($0.pointer + offset) }
            table.pointee.convolve(
                scratch + (row - rows.lowerBound) * blocks.stride * rowFloats, &from,
                Int32(blocks.outWidth), packed.pointer, Int32(blocks.outputs),
                output.pointer + offset, &end)
        }
    }
}

/// The expansion, the depthwise convolution and, for squeeze-and-excite, the mean of an inverted residual block.
final class ExpansionStep: CompiledStep {
    let name: StaticString = "expandDepthwise"
    private let table: UnsafePointer<ofa_kernels>
    private let input, output, filter, shift: PassPlace
    private let expand, expandShift, mean: PassPlace?
    private let geometry: ofa_depthwise
    private let images, inputs: Int
    private let activation: Int32
    private let rowParts: Int
    private let columnCuts: [Int]

    /// The sizes of a step; `inputs` is 0 without an expansion.
    struct Shape {
        let images, inputs: Int
        let geometry: ofa_depthwise

        var macs: Int {
            let g = geometry, pixels = Int(g.height * g.width)
            let taps = Int(g.kernel * g.kernel), outPixels = Int(g.out_height * g.out_width)
            return images * Int(g.channels) * (pixels * inputs + outPixels * taps)
        }

        /// Returns into how many parts of rows the threads cut an image. Parts of rows compute some rows of the
        /// expansion twice, parts of columns do not; but the panels of a narrow map are too few to share evenly.
        func rowParts(threads: Int, panels: [Int]) -> Int {
            guard threads > 1, macs >= StepCut.soloMacs else { return 1 }
            let height = Int(geometry.out_height),
                shared = Double(geometry.kernel - geometry.stride)
            func time(_ parts: Int) -> Double {
                var busy = [Double](repeating: 0, count: threads)
                let rows = Double(height * Int(geometry.stride)) / Double(parts) + shared
                for _ in 0..<images * parts {
                    for (first, end) in zip(panels, panels.dropFirst()) {
                        let idle = busy.indices.min { busy[$0] < busy[$1] } ?? 0
                        busy[idle] += rows * Double(end - first)
                    }
                }
                return busy.max() ?? 0
            }
            return (1...min(threads, max(1, height / 4))).min { time($0) < time($1) } ?? 1
        }
    }

    init(
        _ shape: Shape, rowParts: Int, threads: Int, table: UnsafePointer<ofa_kernels>,
        input: PassPlace, expand: (packed: PassPlace, shift: PassPlace)?, filter: PassPlace,
        shift: PassPlace, activation: Activation, mean: PassPlace?, output: PassPlace
    ) {
        self.table = table
        (self.input, self.output, self.filter, self.shift) = (input, output, filter, shift)
        (self.expand, expandShift, self.mean) = (expand?.packed, expand?.shift, mean)
        (images, inputs, geometry) = (shape.images, shape.inputs, shape.geometry)
        self.activation = activation.code
        self.rowParts = rowParts
        macs = shape.macs
        let isShared = threads > 1 && macs >= StepCut.soloMacs
        let channels = Int(shape.geometry.channels)
        columnCuts = isShared ? StepCut.panels(channels, table.pointee) : [0, channels]
        items = isShared ? images * rowParts * (columnCuts.count - 1) : 1
    }

    let items: Int
    let macs: Int
    var weightFloats: Int {
        let g = geometry
        return Int(g.channels) * (Int(g.kernel * g.kernel) + 1 + (inputs == 0 ? 0 : inputs + 1))
    }
    var mapFloats: Int {
        let g = geometry, channels = Int(g.channels)
        return images
            * (Int(g.height * g.width) * (inputs == 0 ? channels : inputs)
                + Int(g.out_height * g.out_width) * channels)
    }

    func run(_ item: Int, _ scratch: UnsafeMutablePointer<Float>) {
        let panels = columnCuts.count - 1
        let range = items == 1 ? 0..<images * rowParts * panels : item..<item + 1
        for part in range {
            convolve(
                image: part / panels / rowParts, part: part / panels % rowParts,
                columnCuts[part % panels]..<columnCuts[part % panels + 1], scratch)
        }
    }

    private func convolve(
        image: Int, part: Int, _ columns: Range<Int>, _ scratch: UnsafeMutablePointer<Float>
    ) {
        let g = geometry, channels = Int(g.channels)
        let rows = StepCut.range(part, of: rowParts, Int(g.out_height), step: 2)
        var block = ofa_expansion(
            d: g, inputs: Int32(inputs), activation: activation,
            expand: expand.map { UnsafePointer($0.pointer) },
            expand_shift: expandShift.map { UnsafePointer($0.pointer) },
            filter: UnsafePointer(filter.pointer), shift: UnsafePointer(shift.pointer))
        let imageFloats = Int(g.height * g.width) * (inputs == 0 ? channels : inputs)
        table.pointee.expand_depthwise(
            &block, input.pointer + image * imageFloats, Int32(rows.lowerBound),
            Int32(rows.upperBound), Int32(columns.lowerBound), Int32(columns.upperBound),
            output.pointer + image * Int(g.out_height * g.out_width) * channels,
            mean.map { $0.pointer + (part * images + image) * channels }, scratch)
    }
}
