// Encodes a predictor as bytes, little endian, in this order: "OFAPRED3" for dense layers or "OFAPRED4" for additive
// models; the header's length in 4 bytes; a JSON header with the definition of the space; the numbers. The weights and
// biases of dense layers are 32-bit floats, the numbers of additive models 64-bit floats. Encoding is deterministic.
// Files of older versions, which begin with "OFAPRED1" or "OFAPRED2" and name a published space, can still be read.
import Foundation
import Intake
import Networks

extension AccuracyPredictor {
    private static let dense = [UInt8]("OFAPRED3".utf8)
    private static let additive = [UInt8]("OFAPRED4".utf8)
    private static let olderDense = [UInt8]("OFAPRED1".utf8)
    private static let olderAdditive = [UInt8]("OFAPRED2".utf8)

    /// The header: all parts of a predictor except the numbers of its model.
    private struct Header: Codable {
        /// The space whose networks the predictor was fitted on.
        var definition: SearchSpace
        /// The resolutions that have features, and the resolutions that the predictor was fitted on.
        var resolutions, fittedResolutions: [Int]
        var quality: FitQuality?
        /// For dense layers, the number of features, then the number of outputs of each layer; for additive models, a
        /// list with the number of models as its only element.
        var sizes: [Int]
        var trained: TrainedDomain?
        /// 8 for accuracies of networks in eight bits; nil for those of floats.
        var bits: Int?

        var encoder: ArchitectureEncoder {
            ArchitectureEncoder(definition, resolutions: resolutions)
        }

        /// Describes the first impossible value in the fields that reports and searches use; nil if all values are
        /// possible.
        var fault: String? {
            if let quality, !quality.isPossible {
                return "field quality holds figures that no fit has"
            }
            if let known = SearchSpace.published.first(where: { $0.name == definition.name }),
                known != definition
            {
                return "field definition is not space \(known.name) as this program knows it"
            }
            do { try definition.check() } catch {
                return "field definition: \((error as? any Remedied)?.reason ?? "\(error)")"
            }
            if let bits, bits != 8 {
                return
                    "field bits is \(bits), and networks compute in 8 bits or, without it, in floats"
            }
            guard let trained else { return nil }
            let whole = TrainedDomain(definition)
            func isStray<Value: Hashable>(_ values: [Value], _ known: [Value]) -> Bool {
                values.isEmpty != known.isEmpty || !Set(values).isSubset(of: known)
            }
            let stray = [
                ("kernelSizes", isStray(trained.kernelSizes, whole.kernelSizes)),
                ("expandRatios", isStray(trained.expandRatios, whole.expandRatios)),
                ("depths", isStray(trained.depths, whole.depths)),
                ("widths", isStray(trained.widths, whole.widths)),
                ("resolutions", isStray(trained.resolutions, whole.resolutions)),
            ].first(where: \.1)
            return stray.map { "field trained.\($0.0) has values that the space does not have" }
        }
    }

    /// The header of files of older versions.
    private struct OlderHeader: Decodable {
        struct Encoder: Decodable {
            let space: String
            let resolutions: [Int]
        }
        let encoder: Encoder
        let fittedResolutions: [Int]
        let quality: FitQuality?
        let sizes: [Int]
        let trained: TrainedDomain?
    }

    /// Returns whether `bytes` begin like an encoded predictor.
    public static func isEncoded(_ bytes: [UInt8]) -> Bool {
        [dense, additive, olderDense, olderAdditive].contains { bytes.starts(with: $0) }
    }

    /// Returns the predictor as bytes.
    public func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        var header = Header(
            definition: definition, resolutions: self.encoder.resolutions,
            fittedResolutions: fittedResolutions, quality: quality, sizes: [], trained: trained,
            bits: bits == 8 ? 8 : nil)
        var magic = Self.dense
        var numbers: [UInt8] = []
        switch model {
        case .dense(let network):
            header.sizes = network.sizes
            for (weights, biases) in zip(network.weights, network.biases) {
                for value in weights.values + biases { Self.append(value.bitPattern, to: &numbers) }
            }
        case .additive(let ensemble):
            magic = Self.additive
            header.sizes = [1 + ensemble.members.count]
            for model in [ensemble.model] + ensemble.members {
                for value in Self.numbers(model) { Self.append(value.bitPattern, to: &numbers) }
            }
            Self.append(ensemble.floor.bitPattern, to: &numbers)
            Self.append(ensemble.factor.bitPattern, to: &numbers)
        }
        let text = try encoder.encode(header)
        var bytes = magic
        Self.append(UInt32(text.count), to: &bytes)
        return bytes + text + numbers
    }

    /// Reads a predictor; `source` names the bytes in errors. Errors: `malformed`.
    public init(bytes: [UInt8], source: String) throws {
        guard bytes.count >= 12, Self.isEncoded(bytes) else {
            throw SearchError(
                .malformed,
                "\(source) is not an accuracy predictor",
                remedy: "give one of this program (an artifact of kind"
                    + " predictor, or a file of ofa predictor import) or a PyTorch checkpoint of dense layers"
            )
        }
        let start = 12 + Int(Self.integer(bytes, 8, as: UInt32.self))
        guard start <= bytes.count else {
            throw SearchError(
                .malformed, "\(source) ends within its header", remedy: "copy it again")
        }
        let isOlder =
            bytes.starts(with: Self.olderDense) || bytes.starts(with: Self.olderAdditive)
        let header = try Self.header(bytes[12..<start], isOlder: isOlder, source)
        let fitted = header.fittedResolutions, features = header.resolutions
        guard features.count <= 4096, !fitted.isEmpty, fitted.allSatisfy((1...4096).contains),
            features.isEmpty || Set(fitted).isSubset(of: features)
        else {
            throw SearchError(
                .malformed,
                "\(source) was fitted on image sizes \(fitted.prefix(8)), which do not fit")
        }
        let model =
            bytes.starts(with: Self.dense) || bytes.starts(with: Self.olderDense)
            ? Model.dense(try Self.network(header, bytes, start, source))
            : Model.additive(try Self.ensemble(header, bytes, start, source))
        self.init(
            encoder: header.encoder, fittedResolutions: header.fittedResolutions,
            quality: header.quality, model: model, trained: header.trained)
        bits = header.bits ?? 32
    }

    /// Parses the header. Impossible figures are errors; unless `isOlder`, unknown and repeated keys are errors too.
    private static func header(_ bytes: ArraySlice<UInt8>, isOlder: Bool, _ source: String) throws
        -> Header
    {
        let why: String
        do {
            if isOlder {
                let older = try JSONDecoder().decode(OlderHeader.self, from: Data(bytes))
                let header = Header(
                    definition: try SearchSpace.named(older.encoder.space),
                    resolutions: older.encoder.resolutions,
                    fittedResolutions: older.fittedResolutions, quality: older.quality,
                    sizes: older.sizes, trained: older.trained)
                guard let fault = header.fault else { return header }
                throw SearchError(.malformed, fault)
            }
            let header = try JSONDecoder().decode(Header.self, from: Data(bytes))
            let rule = JSONRule(maxBytes: 1 << 24)
            let found = try JSONNode(String(decoding: bytes, as: UTF8.self), rule)
            let written = String(decoding: try JSONEncoder().encode(header), as: UTF8.self)
            guard let stray = found.stray(beside: try JSONNode(written, rule)) ?? header.fault
            else {
                return header
            }
            why = stray
        } catch {
            why = (error as? DecodingError)?.told ?? (error as? any Remedied)?.reason ?? "\(error)"
        }
        throw SearchError(
            .malformed, "the header of \(source) cannot be read: \(why)", remedy: "copy it again")
    }

    private static func network(
        _ header: Header, _ bytes: [UInt8], _ start: Int, _ source: String
    ) throws -> DenseNetwork {
        let sizes = header.sizes
        guard (2...64).contains(sizes.count), sizes.allSatisfy({ (1...1 << 20).contains($0) }),
            sizes.last == 1,
            sizes.first == header.encoder.featureCount
        else {
            throw SearchError(
                .malformed, "\(source) has layers of \(sizes) units, which do not fit")
        }
        let layers = Array(zip(sizes, sizes.dropFirst()))
        try checkCount(bytes.count - start, 4 * layers.reduce(0) { $0 + ($1.0 + 1) * $1.1 }, source)
        var values = stride(from: start, to: bytes.count, by: 4).map {
            Float(bitPattern: integer(bytes, $0, as: UInt32.self))
        }[...]
        guard values.allSatisfy(\.isFinite) else { throw notFinite(source) }
        var weights: [Matrix] = []
        var biases: [[Float]] = []
        for (inputs, outputs) in layers {
            weights.append(
                Matrix(
                    rows: inputs, columns: outputs, values: Array(values.prefix(inputs * outputs))))
            values.removeFirst(inputs * outputs)
            biases.append(Array(values.prefix(outputs)))
            values.removeFirst(outputs)
        }
        return DenseNetwork(weights: weights, biases: biases)
    }

    private static func ensemble(
        _ header: Header, _ bytes: [UInt8], _ start: Int, _ source: String
    ) throws -> AdditiveEnsemble {
        let features = header.encoder.featureCount, length = features + 5
        guard header.sizes.count == 1, (1...1024).contains(header.sizes[0]) else {
            throw SearchError(.malformed, "\(source) holds \(header.sizes) models")
        }
        try checkCount(bytes.count - start, 8 * (header.sizes[0] * length + 2), source)
        let values = stride(from: start, to: bytes.count, by: 8).map {
            Double(bitPattern: integer(bytes, $0, as: UInt64.self))
        }
        guard values.allSatisfy(\.isFinite) else { throw notFinite(source) }
        let models = (0..<header.sizes[0]).map { place -> AdditiveModel in
            let own = Array(values[place * length..<(place + 1) * length])
            return AdditiveModel(
                bias: own[0], shares: Array(own[5...]), centre: own[1], scale: own[2],
                slope: own[3], bend: own[4])
        }
        return AdditiveEnsemble(
            model: models[0], members: Array(models[1...]), floor: values[values.count - 2],
            factor: values[values.count - 1])
    }

    private static func numbers(_ model: AdditiveModel) -> [Double] {
        [model.bias, model.centre, model.scale, model.slope, model.bend] + model.shares
    }

    private static func checkCount(_ found: Int, _ expected: Int, _ source: String) throws {
        guard found == expected else {
            throw SearchError(
                .malformed, "\(source) holds \(found) bytes of numbers, not \(expected)")
        }
    }

    private static func notFinite(_ source: String) -> SearchError {
        SearchError(.malformed, "\(source) holds numbers that are not finite")
    }

    private static func integer<T: FixedWidthInteger>(_ bytes: [UInt8], _ place: Int, as: T.Type)
        -> T
    {
        bytes[place..<place + T.bitWidth / 8].reversed().reduce(0) { $0 << 8 | T($1) }
    }

    private static func append<T: FixedWidthInteger>(_ value: T, to bytes: inout [UInt8]) {
        for shift in stride(from: 0, to: T.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}
