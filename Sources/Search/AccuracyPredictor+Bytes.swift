// A predictor as bytes: "OFAPRED1", the header's length as 4 bytes (little endian), a JSON header,
// then the weights and biases of every layer as 32-bit floats (little endian). Writing is
// deterministic.
import Foundation

extension AccuracyPredictor {
    private static let magic = [UInt8]("OFAPRED1".utf8)

    /// Everything but the numbers.
    private struct Header: Codable {
        var encoder: ArchitectureEncoder
        var fittedResolutions: [Int]
        var quality: FitQuality?
        var sizes: [Int]
    }

    /// The predictor as bytes.
    public func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let header = try encoder.encode(
            Header(
                encoder: self.encoder, fittedResolutions: fittedResolutions, quality: quality,
                sizes: model.sizes))
        var bytes = Self.magic
        Self.append(UInt32(header.count), to: &bytes)
        bytes += header
        for (weights, biases) in zip(model.weights, model.biases) {
            for value in weights.values + biases { Self.append(value.bitPattern, to: &bytes) }
        }
        return bytes
    }

    /// Reads a predictor; `source` names the bytes in errors. Errors: `malformed`.
    public init(bytes: [UInt8], source: String) throws {
        guard bytes.count >= 12, bytes.starts(with: Self.magic) else {
            throw SearchError(.malformed, "\(source) is not an accuracy predictor of this program")
        }
        let start = 12 + Int(Self.integer(bytes, 8))
        guard start <= bytes.count else {
            throw SearchError(.malformed, "\(source) ends within its header: copy it again")
        }
        let header: Header
        do {
            header = try JSONDecoder().decode(Header.self, from: Data(bytes[12..<start]))
        } catch {
            throw SearchError(.malformed, "the header of \(source) cannot be read: \(error)")
        }
        let sizes = header.sizes
        guard header.encoder.hasPlausibleSizes, sizes.count >= 2,
            sizes.allSatisfy({ (1...1 << 20).contains($0) }), sizes.last == 1,
            sizes.first == header.encoder.featureCount
        else {
            throw SearchError(
                .malformed, "\(source) has layers of \(sizes) units, which do not fit")
        }
        let layers = Array(zip(sizes, sizes.dropFirst()))
        let expected = layers.reduce(0) { $0 + ($1.0 + 1) * $1.1 }
        guard bytes.count - start == 4 * expected else {
            throw SearchError(
                .malformed,
                "\(source) holds \(bytes.count - start) bytes of numbers, not \(4 * expected)"
            )
        }
        var values = stride(from: start, to: bytes.count, by: 4).map {
            Float(bitPattern: Self.integer(bytes, $0))
        }[...]
        guard values.allSatisfy(\.isFinite) else {
            throw SearchError(.malformed, "\(source) holds numbers that are not finite")
        }
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
        self.init(
            encoder: header.encoder, fittedResolutions: header.fittedResolutions,
            quality: header.quality, model: DenseNetwork(weights: weights, biases: biases))
    }

    private static func integer(_ bytes: [UInt8], _ place: Int) -> UInt32 {
        bytes[place..<place + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func append(_ value: UInt32, to bytes: inout [UInt8]) {
        for shift in stride(from: 0, to: 32, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}
