// How definitions are stored: {"TYPE": {fields}} for a layer, a number or {"gene", "choices"} for a
// width. An unknown type is an error with its name, so that an older worker reports what it lacks.

extension Width: Codable {
    private enum CodingKeys: String, CodingKey { case gene, choices }

    /// Reads an integer, or a gene's index and its choices.
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

    /// Reads one key, the type, and its fields. Errors: `unknownLayer` naming an unknown type.
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
