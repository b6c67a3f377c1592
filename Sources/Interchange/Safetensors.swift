// The safetensors format: 8 bytes of header length (little endian), a JSON header, then the values.
// Writing is deterministic: equal tensors give equal bytes and so equal digests. Format:
// https://huggingface.co/docs/safetensors
import Foundation
import Intake

/// Reads and writes safetensors.
public enum Safetensors {
    /// The longest accepted header in bytes: about a hundred thousand tensors. Parsing takes some thirty times as much
    /// memory.
    static let maximumHeaderBytes = 16_000_000

    /// One tensor's entry in the header.
    private struct Entry: Codable {
        var dtype: String
        var shape: [Int]
        var data_offsets: [Int]
    }

    /// The value of a header key: a tensor's entry, or the metadata.
    private enum HeaderValue: Codable {
        case entry(Entry)
        case metadata([String: String])

        init(from decoder: any Decoder) throws {
            self =
                decoder.codingPath.last?.stringValue == "__metadata__"
                ? .metadata(try [String: String](from: decoder)) : .entry(try Entry(from: decoder))
        }

        func encode(to encoder: any Encoder) throws {
            switch self {
            case .entry(let entry): try entry.encode(to: encoder)
            case .metadata(let texts): try texts.encode(to: encoder)
            }
        }
    }

    /// Returns whether `bytes` start like a safetensors file: a plausible header length, then JSON.
    public static func isSafetensors(_ bytes: [UInt8]) -> Bool {
        guard bytes.count > 8, bytes[8] == UInt8(ascii: "{") else { return false }
        return integer(bytes[0..<8], as: UInt64.self) <= UInt64(bytes.count - 8)
    }

    /// Reads the bytes of a file. Tensors of other number types than F32, F64, F16, BF16 and I64 are listed in `unread`.
    ///
    /// Errors: `truncated`, `malformed` (header, overlapping or uncovered bytes), `unsupported` if no tensor can be read
    /// but the file has some. The error names the tensor if a tensor is at fault.
    public static func decode(bytes: [UInt8]) throws -> SafetensorsFile {
        let (header, dataStart) = try decodeHeader(bytes)
        var file = SafetensorsFile()
        var ranges: [(name: String, range: Range<Int>)] = []
        for (name, value) in header.sorted(by: { $0.key < $1.key }) {
            switch value {
            case .metadata(let texts):
                file.metadata = texts
            case .entry(let entry):
                let range = try place(of: entry, name: name, dataCount: bytes.count - dataStart)
                ranges.append((name, range))
                let slice = bytes[dataStart + range.lowerBound..<dataStart + range.upperBound]
                switch entry.dtype {
                case "F32":
                    file.tensors[name] = .init(shape: entry.shape, values: floats(slice))
                case "F16":
                    let values = halves(slice).map(HalfPrecision.float16)
                    file.tensors[name] = .init(shape: entry.shape, values: values)
                case "F64":
                    let values = doubles(slice).map(Float.init)
                    file.tensors[name] = .init(shape: entry.shape, values: values)
                case "BF16":
                    let values = halves(slice).map(HalfPrecision.bfloat16)
                    file.tensors[name] = .init(shape: entry.shape, values: values)
                case "I64":
                    file.integers[name] = .init(shape: entry.shape, values: integers(slice))
                default:
                    file.unread[name] =
                        "holds \(Shown.excerpt(entry.dtype)), which is not read here"
                }
            }
        }
        try checkCover(ranges, dataCount: bytes.count - dataStart)
        if file.tensors.isEmpty, file.integers.isEmpty,
            let (name, why) = file.unread.min(by: { $0.key < $1.key })
        {
            throw InterchangeError(
                .unsupported,
                "tensor \(Shown.excerpt(name)) \(why): F32, F64, F16, BF16 and I64 are read",
                remedy: "convert it")
        }
        return file
    }

    /// Returns the encoded float tensors and metadata of `file`.
    ///
    /// Names are sorted and the header is padded with spaces to a multiple of 8 bytes. Errors: `shapeMismatch` for a
    /// tensor whose values do not fill its shape, or whose name is `__metadata__`.
    public static func encode(_ file: SafetensorsFile) throws -> [UInt8] {
        try encode(file.tensors, metadata: file.metadata)
    }

    /// Returns `tensors` and `metadata`, encoded as `encode(_:)` does.
    public static func encode(
        _ tensors: [String: SafetensorsFile.Tensor<Float>], metadata: [String: String] = [:]
    ) throws -> [UInt8] {
        let sorted = tensors.sorted { $0.key < $1.key }
        var header: [String: HeaderValue] = [:]
        if !metadata.isEmpty { header["__metadata__"] = .metadata(metadata) }
        var offset = 0
        for (name, tensor) in sorted {
            guard elementCount(tensor.shape) == tensor.values.count, name != "__metadata__" else {
                throw InterchangeError(
                    .shapeMismatch,
                    "tensor \(name) has \(tensor.values.count) values; its shape is \(tensor.shape)"
                )
            }
            let end = offset + 4 * tensor.values.count
            header[name] = .entry(
                Entry(dtype: "F32", shape: tensor.shape, data_offsets: [offset, end]))
            offset = end
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var text = [UInt8](try encoder.encode(header))
        text += Array(repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(8 + text.count + offset)
        append(UInt64(text.count), to: &bytes)
        bytes += text
        for (_, tensor) in sorted {
            for value in tensor.values { append(value.bitPattern, to: &bytes) }
        }
        return bytes
    }

    private static func decodeHeader(_ bytes: [UInt8]) throws -> ([String: HeaderValue], Int) {
        guard bytes.count >= 8 else {
            throw InterchangeError(
                .truncated, "a safetensors file has at least 8 bytes; this one has \(bytes.count)")
        }
        let length = integer(bytes[0..<8], as: UInt64.self)
        guard length <= UInt64(maximumHeaderBytes) else {
            throw InterchangeError(
                .malformed, "the header claims \(length) bytes; this is not a safetensors file")
        }
        guard 8 + Int(length) <= bytes.count else {
            throw InterchangeError(
                .truncated,
                "the header claims \(length) bytes; the file has \(bytes.count - 8)",
                remedy: "copy it again")
        }
        do {
            let text = bytes[8..<8 + Int(length)]
            let header = try JSONDecoder().decode([String: HeaderValue].self, from: Data(text))
            guard keyCount(text) == header.count else {
                throw InterchangeError(
                    .malformed, "the safetensors header names a tensor twice",
                    remedy: "write it again")
            }
            return (header, 8 + Int(length))
        } catch let error as InterchangeError {
            throw error
        } catch {
            throw InterchangeError(
                .malformed,
                "the safetensors header cannot be read: "
                    + ((error as? DecodingError)?.told ?? "\(error)"))
        }
    }

    /// Returns how many keys the outermost object of valid JSON has. A decoder merges duplicate keys; this function
    /// counts each.
    private static func keyCount(_ text: ArraySlice<UInt8>) -> Int {
        var depth = 0, count = 0
        var isQuoted = false, isEscaped = false
        for byte in text {
            if isQuoted {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isQuoted = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isQuoted = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: ":") where depth == 1: count += 1
            default: break
            }
        }
        return count
    }

    /// Bytes per number of the types that are known. Those of other types are found by their offsets.
    private static let widths = [
        "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8,
        "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
    ]

    /// Returns the byte range of one tensor's values, relative to the end of the header. Errors: `malformed`,
    /// `truncated`.
    private static func place(of entry: Entry, name: String, dataCount: Int) throws -> Range<Int> {
        let shown = Shown.excerpt(name)
        let offsets = entry.data_offsets
        guard entry.shape.count <= ShapeText.mostExtents, let count = elementCount(entry.shape),
            offsets.count == 2, 0 <= offsets[0], offsets[0] <= offsets[1],
            widths[entry.dtype].map({ offsets[1] - offsets[0] == count.multipliedClamped(by: $0) })
                ?? true
        else {
            throw InterchangeError(
                .malformed,
                "tensor \(shown) of shape \(ShapeText.shown(entry.shape)) cannot lie at bytes"
                    + " \(ShapeText.shown(offsets))")
        }
        guard offsets[1] <= dataCount else {
            throw InterchangeError(
                .truncated,
                "tensor \(shown) ends at byte \(offsets[1]); the data has \(dataCount)")
        }
        return offsets[0]..<offsets[1]
    }

    /// Checks that the tensors fill the data without gaps or overlaps, as the format requires. Errors: `malformed`.
    private static func checkCover(
        _ ranges: [(name: String, range: Range<Int>)], dataCount: Int
    ) throws {
        var end = 0
        for (name, range) in ranges.sorted(by: {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }) {
            guard range.lowerBound == end else {
                throw InterchangeError(
                    .malformed,
                    "tensor \(Shown.excerpt(name)) starts at byte \(range.lowerBound), not at \(end)"
                )
            }
            end = range.upperBound
        }
        guard end == dataCount else {
            throw InterchangeError(
                .malformed, "\(dataCount - end) bytes at the end belong to no tensor")
        }
    }

    /// Returns the product of the extents; nil if an extent is negative or the product overflows.
    private static func elementCount(_ shape: [Int]) -> Int? {
        var count = 1
        for extent in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            guard extent >= 0, !overflow else { return nil }
            count = product
        }
        return count
    }

    private static func integer<T: FixedWidthInteger>(_ bytes: ArraySlice<UInt8>, as: T.Type) -> T {
        bytes.reversed().reduce(0) { $0 << 8 | T(truncatingIfNeeded: $1) }
    }

    private static func floats(_ bytes: ArraySlice<UInt8>) -> [Float] {
        stride(from: bytes.startIndex, to: bytes.endIndex, by: 4).map { place in
            Float(
                bitPattern: UInt32(bytes[place]) | UInt32(bytes[place + 1]) << 8
                    | UInt32(bytes[place + 2]) << 16 | UInt32(bytes[place + 3]) << 24)
        }
    }

    private static func doubles(_ bytes: ArraySlice<UInt8>) -> [Double] {
        stride(from: bytes.startIndex, to: bytes.endIndex, by: 8).map { place in
            Double(bitPattern: integer(bytes[place..<place + 8], as: UInt64.self))
        }
    }

    private static func halves(_ bytes: ArraySlice<UInt8>) -> [UInt16] {
        stride(from: bytes.startIndex, to: bytes.endIndex, by: 2).map { place in
            UInt16(bytes[place]) | UInt16(bytes[place + 1]) << 8
        }
    }

    private static func integers(_ bytes: ArraySlice<UInt8>) -> [Int64] {
        stride(from: bytes.startIndex, to: bytes.endIndex, by: 8).map { place in
            integer(bytes[place..<place + 8], as: Int64.self)
        }
    }

    private static func append<T: FixedWidthInteger>(_ value: T, to bytes: inout [UInt8]) {
        for shift in stride(from: 0, to: T.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}

extension Int {
    /// Returns the product, or Int.max on overflow.
    fileprivate func multipliedClamped(by other: Int) -> Int {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? .max : product
    }
}
