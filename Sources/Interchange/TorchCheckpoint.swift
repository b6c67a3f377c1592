// PyTorch checkpoints: state dicts as torch.save writes them, in a zip archive (since 1.6) or one pickle after the
// other (before). Only tensors are read, and no code of a file is ever run: see PickleReader.
// Formats: torch/serialization.py, `_save` and `_legacy_save`.

/// A kind of number that a checkpoint may hold.
struct TorchNumber {
    /// The name of its storage.
    let storage: String
    /// Bytes of one.
    let width: Int
    /// Whether it is read as an integer.
    let isInteger: Bool

    /// Every kind that is known.
    static let all: [TorchNumber] = [
        TorchNumber(storage: "FloatStorage", width: 4, isInteger: false),
        TorchNumber(storage: "DoubleStorage", width: 8, isInteger: false),
        TorchNumber(storage: "HalfStorage", width: 2, isInteger: false),
        TorchNumber(storage: "BFloat16Storage", width: 2, isInteger: false),
        TorchNumber(storage: "LongStorage", width: 8, isInteger: true),
        TorchNumber(storage: "IntStorage", width: 4, isInteger: true),
        TorchNumber(storage: "ShortStorage", width: 2, isInteger: true),
        TorchNumber(storage: "CharStorage", width: 1, isInteger: true),
        TorchNumber(storage: "ByteStorage", width: 1, isInteger: true),
        TorchNumber(storage: "BoolStorage", width: 1, isInteger: true),
    ]
}

/// Reads PyTorch checkpoints.
public enum TorchCheckpoint {
    /// Dictionaries within dictionaries that are followed; a state dict may lie in a dictionary of other things.
    static let deepest = 4
    /// The most entries and dictionaries that are looked at, against files made to be large.
    static let mostEntries = 1_000_000
    /// The number that older files begin with, and the version of their format.
    static let legacyMagic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]

    /// Whether bytes begin as a checkpoint of either form does.
    public static func isCheckpoint(_ bytes: [UInt8]) -> Bool {
        ZipArchive.isArchive(bytes) || bytes.starts(with: [0x80, 2, 0x8A, 10] + legacyMagic)
    }

    /// Reads every tensor of a checkpoint; names within nested dictionaries are joined by dots.
    ///
    /// Errors: `truncated`, `malformed`, `unsupported` (other objects than tensors that a pickle wants to make).
    public static func decode(bytes: [UInt8]) throws -> SafetensorsFile {
        guard isCheckpoint(bytes) else {
            throw InterchangeError(
                .malformed, "this is no PyTorch checkpoint: save it with torch.save")
        }
        let (pickle, storages) =
            ZipArchive.isArchive(bytes) ? try readArchive(bytes) : try readLegacy(bytes)
        var file = SafetensorsFile()
        var visited = 0
        var elements = 0
        let most = storages.values.reduce(0) { $0 + $1.count } &* 8
        func visit(_ place: Int, _ name: String, _ depth: Int) throws {
            visited += 1
            guard visited <= mostEntries else {
                throw InterchangeError(.malformed, "the checkpoint has over \(mostEntries) entries")
            }
            switch pickle.values[place] {
            case .dictionary(let items) where depth < deepest:
                for at in stride(from: 0, to: items.count - 1, by: 2) {
                    guard case .text(let key) = pickle.values[items[at]] else { continue }
                    try visit(items[at + 1], name.isEmpty ? key : "\(name).\(key)", depth + 1)
                }
            case .tensor(let reference):
                let places = try places(reference, name)
                elements += places.count
                guard elements <= most else {
                    throw InterchangeError(.malformed, "the tensors are larger than the file")
                }
                guard let storage = storages[reference.storage.key] else {
                    throw InterchangeError(
                        .truncated, "the numbers of tensor \(name) are not in the file")
                }
                try read(reference, places, storage, bytes, name, into: &file)
            default: return
            }
        }
        try visit(pickle.root, "", 0)
        return file
    }

    /// The list of tensors and the bytes of every storage in a zip archive: `NAME/data.pkl`, `NAME/data/KEY`.
    private static func readArchive(_ bytes: [UInt8]) throws -> (Pickle, [String: Range<Int>]) {
        let archive = try ZipArchive(bytes)
        guard let list = archive.entries.keys.filter({ $0.hasSuffix("/data.pkl") }).sorted().first,
            let range = archive.entries[list]
        else {
            throw InterchangeError(.malformed, "the archive holds no data.pkl: is it a checkpoint?")
        }
        let prefix = list.dropLast("data.pkl".count)
        if let order = archive.entries["\(prefix)byteorder"],
            !bytes[order].elementsEqual("little".utf8)
        {
            throw InterchangeError(
                .unsupported, "the checkpoint was written on a big-endian machine: convert it")
        }
        var storages: [String: Range<Int>] = [:]
        for (name, range) in archive.entries where name.hasPrefix("\(prefix)data/") {
            storages[String(name.dropFirst(prefix.count + 5))] = range
        }
        return (try PickleReader.read(bytes[range]).pickle, storages)
    }

    /// The older form: magic number, version, system, tensors, keys, each a pickle, then the storages in the order of
    /// the keys, each 8 bytes of length and the numbers.
    private static func readLegacy(_ bytes: [UInt8]) throws -> (Pickle, [String: Range<Int>]) {
        var start = 0
        func next() throws -> Pickle {
            let (pickle, end) = try PickleReader.read(bytes[start...])
            start = end
            return pickle
        }
        guard case .bigInteger = try next().result, case .int(1001) = try next().result else {
            throw InterchangeError(
                .unsupported, "the checkpoint has a version that is not known: save it again")
        }
        let system = try next()
        if case .dictionary(let items) = system.result {
            for at in stride(from: 0, to: items.count - 1, by: 2)
            where system.values[items[at]] == .text("little_endian")
                && system.values[items[at + 1]] != .bool(true)
            {
                throw InterchangeError(
                    .unsupported, "the checkpoint was written on a big-endian machine: convert it")
            }
        }
        let pickle = try next()
        let keys = try next()
        guard case .list(let names) = keys.result else {
            throw InterchangeError(.malformed, "the checkpoint does not list its arrays")
        }
        var widths: [String: (width: Int, count: Int)] = [:]
        for case .storage(let storage) in pickle.values {
            widths[storage.key] = (number(storage.type)?.width ?? 0, storage.count)
        }
        var storages: [String: Range<Int>] = [:]
        for name in names {
            guard case .text(let key) = keys.values[name], let (width, count) = widths[key] else {
                throw InterchangeError(
                    .malformed, "the checkpoint lists an array that no tensor has")
            }
            let (size, overflow) = count.multipliedReportingOverflow(by: width)
            guard !overflow, start + 8 <= bytes.count, size <= bytes.count - start - 8 else {
                throw InterchangeError(.truncated, "the checkpoint ends within array \(key)")
            }
            storages[key] = start + 8..<start + 8 + size
            start += 8 + size
        }
        return (pickle, storages)
    }

    private static func number(_ storage: String) -> TorchNumber? {
        TorchNumber.all.first { $0.storage == storage }
    }

    /// The places in its storage of a tensor's numbers, row-major.
    private static func places(_ tensor: Pickle.TensorReference, _ name: String) throws -> [Int] {
        let malformed = InterchangeError(
            .malformed, "tensor \(name) of shape \(tensor.shape) does not lie within its array")
        guard tensor.shape.count == tensor.strides.count, tensor.shape.count <= 16,
            tensor.offset >= 0, tensor.shape.allSatisfy({ $0 >= 0 }),
            tensor.strides.allSatisfy({ $0 >= 0 })
        else { throw malformed }
        var count = 1, last = tensor.offset
        for (extent, stride) in zip(tensor.shape, tensor.strides) {
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            let (reach, far) = max(extent - 1, 0).multipliedReportingOverflow(by: stride)
            let (sum, high) = last.addingReportingOverflow(reach)
            guard !overflow, !far, !high else { throw malformed }
            (count, last) = (product, sum)
        }
        // A tensor larger than its array repeats numbers: no weights do.
        guard count == 0 || (last < tensor.storage.count && count <= tensor.storage.count) else {
            throw malformed
        }
        var places = count == 0 ? [] : [tensor.offset]
        for (extent, stride) in zip(tensor.shape, tensor.strides) where count > 0 {
            places = places.flatMap { start in (0..<extent).map { start + $0 * stride } }
        }
        return places
    }

    private static func read(
        _ tensor: Pickle.TensorReference, _ places: [Int], _ storage: Range<Int>, _ bytes: [UInt8],
        _ name: String, into file: inout SafetensorsFile
    ) throws {
        guard let kind = number(tensor.storage.type) else {
            throw InterchangeError(
                .unsupported, "tensor \(name) holds \(tensor.storage.type), which is not read here")
        }
        guard
            tensor.storage.count.multipliedReportingOverflow(by: kind.width).partialValue
                <= storage.count
        else {
            throw InterchangeError(
                .truncated, "the numbers of tensor \(name) are not all in the file")
        }
        func bits(_ place: Int) -> UInt64 {
            let start = storage.lowerBound + place * kind.width
            var bits: UInt64 = 0
            for at in (start..<start + kind.width).reversed() {
                bits = bits << 8 | UInt64(bytes[at])
            }
            return bits
        }
        if kind.isInteger {
            let isSigned = kind.width > 1 || kind.storage == "CharStorage"
            let unused = UInt64(64 - 8 * kind.width)
            file.integers[name] = .init(
                shape: tensor.shape,
                values: places.map {
                    isSigned
                        ? Int64(bitPattern: bits($0) << unused) >> Int64(unused) : Int64(bits($0))
                })
            return
        }
        let values: [Float] =
            switch kind.storage {
            case "DoubleStorage": places.map { Float(Double(bitPattern: bits($0))) }
            case "HalfStorage": places.map { half(UInt16(bits($0))) }
            case "BFloat16Storage": places.map { Float(bitPattern: UInt32(bits($0)) << 16) }
            default: places.map { Float(bitPattern: UInt32(bits($0))) }
            }
        file.tensors[name] = .init(shape: tensor.shape, values: values)
    }

    /// A 16-bit float (IEEE 754 binary16) as 32 bits; exact.
    static func half(_ bits: UInt16) -> Float {
        let sign: Float = bits >> 15 == 1 ? -1 : 1
        let exponent = Int(bits >> 10 & 31), fraction = Float(bits & 1023)
        switch exponent {
        case 0: return sign * fraction * 0x1p-24
        case 31: return fraction == 0 ? sign * .infinity : .nan
        default:
            return sign * (1 + fraction * 0x1p-10)
                * Float(sign: .plus, exponent: exponent - 15, significand: 1)
        }
    }
}
