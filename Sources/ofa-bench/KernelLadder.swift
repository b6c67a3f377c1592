// Times the operators of `ofa-bench kernels` in shapes of the published networks. Operators are fused with other work
// as in a training step.
import Foundation
import Tensors

/// Times operators of one instruction set on one thread.
struct KernelLadder {
    /// One operator's shape; feature maps are square.
    enum Shape {
        case convolution(size: Int, inputs: Int, outputs: Int, stride: Int, mapped: Bool)
        case pointwise(size: Int, inputs: Int, outputs: Int, format: MapFormat = .float32)
        /// A projection after squeeze-and-excite: the input is multiplied by a gate, and the backward pass also
        /// computes the five sums for the gate's gradient.
        case gated(size: Int, inputs: Int, outputs: Int)
        case depthwise(
            size: Int, channels: Int, kernel: Int, stride: Int, format: MapFormat = .float32)
        case dense(rows: Int, inputs: Int, outputs: Int)
        case elementwise(size: Int, channels: Int)
        case loss(rows: Int, classes: Int)
        case optimizer(parameters: Int)
        /// Operators of compiled passes: the beginning of an inverted residual block, one row times a matrix, and a
        /// convolution.
        case expansion(size: Int, inputs: Int, channels: Int, kernel: Int, stride: Int)
        case row(inputs: Int, outputs: Int)
        case compiled(size: Int, inputs: Int, outputs: Int, kernel: Int, stride: Int)
        /// The same three operators on codes of eight bits, and the sum of two maps of codes.
        case codeExpansion(size: Int, inputs: Int, channels: Int, kernel: Int, stride: Int)
        case codeRow(inputs: Int, outputs: Int)
        case codes(size: Int, inputs: Int, outputs: Int, kernel: Int, stride: Int)
        case codeSum(size: Int, channels: Int)
    }

    /// The fastest run of one operator.
    struct Found {
        /// The operator and its shape.
        let name: String
        /// GFLOP/s or GB/s.
        let unit: String
        /// The rate in `unit`, and the milliseconds of the run.
        let rate, ms: Double
    }

    /// Shapes of `ofa-mbv3-w1.0` at 128 pixels, from the first layer to the last, and 3×3
    /// convolutions of ResNet bottlenecks.
    static let shapes: [Shape] = [
        .convolution(size: 128, inputs: 3, outputs: 16, stride: 2, mapped: false),
        .convolution(size: 32, inputs: 88, outputs: 88, stride: 1, mapped: true),
        .convolution(size: 16, inputs: 176, outputs: 176, stride: 2, mapped: true),
        .convolution(size: 8, inputs: 360, outputs: 360, stride: 1, mapped: true),
        .pointwise(size: 64, inputs: 16, outputs: 96),
        .pointwise(size: 32, inputs: 144, outputs: 24),
        .pointwise(size: 16, inputs: 40, outputs: 240),
        .pointwise(size: 8, inputs: 480, outputs: 80),
        .pointwise(size: 4, inputs: 160, outputs: 960),
        .gated(size: 16, inputs: 240, outputs: 40),
        .depthwise(size: 64, channels: 96, kernel: 7, stride: 2),
        .depthwise(size: 32, channels: 144, kernel: 7, stride: 1),
        .depthwise(size: 16, channels: 240, kernel: 5, stride: 1),
        .depthwise(size: 32, channels: 72, kernel: 3, stride: 1),
        .depthwise(size: 16, channels: 240, kernel: 3, stride: 2),
        .pointwise(size: 64, inputs: 16, outputs: 96, format: .bfloat16),
        .pointwise(size: 16, inputs: 40, outputs: 240, format: .bfloat16),
        .pointwise(size: 4, inputs: 160, outputs: 960, format: .bfloat16),
        .depthwise(size: 32, channels: 144, kernel: 7, stride: 1, format: .bfloat16),
        .depthwise(size: 16, channels: 240, kernel: 3, stride: 2, format: .bfloat16),
        .dense(rows: 32, inputs: 240, outputs: 64),
        .dense(rows: 32, inputs: 960, outputs: 1280),
        .elementwise(size: 64, channels: 16),
        .elementwise(size: 16, channels: 240),
        .loss(rows: 32, classes: 1000),
        .optimizer(parameters: 1 << 22),
        .expansion(size: 64, inputs: 16, channels: 96, kernel: 7, stride: 2),
        .expansion(size: 32, inputs: 24, channels: 144, kernel: 3, stride: 1),
        .expansion(size: 16, inputs: 40, channels: 240, kernel: 5, stride: 1),
        .expansion(size: 8, inputs: 112, channels: 672, kernel: 7, stride: 1),
        .row(inputs: 240, outputs: 64),
        .row(inputs: 1280, outputs: 1000),
        .compiled(size: 128, inputs: 3, outputs: 16, kernel: 3, stride: 2),
        .compiled(size: 16, inputs: 176, outputs: 176, kernel: 3, stride: 1),
        .compiled(size: 8, inputs: 480, outputs: 80, kernel: 1, stride: 1),
        .codeExpansion(size: 64, inputs: 16, channels: 96, kernel: 7, stride: 2),
        .codeExpansion(size: 32, inputs: 24, channels: 144, kernel: 3, stride: 1),
        .codeExpansion(size: 16, inputs: 40, channels: 240, kernel: 5, stride: 1),
        .codeExpansion(size: 8, inputs: 112, channels: 672, kernel: 7, stride: 1),
        .codeRow(inputs: 1280, outputs: 1000),
        .codes(size: 128, inputs: 3, outputs: 16, kernel: 3, stride: 2),
        .codes(size: 16, inputs: 176, outputs: 176, kernel: 3, stride: 1),
        .codes(size: 16, inputs: 40, outputs: 240, kernel: 1, stride: 1),
        .codes(size: 8, inputs: 480, outputs: 80, kernel: 1, stride: 1),
        .codeSum(size: 32, channels: 24),
    ]

    let engine: CPUEngine
    let images: Int
    let runs: Int

    /// Prepares to time operators of instruction set `set` on `images` images; the fastest of `runs` runs counts.
    init(_ set: InstructionSet, images: Int, runs: Int) throws {
        engine = try CPUEngine(threads: 1, instructionSet: set)
        self.images = images
        self.runs = runs
    }

    /// Times every operator of a shape.
    func measure(_ shape: Shape) -> [Found] {
        switch shape {
        case .convolution(let size, let inputs, let outputs, let stride, let mapped):
            convolution(size, inputs, outputs, stride, mapped)
        case .pointwise(let size, let inputs, let outputs, let format):
            pointwise(size, inputs, outputs, gated: false, format)
        case .gated(let size, let inputs, let outputs):
            pointwise(size, inputs, outputs, gated: true, .float32)
        case .depthwise(let size, let channels, let kernel, let stride, let format):
            depthwise(size, channels, kernel, stride, format)
        case .dense(let rows, let inputs, let outputs): dense(rows, inputs, outputs)
        case .elementwise(let size, let channels): elementwise(size, channels)
        case .loss(let rows, let classes): loss(rows, classes)
        case .optimizer(let parameters): optimizer(parameters)
        case .expansion(let size, let inputs, let channels, let kernel, let stride):
            expansion(size, inputs, channels, kernel, stride)
        case .row(let inputs, let outputs): row(inputs, outputs)
        case .compiled(let size, let inputs, let outputs, let kernel, let stride):
            compiled(size, inputs, outputs, kernel, stride)
        case .codeExpansion(let size, let inputs, let channels, let kernel, let stride):
            codeExpansion(size, inputs, channels, kernel, stride)
        case .codeRow(let inputs, let outputs): codeRow(inputs, outputs)
        case .codes(let size, let inputs, let outputs, let kernel, let stride):
            codes(size, inputs, outputs, kernel, stride)
        case .codeSum(let size, let channels): codeSum(size, channels)
        }
    }

    /// A map of random values in −0.5…0.5.
    func map(_ size: Int, _ channels: Int, _ format: MapFormat = .float32) -> FeatureMap {
        let storage = Storage(count: images * size * size * channels)
        var stream = RandomStream(seed: 1, size, channels)
        for index in 0..<storage.count {
            // Both halves of its bits are a 16-bit value of about the same size, so either format reads usual numbers.
            let half = (stream.uniform() - 0.5).bitPattern >> 16
            storage.all[index] = Float(bitPattern: half << 16 | half)
        }
        return FeatureMap(
            storage.all, images: images, height: size, width: size, channels: channels,
            format: format)
    }

    private func suffix(_ format: MapFormat) -> String {
        format == .float32 ? "" : ", \(format.rawValue)"
    }

    func values(_ count: Int) -> Tensor { Tensor([Float](repeating: 0.01, count: count)) }

    private func norm(_ channels: Int) -> NormGradient {
        NormGradient(a: values(channels), b: values(channels), c: values(channels))
    }

    private func activated(_ channels: Int) -> ChannelMap {
        ChannelMap(scale: values(channels), shift: values(channels), activation: .hSwish)
    }

    func matrix(_ rows: Int, _ columns: Int) -> MatrixSlice {
        MatrixSlice(values(rows * columns), rows: rows, columns: columns, stride: columns)
    }

    private func convolution(
        _ size: Int, _ inputs: Int, _ outputs: Int, _ stride: Int, _ mapped: Bool
    ) -> [Found] {
        let out = (size - 1) / stride + 1,
            shape = "\(size) px, \(inputs) to \(outputs), kernel 3, stride \(stride)"
        let x = map(size, inputs), y = map(out, outputs), dx = map(size, inputs)
        let weight = FilterSlice(
            values(9 * inputs * outputs), outputs: outputs, inputs: inputs, kernel: 3,
            storedInputs: inputs)
        let dweight = FilterSlice(
            values(9 * inputs * outputs), outputs: outputs, inputs: inputs, kernel: 3,
            storedInputs: inputs)
        let (center, outCenter) = (values(inputs), values(outputs)), norm = norm(outputs)
        let upstream = Upstream(y, y: y, map: activated(outputs))
        let scale = mapped ? activated(inputs) : .identity
        return [
            fastest("convolution", shape) {
                engine.convolution(
                    x, map: scale, weight: weight, stride: stride, output: y,
                    end: .statistics(center: outCenter))
            },
            fastest("convolutionGradient", shape) {
                engine.convolutionGradient(
                    upstream, norm: norm, input: x, map: scale, weight: weight, stride: stride,
                    inputGradient: mapped ? dx : nil,
                    sums: mapped ? .slope(center: center) : .none, weightGradient: dweight)
            },
        ]
    }

    private func pointwise(
        _ size: Int, _ inputs: Int, _ outputs: Int, gated: Bool, _ format: MapFormat
    ) -> [Found] {
        let shape =
            "\(size) px, \(inputs) to \(outputs)" + (gated ? ", gated" : "") + suffix(format)
        let x = map(size, inputs, format), dx = map(size, inputs, format)
        let y = map(size, outputs, format)
        let weight = matrix(outputs, inputs), dweight = matrix(outputs, inputs)
        let scale = activated(inputs), norm = norm(outputs), upstream = Upstream(y, y: y)
        let (center, outCenter) = (values(inputs), values(outputs))
        let gate = gated ? values(images * inputs) : nil, five = values(5 * images * inputs)
        return [
            fastest("pointwise", shape) {
                engine.pointwise(
                    x, map: scale, gate: gate, weight: weight, output: y,
                    end: .statistics(center: outCenter))
            },
            fastest("pointwiseGradient", shape) {
                engine.pointwiseGradient(
                    upstream, norm: norm, input: x, map: scale, gate: gate, weight: weight,
                    inputGradient: dx, accumulate: false,
                    sums: gated ? .gate(center: center, five) : .slope(center: center),
                    weightGradient: dweight)
            },
        ]
    }

    private func depthwise(
        _ size: Int, _ channels: Int, _ kernel: Int, _ stride: Int, _ format: MapFormat
    ) -> [Found] {
        let shape =
            "\(size) px, \(channels), kernel \(kernel), stride \(stride)" + suffix(format)
        let x = map(size, channels, format), dx = map(size, channels, format)
        let y = map((size - 1) / stride + 1, channels, format)
        let filter = values(channels * kernel * kernel), dfilter = values(filter.count)
        let scale = activated(channels), norm = norm(channels), center = values(channels)
        return [
            fastest("depthwise", shape) {
                engine.depthwise(
                    x, map: scale, filter: filter, kernel: kernel, stride: stride, output: y,
                    end: .statistics(center: center))
            },
            fastest("depthwiseGradient", shape) {
                engine.depthwiseGradient(
                    Upstream(y, y: y, map: scale), norm: norm, input: x, map: scale,
                    filter: filter, kernel: kernel, stride: stride, inputGradient: dx,
                    center: center, filterGradient: dfilter)
            },
        ]
    }

    private func dense(_ rows: Int, _ inputs: Int, _ outputs: Int) -> [Found] {
        let shape = "\(rows) rows, \(inputs) to \(outputs)"
        let x = values(rows * inputs), y = values(rows * outputs), dx = values(rows * inputs)
        let weight = matrix(outputs, inputs), dweight = matrix(outputs, inputs)
        let bias = values(outputs), dbias = values(outputs)
        return [
            fastest("dense", shape) {
                engine.dense(x, count: rows, weight: weight, bias: bias, output: y)
            },
            fastest("denseGradient", shape) {
                engine.denseGradient(
                    y, input: x, count: rows, weight: weight, inputGradient: dx,
                    weightGradient: dweight, biasGradient: dbias)
            },
        ]
    }

    private func elementwise(_ size: Int, _ channels: Int) -> [Found] {
        let shape = "\(size) px, \(channels)"
        let x = map(size, channels), y = map(size, channels), out = map(size, channels)
        let scale = activated(channels), center = values(channels),
            upstream = Upstream(x, y: y, map: scale)
        let pooled = values(images * channels),
            linear = ChannelMap(
                scale: values(channels), shift: values(channels), activation: .identity)
        return [
            fastest("affine", shape + ", h_swish") {
                engine.affine(x, map: scale, residual: nil, output: out)
            },
            fastest("affine", shape + ", residual") {
                engine.affine(x, map: linear, residual: y, output: out)
            },
            fastest("mean", shape) { engine.mean(x, map: scale, output: pooled) },
            fastest("gradientSums", shape) {
                _ = engine.gradientSums(upstream, center: center)
            },
            fastest("activate", shape) { engine.activate(out.tensor, .hSwish) },
            fastest("activateGradient", shape) {
                engine.activateGradient(out.tensor, before: x.tensor, .hSwish)
            },
        ]
    }

    private func loss(_ rows: Int, _ classes: Int) -> [Found] {
        let logits = values(rows * classes), soft = values(rows * classes)
        let gradient = values(rows * classes), labels = (0..<rows).map { Int32($0 % classes) }
        return [
            fastest("crossEntropy", "\(rows) rows, \(classes) classes, soft targets") {
                _ = engine.crossEntropy(
                    logits, classes: classes, labels: labels, soft: soft, smoothing: 0.1,
                    gradient: gradient)
            }
        ]
    }

    private func optimizer(_ parameters: Int) -> [Found] {
        let (weights, speed) = (Storage(count: parameters), Storage(count: parameters))
        let gradients = Storage(count: parameters)
        return [
            fastest("areFinite", "\(parameters) parameters") {
                _ = engine.areFinite([gradients])
            },
            fastest("squaredNorm", "\(parameters) parameters") {
                _ = engine.squaredNorm(gradients)
            },
            fastest("sgd", "\(parameters) parameters") {
                engine.sgd(
                    weights, momentum: speed, gradients: gradients, range: 0..<parameters,
                    rate: 0.1, momentum: 0.9, decay: 3e-5)
            },
        ]
    }

    /// Runs `work` repeatedly and returns the fastest run of operator `name`: in GFLOP/s if the operator multiplies,
    /// else in GB/s.
    func fastest(_ name: String, _ shape: String, _ work: () -> Void) -> Found {
        var best = Double.infinity, unit = "GFLOP/s", amount = 0.0
        for _ in 0..<runs {
            let profile = OperatorProfile()
            engine.profile = profile
            work()
            engine.profile = nil
            for line in profile.all where line.name == name && line.seconds < best {
                best = line.seconds
                unit = line.flops > 0 ? "GFLOP/s" : "GB/s"
                amount = Double(line.flops > 0 ? line.flops : line.bytes) / 1e9
            }
        }
        return Found(name: "\(name) \(shape)", unit: unit, rate: amount / best, ms: best * 1e3)
    }
}
