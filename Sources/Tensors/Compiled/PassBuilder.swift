// Builds a `CompiledPass`, operator by operator. The builder first records the operators and the sizes of their maps
// and weights; `finish` then places all of them in memory, packs the weights, and makes the steps.

import CKernels

/// A map of a pass under construction: (images, height, width, channels).
public struct PlannedMap: Sendable {
    fileprivate let number: Int
    /// The sizes of one image.
    public let height, width, channels: Int
    /// The map is the sum of so many arrays; more than 1 only for means.
    fileprivate var parts = 1

    /// Positions in one image.
    public var pixels: Int { height * width }
}

/// Records the operators of a pass, in the order in which they run.
public final class PassBuilder {
    /// The part of the network to which the next operators belong, for profiles.
    public var label = ""
    private let engine: CPUEngine
    private let images: Int
    private var plan = MemoryPlan()
    private var packers: [(PassMemory) -> Void] = []
    private var makers: [(PassBinding) -> any CompiledStep] = []
    private var labels: [String] = []
    private var endsPart: [Bool] = []
    private var weightFloats = 0
    private var scratchFloats = 1, scratchFloatsPerImage = 0
    private var inputShape: (height: Int, width: Int, channels: Int)?

    /// Starts a pass over `images` images on `engine`.
    public init(_ engine: CPUEngine, images: Int) {
        self.engine = engine
        self.images = images
    }

    private var table: UnsafePointer<ofa_kernels> { engine.instructionSet.table }
    private var kernels: ofa_kernels { table.pointee }

    /// Returns the images that the pass will read.
    public func input(height: Int, width: Int, channels: Int) -> PlannedMap {
        inputShape = (height, width, channels)
        return PlannedMap(
            number: PassBinding.inputNumber, height: height, width: width, channels: channels)
    }

    /// Ends a part of the network, which a pass with a clock times. The part began at the end of the part before it.
    public func endPart() {
        precondition(!makers.isEmpty, "a part has operators")
        endsPart[makers.count - 1] = true
    }

    /// Adds a convolution with padding kernel / 2, its norm and `activation`, and then `residual`. Before a convolution
    /// of 1×1, the map is multiplied by `gate` (images, channels).
    public func convolution(
        _ x: PlannedMap, weight: FilterSlice, norm: FoldedNorm, stride: Int = 1,
        activation: Activation, gate: PlannedMap? = nil, residual: PlannedMap? = nil
    ) -> PlannedMap {
        let y = add(
            height: (x.height - 1) / stride + 1, width: (x.width - 1) / stride + 1,
            channels: weight.outputs, reads: [x, gate, residual])
        let shift = reserveWeights(weight.outputs)
        let (packed, pack) = matrix(weight)
        let (threads, table) = (engine.threads, table)
        let makeStep: (PassBinding, PassPlace, PassPlace) -> any CompiledStep
        if weight.kernel == 1 {
            precondition(stride == 1, "a 1x1 convolution has stride 1")
            let sizes = (pixels: x.pixels, inputs: x.channels, outputs: weight.outputs)
            scratchFloats = max(
                scratchFloats,
                ProductStep.scratch(
                    .init(
                        images: 1, pixels: sizes.pixels, inputs: sizes.inputs,
                        outputs: sizes.outputs), gated: gate != nil))
            makeStep = { bound, weights, shift in
                ProductStep(
                    .init(
                        images: bound.images, pixels: sizes.pixels, inputs: sizes.inputs,
                        outputs: sizes.outputs), threads: threads, table: table,
                    input: bound.place(x),
                    packed: weights, shift: shift, activation: activation,
                    gate: gate.map(bound.place), residual: residual.map(bound.place),
                    output: bound.place(y))
            }
        } else {
            precondition(gate == nil, "only a 1x1 convolution takes a gate")
            let blocks = ConvolutionBlocks(
                height: x.height, width: x.width, inputs: x.channels, outputs: weight.outputs,
                kernel: weight.kernel, stride: stride)
            scratchFloats = max(scratchFloats, ConvolutionStep.scratch(blocks))
            makeStep = { bound, weights, shift in
                ConvolutionStep(
                    blocks, images: bound.images, threads: threads, table: table,
                    input: bound.place(x), packed: weights, shift: shift, activation: activation,
                    residual: residual.map(bound.place), output: bound.place(y))
            }
        }
        record { weights in
            pack(weights.base + packed, norm.scale.pointer)
            (weights.base + shift).update(from: norm.shift.pointer, count: y.channels)
        } step: { bound in
            makeStep(bound, bound.weight(packed), bound.weight(shift))
        }
        return y
    }

    /// The depthwise convolution of a block: its filters (channels, kernel * kernel) and its norm.
    public struct Depthwise {
        /// The filters of one channel after the other.
        public let filters: [Float]
        /// Height and width of a filter; the stride, 1 or 2.
        public let kernel, stride: Int
        /// The norm after the convolution.
        public let norm: FoldedNorm

        /// `filters` has kernel * kernel values per channel.
        public init(filters: [Float], kernel: Int, stride: Int, norm: FoldedNorm) {
            (self.filters, self.kernel, self.stride, self.norm) = (filters, kernel, stride, norm)
        }
    }

    /// Adds the beginning of an inverted residual block: the expansion with its norm, unless nil, and the depthwise
    /// convolution, each followed by `activation`. With `mean`, also returns the mean of each image and channel.
    public func expansion(
        _ x: PlannedMap, expand: (weight: FilterSlice, norm: FoldedNorm)?, _ depthwise: Depthwise,
        activation: Activation, mean: Bool
    ) -> (map: PlannedMap, mean: PlannedMap?) {
        let channels = expand?.weight.outputs ?? x.channels, kernel = depthwise.kernel
        let taps = kernel * kernel, stride = depthwise.stride
        let (height, width) = ((x.height - 1) / stride + 1, (x.width - 1) / stride + 1)
        precondition(
            depthwise.filters.count == channels * taps && [3, 5, 7].contains(kernel)
                && [1, 2].contains(depthwise.stride),
            "expansion: \(depthwise.filters.count) values are no filters of \(channels) channels,"
                + " kernel \(kernel)")
        let geometry = ofa_depthwise(
            images: 1, height: Int32(x.height), width: Int32(x.width), channels: Int32(channels),
            out_height: Int32(height), out_width: Int32(width), kernel: Int32(kernel),
            stride: Int32(stride))
        let shape = ExpansionStep.Shape(
            images: images, inputs: expand == nil ? 0 : x.channels, geometry: geometry)
        let threads = engine.threads
        let parts = shape.rowParts(threads: threads, panels: StepCut.panels(channels, kernels))
        let y = add(height: height, width: width, channels: channels, reads: [x])
        let means = mean ? addMeans(parts: parts, channels: channels) : nil
        scratchFloats = max(scratchFloats, Int(ofa_expansion_scratch(geometry)))
        let filter = reserveWeights(
            Int(kernels.packed_filter_floats(Int32(taps), Int32(channels))))
        let shift = reserveWeights(channels), expandShift = reserveWeights(channels)
        let matrix = expand.map { self.matrix($0.weight) }
        let table = table
        let packedMatrix = matrix?.packed
        record { weights in
            let ordered = Self.transposed(depthwise.filters, channels: channels)
            withExtendedLifetime(ordered) {
                table.pointee.pack_filter(
                    ordered.pointer, depthwise.norm.scale.pointer, Int32(taps), Int32(channels),
                    weights.base + filter)
            }
            (weights.base + shift).update(from: depthwise.norm.shift.pointer, count: channels)
            if let expand, let matrix {
                matrix.pack(weights.base + matrix.packed, expand.norm.scale.pointer)
                (weights.base + expandShift).update(
                    from: expand.norm.shift.pointer, count: channels)
            }
        } step: { bound in
            ExpansionStep(
                .init(images: bound.images, inputs: shape.inputs, geometry: geometry),
                rowParts: parts, threads: threads, table: table, input: bound.place(x),
                expand: packedMatrix.map { (bound.weight($0), bound.weight(expandShift)) },
                filter: bound.weight(filter), shift: bound.weight(shift), activation: activation,
                mean: means.map(bound.place), output: bound.place(y))
        }
        return (y, means)
    }

    /// Adds a dense layer with `activation` over features (1×1 maps or means).
    public func dense(
        _ x: PlannedMap, weight: MatrixSlice, bias: Tensor?, activation: Activation
    ) -> PlannedMap {
        dense(x, weight, bias, .activation(activation))
    }

    /// Adds the dense layer that computes the gate of squeeze-and-excite: relu6(x · weightᵀ + bias + 3) / 6.
    public func gate(_ x: PlannedMap, weight: MatrixSlice, bias: Tensor) -> PlannedMap {
        dense(x, weight, bias, .hardSigmoid)
    }

    private func dense(
        _ x: PlannedMap, _ weight: MatrixSlice, _ bias: Tensor?, _ end: DenseStep.End
    ) -> PlannedMap {
        precondition(
            x.pixels == 1 && x.channels == weight.columns,
            "dense: \(x.height)x\(x.width)x\(x.channels) for \(weight.columns) inputs")
        let y = add(height: 1, width: 1, channels: weight.rows, reads: [x])
        let (inputs, outputs) = (weight.columns, weight.rows)
        if x.parts > 1 { scratchFloatsPerImage = max(scratchFloatsPerImage, inputs) }
        // Without a bias these stay 0: a product applies an activation only together with a shift.
        let shift = reserveWeights(weight.rows)
        let (packed, pack) = matrix(
            weight.tensor, outputs: weight.rows, inputs: weight.columns, stride: weight.stride)
        let (threads, table) = (engine.threads, table)
        record { weights in
            pack(weights.base + packed, nil)
            if let bias { (weights.base + shift).update(from: bias.pointer, count: outputs) }
        } step: { bound in
            DenseStep(
                .init(images: bound.images, inputs: inputs, outputs: outputs, parts: x.parts),
                threads: threads, table: table, input: bound.place(x),
                packed: bound.weight(packed), bias: bound.weight(shift), end: end,
                output: bound.place(y))
        }
        return y
    }

    /// Adds the mean of each image and channel; its result is a map of 1×1.
    public func mean(_ x: PlannedMap) -> PlannedMap {
        mapStep(.mean, x, height: 1, width: 1)
    }

    /// Adds the maximum over windows of 3×3 pixels with stride 2 and padding 1.
    public func maxPooling(_ x: PlannedMap) -> PlannedMap {
        let (height, width) = ((x.height - 1) / 2 + 1, (x.width - 1) / 2 + 1)
        let windows = ofa_depthwise(
            images: 1, height: Int32(x.height), width: Int32(x.width), channels: Int32(x.channels),
            out_height: Int32(height), out_width: Int32(width), kernel: 3, stride: 2)
        return mapStep(.maximum(windows), x, height: height, width: width)
    }

    /// Adds the mean over adjacent windows of size × size pixels.
    public func meanPooling(_ x: PlannedMap, size: Int) -> PlannedMap {
        mapStep(
            .windowMean(size: size), x, height: (x.height + size - 1) / size,
            width: (x.width + size - 1) / size)
    }

    /// Adds `activation`(x + other), for maps of equal sizes.
    public func sum(_ x: PlannedMap, _ other: PlannedMap, activation: Activation) -> PlannedMap {
        let y = add(
            height: x.height, width: x.width, channels: x.channels, reads: [x, other])
        let table = table
        record { bound in
            MapStep(
                .sum(bound.place(other), activation), images: bound.images, height: x.height,
                width: x.width, channels: x.channels, outPixels: x.pixels, table: table,
                input: bound.place(x), output: bound.place(y))
        }
        return y
    }

    private func mapStep(
        _ operation: MapStep.Operation, _ x: PlannedMap, height: Int, width: Int
    ) -> PlannedMap {
        let y = add(height: height, width: width, channels: x.channels, reads: [x])
        let table = table
        record { bound in
            MapStep(
                operation, images: bound.images, height: x.height, width: x.width,
                channels: x.channels, outPixels: y.pixels, table: table, input: bound.place(x),
                output: bound.place(y))
        }
        return y
    }

    /// Returns the pass, whose result is `output` and whose maps are in `room`.
    public func finish(_ output: PlannedMap, room: PassRoom = PassRoom()) -> CompiledPass {
        guard let inputShape else { preconditionFailure("a pass needs an input") }
        plan.use(output.number, step: makers.count)
        let weights = Storage(count: weightFloats), place = PassMemory(weights.base)
        for pack in packers { pack(place) }
        return CompiledPass(
            PassPlan(
                inputShape: inputShape, weights: weights, maps: plan,
                output: (output.number, output.pixels * output.channels), makers: makers,
                labels: labels, endsPart: endsPart,
                scratch: (scratchFloats, scratchFloatsPerImage)),
            images: images, engine: engine, room: room)
    }
}

extension PassBuilder {
    /// Records an operator, whose operands were added before; `step` makes its step of a pass.
    private func record(_ step: @escaping (PassBinding) -> any CompiledStep) {
        makers.append(step)
        labels.append(label)
        endsPart.append(false)
    }

    /// Records an operator with weights, which `pack` writes. `step` must not hold the weights that `pack` reads.
    private func record(
        pack: @escaping (_ weights: PassMemory) -> Void,
        step: @escaping (PassBinding) -> any CompiledStep
    ) {
        packers.append(pack)
        record(step)
    }

    /// Adds the map that the next step writes, and records that this step reads `reads`.
    private func add(height: Int, width: Int, channels: Int, reads: [PlannedMap?]) -> PlannedMap {
        for case let map? in reads where map.number != PassBinding.inputNumber {
            plan.use(map.number, step: makers.count)
        }
        return PlannedMap(
            number: plan.add(height * width * channels, step: makers.count), height: height,
            width: width, channels: channels)
    }

    private func addMeans(parts: Int, channels: Int) -> PlannedMap {
        PlannedMap(
            number: plan.add(parts * channels, step: makers.count), height: 1, width: 1,
            channels: channels, parts: parts)
    }

    /// Returns the offset of `count` floats among the weights.
    private func reserveWeights(_ count: Int) -> Int {
        defer { weightFloats += Workspace.rounded(count) }
        return weightFloats
    }

    private typealias Packed = (
        packed: Int, pack: (UnsafeMutablePointer<Float>, UnsafePointer<Float>?) -> Void
    )

    /// Reserves memory for the matrix (inputs · taps, outputs) of a convolution. Returns its offset, and a function that
    /// packs the matrix, whose columns are multiplied by a factor each.
    private func matrix(_ weight: FilterSlice) -> Packed {
        guard weight.kernel > 1 else {
            return matrix(
                weight.tensor, outputs: weight.outputs, inputs: weight.inputs,
                stride: weight.storedInputs)
        }
        // A row of a zero-padded map has the order (column, input).
        let (inputs, taps) = (weight.inputs, weight.taps), depth = inputs * taps
        let ordered = Storage(count: weight.outputs * depth).all
        for output in 0..<weight.outputs {
            for input in 0..<inputs {
                for tap in 0..<taps {
                    ordered.pointer[output * depth + tap * inputs + input] =
                        weight.tensor.pointer[output * weight.outputStride + input * taps + tap]
                }
            }
        }
        return matrix(ordered, outputs: weight.outputs, inputs: depth, stride: depth)
    }

    private func matrix(_ tensor: Tensor, outputs: Int, inputs: Int, stride: Int) -> Packed {
        let table = table
        let offset = reserveWeights(
            Int(kernels.packed_floats(Int32(inputs), Int32(outputs))))
        return (
            offset,
            { to, factor in
                table.pointee.pack(
                    tensor.pointer, 1, Int64(stride), Int32(inputs), Int32(outputs), factor, 0,
                    Int32(outputs), to)
            }
        )
    }

    /// Returns filters (channels, taps) as (taps, channels).
    private static func transposed(_ filters: [Float], channels: Int) -> Tensor {
        let taps = filters.count / channels, result = Storage(count: filters.count).all
        for (index, value) in filters.enumerated() {
            result.pointer[index % taps * channels + index / taps] = value
        }
        return result
    }
}

extension PassBinding {
    fileprivate func place(_ map: PlannedMap) -> PassPlace { place(map: map.number) }
}
