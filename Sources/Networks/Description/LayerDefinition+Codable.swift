// The JSON of definitions: {"TYPE": {fields}} for a layer; a number or {"gene", "choices"} for a width. The error for
// an unknown type contains the type's name, so an older worker reports which type it does not know.
import Tensors

extension Width: Codable {
    private enum CodingKeys: String, CodingKey { case gene, choices }

    /// Reads an integer (a constant width), or a width gene's index and its choices.
    public init(from decoder: any Decoder) throws {
        do {
            self = .constant(try decoder.singleValueContainer().decode(Int.self))
        } catch DecodingError.typeMismatch {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            self = .gene(
                try values.decode(Int.self, forKey: .gene),
                choices: try values.decode([Int].self, forKey: .choices))
        }
    }

    /// Writes what `init(from:)` reads.
    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .constant(let width):
            var value = encoder.singleValueContainer()
            try value.encode(width)
        case .gene(let place, let choices):
            var values = encoder.container(keyedBy: CodingKeys.self)
            try values.encode(place, forKey: .gene)
            try values.encode(choices, forKey: .choices)
        }
    }
}

extension LayerDefinition.ResidualConvolution {
    private enum CodingKeys: String, CodingKey { case name, kernel, activation, depths, runsAt }

    /// Reads the fields; without `runsAt` the layer runs at the largest of its depths.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try values.decode(String.self, forKey: .name),
            kernel: try values.decode(Int.self, forKey: .kernel),
            activation: try values.decode(Activation.self, forKey: .activation),
            depths: try values.decode([Int].self, forKey: .depths),
            runsAt: try values.decodeIfPresent(Int.self, forKey: .runsAt))
    }

    /// Writes the fields; writes `runsAt` only if it is not the largest depth.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(name, forKey: .name)
        try values.encode(kernel, forKey: .kernel)
        try values.encode(activation, forKey: .activation)
        try values.encode(depths, forKey: .depths)
        if runsAt != depths.last { try values.encode(runsAt, forKey: .runsAt) }
    }
}

extension LayerDefinition: Codable {
    /// The types of layers by the names that files and jobs use.
    public enum Kind: String, CaseIterable, CodingKey, Sendable {
        /// Case `convolution`.
        case convolution
        /// Case `residualConvolution`.
        case residualConvolution = "residual_convolution"
        /// Case `invertedResiduals`.
        case invertedResiduals = "inverted_residuals"
        /// Case `bottlenecks`.
        case bottlenecks
        /// Case `maxPooling`.
        case maxPooling = "max_pooling"
        /// Case `meanPooling`.
        case meanPooling = "mean_pooling"
        /// Case `dense`.
        case dense
    }

    private struct AnyKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }

        init?(intValue: Int) { nil }
    }

    /// Reads one key, the type, and the fields of that type. Errors: `malformed` if there is not
    /// exactly one key; `unknownLayer`, naming the type, if the type is unknown.
    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: AnyKey.self).allKeys
        guard keys.count == 1, let key = keys.first else {
            throw NetworkError(
                .malformed, "a layer has \(keys.count) types",
                remedy: "write one of \(Self.kinds) with its fields")
        }
        guard let kind = Kind(rawValue: key.stringValue) else {
            throw NetworkError(
                .unknownLayer,
                "layers of type '\(key.stringValue)' are not known to this version of ofa",
                remedy: "use a newer one; this one knows \(Self.kinds)")
        }
        let values = try decoder.container(keyedBy: Kind.self)
        func read<Fields: Decodable>() throws -> Fields { try values.decode(forKey: kind) }
        switch kind {
        case .convolution: self = .convolution(try read())
        case .residualConvolution: self = .residualConvolution(try read())
        case .invertedResiduals: self = .invertedResiduals(try read())
        case .bottlenecks: self = .bottlenecks(try read())
        case .maxPooling: self = .maxPooling(try read())
        case .meanPooling: self = .meanPooling(try read())
        case .dense: self = .dense(try read())
        }
    }

    /// Writes what `init(from:)` reads.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: Kind.self)
        switch self {
        case .convolution(let fields): try values.encode(fields, forKey: .convolution)
        case .residualConvolution(let fields):
            try values.encode(fields, forKey: .residualConvolution)
        case .invertedResiduals(let fields): try values.encode(fields, forKey: .invertedResiduals)
        case .bottlenecks(let fields): try values.encode(fields, forKey: .bottlenecks)
        case .maxPooling(let fields): try values.encode(fields, forKey: .maxPooling)
        case .meanPooling(let fields): try values.encode(fields, forKey: .meanPooling)
        case .dense(let fields): try values.encode(fields, forKey: .dense)
        }
    }

    private static var kinds: String { Kind.allCases.map(\.rawValue).joined(separator: ", ") }
}

extension KeyedDecodingContainer {
    fileprivate func decode<Value: Decodable>(forKey key: Key) throws -> Value {
        try decode(Value.self, forKey: key)
    }
}
