// Builds a `CodePass`, operator by operator. The builder first records the operators and the sizes of their maps and
// weights; `finish` then places all of them in memory, packs the weights, and makes the steps.

import CKernels

/// A map of codes of a pass under construction: (images, size, size, channels).
public struct PlannedCodes: Sendable {
    fileprivate let number: Int
    /// Height and width; the number of channels.
    public let size, channels: Int
    /// The meaning of the codes.
    public let quantisation: Quantisation
}

/// The integers of a layer, and the codes that its sums become.
public struct CodeWeights {
    /// The weights (outputs, weights of an output), their scales and the biases, one per output.
    public let values: [Int8], scales: [Float], bias: [Int32]
    /// The meaning of the sums' codes.
    public let sums: Quantisation
    /// The function that follows and the meaning of its codes; nil for none.
    public let function: (kind: CodeFunction, output: Quantisation)?

    /// Takes the integers of a layer. If a function follows, its codes are the layer's output.
    public init(
        values: [Int8], scales: [Float], bias: [Int32], sums: Quantisation,
        function: (kind: CodeFunction, output: Quantisation)? = nil
    ) {
        (self.values, self.scales, self.bias) = (values, scales, bias)
        (self.sums, self.function) = (sums, function)
    }

    var outputs: Int { scales.count }
    var depth: Int { values.count / scales.count }
    /// The meaning of the layer's output.
    var output: Quantisation { function?.output ?? sums }
}

/// Records the operators of a pass over codes, in the order in which they run.
public final class CodePassBuilder {
    /// The part of the network to which the next operators belong, for profiles.
    public var label = ""
    private let engine: CPUEngine
    private let images: Int
    private let table: UnsafePointer<ofa_code_kernels>
    private var plan = MemoryPlan()
    private var makers: [(Bound) -> any CodeStep] = []
    private var labels: [String] = []
    private var weightBytes = 0
    private var scratchBytes = 64
    private var source = CodeSource(count: 0)

    /// The arrays of a pass, from which the recorded operators make their steps.
    private struct Bound {
        let weights, maps: CodeMemory
        let logits: UnsafeMutablePointer<Float>
        let offsets: [Int]

        func place(_ map: PlannedCodes) -> UnsafeMutablePointer<UInt8> {
            maps.base + offsets[map.number]
        }
    }

    /// Starts a pass over `images` images on `engine`.
    public init(_ engine: CPUEngine, images: Int) {
        self.engine = engine
        self.images = images
        table = engine.instructionSet.codes
    }

    /// Adds the quantisation of the images that the pass will read.
    public func input(size: Int, channels: Int, _ quantisation: Quantisation) -> PlannedCodes {
        let source = CodeSource(count: images * size * size * channels), table = table
        self.source = source
        let y = add(size: size, channels: channels, quantisation, reads: [])
        record { CodeInputStep(source, quantisation, table: table, output: $0.place(y)) }
        return y
    }

    /// Adds a convolution of 1×1 or, on features, a linear layer.
    public func product(_ x: PlannedCodes, _ weights: CodeWeights) -> PlannedCodes {
        precondition(weights.depth == x.channels, "\(weights.depth) weights, \(x.channels) inputs")
        let y = add(size: x.size, channels: weights.outputs, weights.output, reads: [x])
        let layer = matrix(weights, from: x.quantisation)
        let (rows, threads, table) = (images * x.size * x.size, engine.threads, table)
        record { bound in
            CodeProductStep(
                rows: rows, threads: threads, table: table, layer: layer(bound),
                input: bound.place(x), output: bound.place(y))
        }
        return y
    }

    /// Adds a dense convolution with filters (outputs, inputs, kernel, kernel).
    public func convolution(
        _ x: PlannedCodes, _ weights: CodeWeights, kernel: Int, stride: Int, padding: Int
    ) -> PlannedCodes {
        let windows = windows(x, kernel, stride, padding), taps = kernel * kernel
        precondition(weights.depth == taps * x.channels, "filters of \(weights.depth) weights")
        let y = add(size: windows.out, channels: weights.outputs, weights.output, reads: [x])
        // A patch has the order (row, column, input).
        var values = weights.values
        for output in 0..<weights.outputs {
            for input in 0..<x.channels {
                for tap in 0..<taps {
                    values[output * weights.depth + tap * x.channels + input] =
                        weights.values[output * weights.depth + input * taps + tap]
                }
            }
        }
        let layer = matrix(
            CodeWeights(
                values: values, scales: weights.scales, bias: weights.bias, sums: weights.sums,
                function: weights.function), from: x.quantisation)
        scratchBytes = max(scratchBytes, CodeConvolutionStep.scratch(windows))
        let (threads, table) = (engine.threads, table)
        record { bound in
            CodeConvolutionStep(
                windows, zero: x.quantisation.zero, threads: threads, table: table,
                layer: layer(bound), input: bound.place(x), output: bound.place(y))
        }
        return y
    }

    /// Adds a depthwise convolution with filters (channels, kernel, kernel), after the convolution of 1×1 `expand`
    /// unless that is nil.
    public func expansion(
        _ x: PlannedCodes, expand: CodeWeights?, _ depthwise: CodeWeights, kernel: Int,
        stride: Int
    ) -> PlannedCodes {
        precondition(
            [3, 5, 7].contains(kernel) && [1, 2].contains(stride)
                && depthwise.depth == kernel * kernel
                && depthwise.outputs == (expand?.outputs ?? x.channels),
            "a depthwise convolution of kernel \(kernel), stride \(stride)")
        let windows = windows(x, kernel, stride, kernel / 2)
        let y = add(size: windows.out, channels: depthwise.outputs, depthwise.output, reads: [x])
        let middle = expand?.output ?? x.quantisation
        let first = expand.map { matrix($0, from: x.quantisation) }
        let second = filters(depthwise, kernel: kernel, from: middle)
        let places = reserve(4 * x.size * x.size)
        scratchBytes = max(scratchBytes, CodeExpansionStep.scratch(windows))
        let (threads, table, size) = (engine.threads, table, x.size)
        record { bound in
            let row = CodeExpansionStep.row(windows), pad = windows.padding
            let to = Self.ints(bound.weights.base + places, size * size)
            for pixel in 0..<size * size {
                to[pixel] = Int32(
                    (pixel / size + pad) * row + (pixel % size + pad) * CodeLayer.block)
            }
            return CodeExpansionStep(
                windows, zero: middle.zero, threads: threads, table: table,
                expand: first.map { $0(bound) }, depthwise: second(bound), places: to,
                input: bound.place(x), output: bound.place(y))
        }
        return y
    }

    /// Adds a function of each number.
    public func function(_ x: PlannedCodes, _ kind: CodeFunction, _ output: Quantisation)
        -> PlannedCodes
    {
        let offset = reserve(256), values = kind.table(from: x.quantisation, to: output)
        return map(x, size: x.size, output) { bound in
            (bound.weights.base + offset).update(from: values, count: 256)
            return .table(bound.weights.base + offset)
        }
    }

    /// Adds the sum of two maps.
    public func sum(_ x: PlannedCodes, _ other: PlannedCodes, _ output: Quantisation)
        -> PlannedCodes
    {
        let sum = CodeSum(x.quantisation, other.quantisation, to: output)
        return map(x, size: x.size, output, other: other) { .sum($0.place(other), sum) }
    }

    /// Adds the product of a map and a map of 1×1, by channel.
    public func gate(_ x: PlannedCodes, _ gate: PlannedCodes, _ output: Quantisation)
        -> PlannedCodes
    {
        let product = CodeProduct(x.quantisation, gate.quantisation, to: output)
        return map(x, size: x.size, output, other: gate) { .gate($0.place(gate), product) }
    }

    /// Adds the mean of each image and channel.
    public func mean(_ x: PlannedCodes, _ output: Quantisation) -> PlannedCodes {
        scratchBytes = max(scratchBytes, CodeMapStep.scratch(channels: x.channels))
        return map(x, size: 1, output) { _ in .mean(x.quantisation, output) }
    }

    /// Adds the mean over adjacent windows of size × size pixels.
    public func meanPooling(_ x: PlannedCodes, size: Int, _ output: Quantisation) -> PlannedCodes {
        map(x, size: (x.size + size - 1) / size, output) { _ in
            .windowMean(size: size, x.quantisation, output)
        }
    }

    /// Adds the maximum over windows. The codes keep their meaning.
    public func maxPooling(_ x: PlannedCodes, size: Int, stride: Int, padding: Int) -> PlannedCodes
    {
        let windows = windows(x, size, stride, padding)
        return map(x, size: windows.out, x.quantisation) { _ in .maximum(windows) }
    }

    /// Returns a map of 1×1 as features; needs no operator.
    public func flatten(_ x: PlannedCodes) -> PlannedCodes {
        precondition(x.size == 1, "features of \(x.size)x\(x.size) pixels")
        return x
    }

    /// Adds the last layer, whose output are floats, and returns the pass. `weights.sums` is not read.
    public func finish(_ x: PlannedCodes, logits weights: CodeWeights) -> CodePass {
        plan.use(x.number, step: makers.count)
        let layer = matrix(weights, from: x.quantisation, isLast: true)
        let (images, table) = (images, table)
        scratchBytes = max(scratchBytes, 4 * (weights.outputs + CodeLayer.block))
        record { bound in
            CodeLogitsStep(
                images: images, table: table, layer: layer(bound), input: bound.place(x),
                output: bound.logits)
        }
        let (offsets, bytes) = plan.placed()
        // Products read up to three bytes beyond a row.
        let maps = CodeMemory(bytes + Int(OFA_CODE_SLACK)), packed = CodeMemory(weightBytes)
        let logits = Storage(count: images * weights.outputs).all
        let bound = Bound(
            weights: packed, maps: maps, logits: logits.pointer, offsets: offsets)
        return CodePass(
            engine: engine, images: images, output: logits, source: source,
            steps: makers.map { $0(bound) }, labels: labels, scratchBytes: scratchBytes,
            weights: packed, maps: maps)
    }
}

extension CodePassBuilder {
    private func record(_ make: @escaping (Bound) -> any CodeStep) {
        makers.append(make)
        labels.append(label)
    }

    private func windows(_ x: PlannedCodes, _ kernel: Int, _ stride: Int, _ padding: Int)
        -> CodeWindows
    {
        CodeWindows(
            images: images, size: x.size, channels: x.channels, kernel: kernel, stride: stride,
            padding: padding)
    }

    /// Adds the map that the next step writes, and records that this step reads `reads`.
    private func add(
        size: Int, channels: Int, _ quantisation: Quantisation, reads: [PlannedCodes]
    ) -> PlannedCodes {
        for map in reads { plan.use(map.number, step: makers.count) }
        return PlannedCodes(
            number: plan.add(images * size * size * channels, step: makers.count), size: size,
            channels: channels, quantisation: quantisation)
    }

    private func map(
        _ x: PlannedCodes, size: Int, _ output: Quantisation, other: PlannedCodes? = nil,
        _ operation: @escaping (Bound) -> CodeMapStep.Operation
    ) -> PlannedCodes {
        let y = add(
            size: size, channels: x.channels, output, reads: [x] + (other.map { [$0] } ?? []))
        let (images, table) = (images, table)
        record { bound in
            CodeMapStep(
                operation(bound), images: images, size: x.size, channels: x.channels,
                outSize: size, table: table, input: bound.place(x), output: bound.place(y))
        }
        return y
    }

    /// Returns the offset of `count` bytes among the weights.
    private func reserve(_ count: Int) -> Int {
        defer { weightBytes += (count + 63) / 64 * 64 }
        return weightBytes
    }

    private static func ints(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int)
        -> UnsafeMutablePointer<Int32>
    {
        UnsafeMutableRawPointer(bytes).bindMemory(to: Int32.self, capacity: count)
    }

    /// Reserves memory for the matrix of a layer. Returns a function that packs it. With `isLast`, the factors are those
    /// from sums to numbers.
    private func matrix(_ weights: CodeWeights, from input: Quantisation, isLast: Bool = false)
        -> (Bound) -> CodeLayer
    {
        let (depth, outputs) = (weights.depth, weights.outputs)
        let packed = reserve(Int(ofa_code_packed(Int32(depth), Int32(outputs))))
        return layer(weights, packed, from: input, isLast: isLast) { to in
            ofa_code_pack(weights.values, Int32(depth), Int32(outputs), to, nil)
        }
    }

    /// Reserves memory for depthwise filters. Returns a function that packs them.
    private func filters(_ weights: CodeWeights, kernel: Int, from input: Quantisation)
        -> (Bound) -> CodeLayer
    {
        let block = CodeLayer.block, blocks = (weights.outputs + block - 1) / block
        let bytes = Int(ofa_code_packed_filter(Int32(kernel)))
        return layer(weights, reserve(blocks * bytes), from: input, isLast: false) { to in
            weights.values.withUnsafeBufferPointer { values in
                guard let base = values.baseAddress else { return }
                for index in 0..<blocks {
                    ofa_code_pack_filter(
                        base + index * block * weights.depth, Int32(kernel),
                        Int32(min(block, weights.outputs - index * block)), to + index * bytes)
                }
            }
        }
    }

    private func layer(
        _ weights: CodeWeights, _ packed: Int, from input: Quantisation, isLast: Bool,
        _ pack: @escaping (UnsafeMutablePointer<Int8>) -> Void
    ) -> (Bound) -> CodeLayer {
        let padded = (weights.outputs + CodeLayer.block - 1) / CodeLayer.block * CodeLayer.block
        let bias = reserve(4 * padded), factor = reserve(4 * padded)
        let table = weights.function.map { _ in reserve(256) }
        return { bound in
            let base = bound.weights.base
            let values = UnsafeMutableRawPointer(base + packed).assumingMemoryBound(to: Int8.self)
            pack(values)
            let biases = Self.ints(base + bias, padded)
            let factors = UnsafeMutableRawPointer(base + factor).bindMemory(
                to: Float.self, capacity: padded)
            for output in 0..<weights.outputs {
                let row = weights.values[output * weights.depth..<(output + 1) * weights.depth]
                let sum = row.reduce(Int32(0)) { $0 + Int32($1) }
                // Padding reads as the code of 0, so every sum has the same offset.
                biases[output] = weights.bias[output] - Int32(input.zero) * sum
                let real = input.scale * weights.scales[output]
                factors[output] = isLast ? real : real / weights.sums.scale
            }
            if let table, let function = weights.function {
                (base + table).update(
                    from: function.kind.table(from: weights.sums, to: function.output), count: 256)
            }
            return CodeLayer(
                packed: UnsafePointer(values), bias: UnsafePointer(biases),
                factor: UnsafePointer(factors),
                table: table.map { UnsafePointer(base + $0) }, zero: Int32(weights.sums.zero),
                outputs: weights.outputs, depth: weights.depth)
        }
    }
}
