// Validation of definitions: a space from a file, a job or an artifact is checked before anything
// is resolved, so that the engine never gets an unsupported shape.
import Intake
import Tensors

extension SearchSpace {
    /// The bounds of a definition.
    public enum Bounds {
        /// Channels of an image.
        public static let channels = 1...1024
        /// Number of classes.
        public static let classes = 2...1_000_000
        /// Channels of a layer.
        public static let width = 1...65_536
        /// Image sizes.
        public static let resolution = 1...4096
        /// Blocks of a stage.
        public static let depth = 1...64
        /// Layers and stages of a family.
        public static let layers = 3...256
        /// Middle over input or output channels.
        public static let ratio = 0.05...16.0
        /// The epsilon of batch norms.
        public static let epsilon = 1e-9...0.1
        /// Length of a list.
        public static let values = 1...64
    }

    /// Throws `invalidSpace` naming the first invalid field.
    public func check() throws {
        try Self.check("name", (1...200).contains(name.utf8.count), "is empty or too long")
        try Self.check("channels", Bounds.channels.contains(inputChannels), "is \(inputChannels)")
        try Self.check("classes", Bounds.classes.contains(classes), "is \(classes)")
        try Self.check(
            "norm_epsilon", Bounds.epsilon.contains(normEpsilon), "is \(normEpsilon)")
        try Self.check(
            "resolutions",
            Self.isList(resolutions, in: Bounds.resolution) && resolutions.count <= 4096,
            "is \(resolutions)")
        try Self.check("layers", Bounds.layers.contains(layers.count), "has \(layers.count)")
        var before: LayerDefinition?
        for (index, layer) in layers.enumerated() {
            try check(layer, after: before, "layers[\(index)]")
            before = layer
        }
        guard case .dense(let last) = before, last.width == nil else {
            throw Self.fault(
                "layers", "end without a dense layer of one output for each class")
        }
        try checkGenes()
    }

    private func check(_ layer: LayerDefinition, after before: LayerDefinition?, _ field: String)
        throws
    {
        var isPooled = false
        switch before {
        case nil:
            guard case .convolution(let stem) = layer, stem.kernel == 3 else {
                throw Self.fault(field, "is not a 3×3 convolution, and the first layer is one")
            }
        case .meanPooling, .dense: isPooled = true
        default: break
        }
        if case .dense(let dense) = layer {
            try Self.check(field, isPooled, "is a dense layer before the mean pooling")
            if let width = dense.width {
                try Self.check("\(field).width", Bounds.width.contains(width), "is \(width)")
            }
            return try Self.check("\(field).name", !dense.name.isEmpty, "is empty")
        }
        try Self.check(field, !isPooled, "is no dense layer, and follows the mean pooling")
        if let width = layer.width {
            try Self.check(
                "\(field).width",
                Self.isWidths(width), "is \(width.choices); widths are \(Bounds.width.words)")
        }
        try check(layer, field)
        if case .invertedResiduals(let stage) = layer, stage.expandRatios.contains(1) {
            // A block without an expansion reads one map; a pending skip before it would be a
            // second.
            var isOneMap = stage.depths == [1]
            if case .convolution = before {} else { isOneMap = false }
            try Self.check(
                "\(field).expand_ratios", isOneMap,
                "holds 1, which only a single block right after a convolution may have")
        }
    }

    private func check(_ layer: LayerDefinition, _ field: String) throws {
        switch layer {
        case .convolution(let conv):
            try Self.check("\(field).name", !conv.name.isEmpty, "is empty")
            try Self.check("\(field).kernel", [1, 3].contains(conv.kernel), "is \(conv.kernel)")
            try Self.check("\(field).stride", [1, 2].contains(conv.stride), "is \(conv.stride)")
            try Self.check(
                "\(field).stride", conv.kernel > 1 || conv.stride == 1,
                "is 2 of a 1×1 convolution, which would skip positions")
        case .residualConvolution(let conv):
            try Self.check("\(field).name", !conv.name.isEmpty, "is empty")
            try Self.check("\(field).kernel", conv.kernel == 3, "is \(conv.kernel)")
            try Self.check(
                "\(field).depths",
                (1...2).contains(conv.depths.count) && Self.isAscending(conv.depths)
                    && conv.depths.allSatisfy { (0...64).contains($0) }, "is \(conv.depths)")
        case .invertedResiduals(let stage):
            try Self.check("\(field).stride", [1, 2].contains(stage.stride), "is \(stage.stride)")
            try Self.check(
                "\(field).kernel_sizes",
                Self.isList(stage.kernelSizes, in: 3...7)
                    && stage.kernelSizes.allSatisfy { $0 % 2 == 1 },
                "is \(stage.kernelSizes); kernels are 3, 5 and 7")
            try Self.checkRatios(stage.expandRatios, field)
            try Self.checkDepths(stage.depths, base: 0, places: stage.places, field)
        case .bottlenecks(let stage):
            try Self.check("\(field).stride", [1, 2].contains(stage.stride), "is \(stage.stride)")
            try Self.check(
                "\(field).activation", stage.activation == .relu, "is \(stage.activation.rawValue)")
            try Self.checkRatios(stage.expandRatios, field)
            try Self.check(
                "\(field).base_depth", (0...64).contains(stage.baseDepth), "is \(stage.baseDepth)")
            try Self.checkDepths(stage.depths, base: stage.baseDepth, places: stage.places, field)
        default: break
        }
    }

    /// Checks genes across layers: every width gene has one list, and coupled lists have matching
    /// lengths.
    private func checkGenes() throws {
        var widths: [Int: [Int]] = [:]
        for (index, layer) in layers.enumerated() {
            guard case .gene(let place, let choices) = layer.width else { continue }
            try Self.check(
                "layers[\(index)].width", (0..<256).contains(place), "is gene \(place)")
            let other = widths.updateValue(choices, forKey: place)
            try Self.check(
                "layers[\(index)].width", other == nil || other == choices,
                "shares gene \(place) with other widths")
        }
        for place in 0..<(widths.keys.max() ?? 0) where widths[place] == nil {
            throw Self.fault("layers", "use no width gene \(place), but one above it")
        }
        let kernels = stages.filter { !$0.places.isEmpty }.map { $0.kernelSizes.isEmpty }
        try Self.check(
            "layers", Set(kernels).count <= 1,
            "mix stages with kernel genes and stages without")
        guard let coupling else { return }
        try Self.check(
            "coupling",
            coupling.kernelSizes.count == stages.count
                && zip(stages, coupling.kernelSizes).allSatisfy { $0.kernelSizes.contains($1) }
                && stages.allSatisfy { stage in
                    stage.depths.count == coupling.expandRatios.count
                        && coupling.expandRatios.allSatisfy(stage.expandRatios.contains)
                }, "names genes that the stages lack")
    }

    private static func checkDepths(_ depths: [Int], base: Int, places: Int, _ field: String) throws
    {
        try check(
            "\(field).depths",
            Bounds.values.contains(depths.count) && isAscending(depths)
                && base + (depths.first ?? 0) >= 1 && (depths.first ?? 0) >= 0
                && base + (depths.last ?? 0) <= places && Bounds.depth.contains(places),
            "is \(depths); a stage has \(Bounds.depth.words) blocks")
    }

    private static func checkRatios(_ ratios: [Double], _ field: String) throws {
        try check(
            "\(field).expand_ratios",
            Bounds.values.contains(ratios.count) && ratios.allSatisfy(Bounds.ratio.contains)
                && zip(ratios, ratios.dropFirst()).allSatisfy { $0 < $1 },
            "is \(ratios); ratios ascend in \(Bounds.ratio.lowerBound)…\(Bounds.ratio.upperBound)")
    }

    private static func isWidths(_ width: Width) -> Bool {
        let choices = width.choices
        return Bounds.values.contains(choices.count)
            && choices.allSatisfy(Bounds.width.contains)
            && zip(choices, choices.dropFirst()).allSatisfy { $0 <= $1 }
    }

    private static func isList(_ values: [Int], in range: ClosedRange<Int>) -> Bool {
        !values.isEmpty && isAscending(values) && values.allSatisfy(range.contains)
    }

    private static func isAscending(_ values: [Int]) -> Bool {
        zip(values, values.dropFirst()).allSatisfy { $0 < $1 }
    }

    private static func check(_ field: String, _ holds: Bool, _ why: @autoclosure () -> String)
        throws
    {
        guard holds else { throw fault(field, why()) }
    }

    private static func fault(_ field: String, _ why: String) -> NetworkError {
        NetworkError(.invalidSpace, "\(field) \(why)", field: field)
    }
}

extension ClosedRange<Int> {
    fileprivate var words: String { "\(lowerBound)…\(upperBound)" }
}
