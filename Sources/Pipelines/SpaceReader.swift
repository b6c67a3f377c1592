// Reads the `space` of a pipeline file: the name of a published space, a variant of a published space with other
// widths, classes or choices, or a complete description of layers.

import Artifacts
import Intake
import Networks
import Tensors

/// Reads search spaces from YAML.
enum SpaceReader {
    /// Returns the space that `top` names or defines under `space`. Errors: `invalidValue` with the line and the
    /// invalid field.
    static func read(_ top: YAMLReader) throws -> SearchSpace {
        guard top.isMapping("space") else {
            let name = try top.required(try top.text("space"), "space")
            do {
                return try SearchSpace.named(name)
            } catch {
                throw top.error("space", "is '\(Shown.excerpt(name))': \(error)")
            }
        }
        let entry = try top.required(try top.mapping("space"), "space")
        let isWhole = entry.keys.contains("layers")
        let space = isWhole ? try family(entry) : try change(entry)
        try entry.finish()
        if let known = SearchSpace.published.first(where: { $0.name == space.name }), known != space
        {
            throw entry.error(
                "name", "is that of the published space \(space.name), which has other layers",
                remedy: "give it a name of its own")
        }
        do {
            try space.check()
        } catch let error as NetworkError {
            let key = error.field.map { String($0.prefix { $0 != "[" && $0 != "." }) } ?? "space"
            throw entry.error(
                entry.keys.contains(key) ? key : "base", "makes no network: \(error.reason)",
                remedy: error.remedy)
        }
        return space
    }

    private static func change(_ entry: YAMLReader) throws -> SearchSpace {
        let base = try entry.required(try entry.text("base"), "base")
        let known: SearchSpace
        do {
            known = try SearchSpace.named(base)
        } catch {
            throw entry.error("base", "is '\(Shown.excerpt(base))': \(error)")
        }
        var change = SpaceChange()
        change.width = try entry.number("width", in: SpaceChange.widths)
        change.channels = try entry.integer("channels", in: SearchSpace.Bounds.channels)
        change.classes = try entry.integer("classes", in: SearchSpace.Bounds.classes)
        change.resolutions = try entry.integers("resolutions", in: SearchSpace.Bounds.resolution)
        change.depths = try entry.integers("depths", in: 0...64)
        change.kernelSizes = try entry.integers("kernel_sizes", in: 3...7)
        change.expandRatios = try entry.numbers("expand_ratios", in: SearchSpace.Bounds.ratio)
        if known.coupling != nil {
            for key in ["depths", "kernel_sizes", "expand_ratios"] where entry.keys.contains(key) {
                throw entry.error(
                    key, "cannot change: \(base) couples these choices",
                    remedy: "base the space on \(known.coupling?.parent ?? base)")
            }
        }
        if change.kernelSizes != nil, known.kernelSizes.isEmpty {
            throw entry.error("kernel_sizes", "has no effect: the kernels of \(base) are fixed")
        }
        let made = known.changed(change, name: "")
        return try named(try entry.text("name"), made, after: base)
    }

    /// Returns `space` renamed to `name`. Without `name`, the new name is `base` and the first digits of the
    /// definition's hash.
    private static func named(_ name: String?, _ space: SearchSpace, after base: String) throws
        -> SearchSpace
    {
        var space = space
        space.name = try name ?? "\(base)-\(try space.definitionHash.prefix(8))"
        return space
    }

    private static func family(_ entry: YAMLReader) throws -> SearchSpace {
        let layers = try entry.required(try entry.readers("layers"), "layers")
        return SearchSpace(
            name: try entry.required(try entry.text("name"), "name"),
            inputChannels: try entry.integer("channels", in: SearchSpace.Bounds.channels) ?? 3,
            classes: try entry.required(
                try entry.integer("classes", in: SearchSpace.Bounds.classes), "classes"),
            resolutions: try entry.required(
                try entry.integers("resolutions", in: SearchSpace.Bounds.resolution), "resolutions"),
            layers: try layers.enumerated().map { try layer($1, isFirst: $0 == 0) },
            normEpsilon: try entry.number("norm_epsilon", in: SearchSpace.Bounds.epsilon) ?? 1e-5,
            kernelTransform: try entry.flag("kernel_transform") ?? true)
    }

    /// Reads one layer: a mapping from the layer's type to its fields.
    private static func layer(_ entry: YAMLReader, isFirst: Bool) throws -> LayerDefinition {
        typealias Kind = LayerDefinition.Kind
        guard entry.keys.count == 1, let key = entry.keys.first else {
            throw entry.error(
                entry.keys.first ?? "layers", "is one of \(entry.keys.count) types of one layer",
                remedy: "give a layer one type, such as convolution, with its fields")
        }
        guard let kind = Kind(rawValue: key) else {
            throw entry.error(
                key, "is no type of layers",
                remedy: NearestName.remedy(key, known: Kind.allCases.map(\.rawValue)))
        }
        let fields = try entry.required(try entry.mapping(key), key)
        let layer = try layer(kind, fields, isFirst: isFirst)
        try fields.finish()
        return layer
    }

    private static func layer(
        _ kind: LayerDefinition.Kind, _ fields: YAMLReader, isFirst: Bool
    ) throws -> LayerDefinition {
        switch kind {
        case .convolution:
            let name = try name(fields)
            return .convolution(
                LayerDefinition.Convolution(
                    name: name, width: try width(fields),
                    kernel: try fields.integer("kernel", in: 1...3) ?? 3,
                    stride: try fields.integer("stride", in: 1...2) ?? 1,
                    activation: try activation(fields),
                    isElastic: try fields.flag("elastic") ?? false,
                    key: try fields.text("key") ?? (isFirst ? "Conv" : name)))
        case .residualConvolution:
            return .residualConvolution(
                LayerDefinition.ResidualConvolution(
                    name: try name(fields), activation: try activation(fields),
                    depths: try fields.integers("depths", in: 0...64) ?? [0, 1]))
        case .invertedResiduals: return .invertedResiduals(try invertedResiduals(fields))
        case .bottlenecks:
            return .bottlenecks(
                LayerDefinition.Bottlenecks(
                    width: try width(fields), stride: try fields.integer("stride", in: 1...2) ?? 1,
                    expandRatios: try ratios(fields),
                    baseDepth: try fields.integer("base_depth", in: 0...64) ?? 0,
                    depths: try fields.required(
                        try fields.integers("depths", in: 0...64), "depths")))
        case .maxPooling: return .maxPooling(.init(key: try fields.text("key") ?? "MaxPool2D"))
        case .meanPooling: return .meanPooling(.init(key: try fields.text("key")))
        case .dense:
            let isLast = !fields.keys.contains("width")
            return .dense(
                LayerDefinition.Dense(
                    name: try name(fields),
                    width: try fields.integer("width", in: SearchSpace.Bounds.width),
                    hasBias: try fields.flag("bias") ?? isLast,
                    activation: try fields.choice("activation", Activation.self) ?? .identity,
                    isConvolution: try fields.flag("convolution") ?? false,
                    isElastic: try fields.flag("elastic") ?? false,
                    hasDropout: try fields.flag("dropout") ?? isLast,
                    key: try fields.text("key") ?? (isLast ? "Logits" : "Conv_2")))
        }
    }

    private static func invertedResiduals(_ fields: YAMLReader) throws
        -> LayerDefinition.InvertedResiduals
    {
        let isElastic = try fields.flag("elastic") ?? true
        return LayerDefinition.InvertedResiduals(
            width: try width(fields), stride: try fields.integer("stride", in: 1...2) ?? 1,
            activation: try activation(fields),
            squeezeExcite: try fields.flag("squeeze_excite") ?? false,
            kernelSizes: try fields.integers("kernel_sizes", in: 3...7) ?? [3],
            expandRatios: try ratios(fields),
            depths: try fields.integers("depths", in: 1...64) ?? [1], isElastic: isElastic,
            hasSkip: try fields.flag("skip") ?? true,
            keysNameRatio: try fields.flag("keys_name_ratio") ?? false)
    }

    private static func name(_ fields: YAMLReader) throws -> String {
        try fields.required(try fields.text("name"), "name")
    }

    private static func activation(_ fields: YAMLReader) throws -> Activation {
        try fields.choice("activation", Activation.self) ?? .relu
    }

    private static func ratios(_ fields: YAMLReader) throws -> [Double] {
        try fields.required(
            try fields.numbers("expand_ratios", in: SearchSpace.Bounds.ratio), "expand_ratios")
    }

    /// Reads a width: a number of channels, or `{gene: INDEX, choices: […]}`.
    private static func width(_ fields: YAMLReader) throws -> Width {
        guard fields.isMapping("width") else {
            return .constant(
                try fields.required(
                    try fields.integer("width", in: SearchSpace.Bounds.width), "width"))
        }
        let gene = try fields.required(try fields.mapping("width"), "width")
        let width = Width.gene(
            try gene.required(try gene.integer("gene", in: 0...255), "gene"),
            choices: try gene.required(
                try gene.integers("choices", in: SearchSpace.Bounds.width, mayRepeat: true),
                "choices"))
        try gene.finish()
        return width
    }
}

/// Reads search spaces from files.
public enum SpaceFile {
    /// Returns the space under the key `space` of the YAML file at `path`, which may be a whole pipeline.
    ///
    /// Errors: `unreadable` if the file cannot be read or is not YAML, `invalidValue` with line and field for an
    /// invalid definition.
    public static func read(_ path: String) throws -> SearchSpace {
        let document = try YAMLDocument(try YAMLDocument.contents(ofFile: path), file: path)
        let top = try YAMLReader(document, file: path, overrides: try YAMLOverrides([]))
        guard top.keys.contains("space") else {
            throw top.error(
                "space", "is missing", remedy: "describe the space under the key space")
        }
        if let entry = top.isMapping("space") ? try top.mapping("space") : nil {
            try PipelineKeys.check(space: entry)
        }
        return try SpaceReader.read(top)
    }
}

extension SearchSpace {
    /// SHA-256 of the definition without the space's name, in hexadecimal.
    public var definitionHash: String {
        get throws {
            var space = self
            space.name = ""
            return Digest.of(Array(try JSONText.encode(space).utf8)).hex
        }
    }

    /// The text that identifies this space in the corrections of latency tables: a correction holds for one space only.
    /// The text is the name of a published space, otherwise the name and the first digits of `definitionHash`, because
    /// different spaces may have the same name.
    public var tableName: String {
        get throws {
            Self.published.contains(self) ? name : "\(name) \(try definitionHash.prefix(12))"
        }
    }
}
