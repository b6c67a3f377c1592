// PyTorch checkpoints: state dicts written by torch.save, in a zip archive (PyTorch 1.6 and later) or as a sequence of
// pickles (earlier versions). Only tensors and numbers are read, and no code is executed: see PickleReader. Formats:
// torch/serialization.py, `_save` and `_legacy_save`.

import Intake

/// A number type of checkpoints.
struct TorchNumber {
    /// The name of the storage type.
    let storage: String
    /// Bytes per number.
    let width: Int
    /// Whether numbers of this type are read as integers.
    let isInteger: Bool

    /// All supported types.
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
    /// The deepest nesting of dictionaries that is read; a state dict may be nested in other dictionaries.
    static let deepest = 4
    /// The most entries that a checkpoint may have; more are refused as malicious.
    static let mostEntries = 1_000_000
    /// The most bytes of all names together; a name that is joined to many keys counts as often.
    private static let mostNameBytes = 128 << 20
    /// The magic number at the start of older files, little endian.
    static let legacyMagic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]

    /// Returns whether `bytes` start like a checkpoint: a zip archive, or pickles with the magic number.
    public static func isCheckpoint(_ bytes: [UInt8]) -> Bool {
        ZipArchive.isArchive(bytes) || bytes.starts(with: [0x80, 2, 0x8A, 10] + legacyMagic)
    }

    /// Reads the tensors and scalars of a checkpoint, at most `deepest` dictionaries deep; the keys of nested
    /// dictionaries are joined by dots. Items of opaque objects are read like items of dictionaries; no code is
    /// executed.
    ///
    /// Errors: `truncated`, `malformed`, `unsupported` (such as a tensor of an unsupported type, or objects but no
    /// tensor).
    public static func decode(bytes: [UInt8]) throws -> SafetensorsFile {
        guard isCheckpoint(bytes) else {
            throw InterchangeError(
                .malformed, "this is no PyTorch checkpoint", remedy: "save it with torch.save")
        }
        let (pickle, storages) =
            ZipArchive.isArchive(bytes) ? try readArchive(bytes) : try readLegacy(bytes)
        var file = SafetensorsFile()
        var visited = 0, nameBytes = 0
        // Tied weights are several tensors in one storage, so the tensors of a valid file may have more floats in total
        // than the file contains. More than eight times as many are refused as malicious.
        var left = 2 * bytes.count
        func visit(_ place: Int, _ name: String, _ depth: Int) throws {
            visited += 1
            guard visited <= mostEntries else {
                throw InterchangeError(.malformed, "the checkpoint has over \(mostEntries) entries")
            }
            switch pickle.values[place] {
            case .int(let number): file.numbers[name] = Double(number)
            case .float(let number): file.numbers[name] = number
            case .object(_, let items) where items.isEmpty: file.passedOver.insert(name)
            case .dictionary(let items) where depth < deepest,
                .object(_, let items) where depth < deepest:
                for at in stride(from: 0, to: items.count - 1, by: 2) {
                    guard case .text(let key) = pickle.values[items[at]] else { continue }
                    nameBytes += name.utf8.count + key.utf8.count
                    guard nameBytes <= mostNameBytes else {
                        throw InterchangeError(
                            .malformed,
                            "the checkpoint's names take over \(mostNameBytes >> 20) MiB")
                    }
                    try visit(items[at + 1], name.isEmpty ? key : "\(name).\(key)", depth + 1)
                }
            case .tensor(let reference):
                guard file.tensors[name] == nil, file.integers[name] == nil else {
                    throw InterchangeError(.malformed, "the checkpoint holds tensor \(name) twice")
                }
                guard let storage = storages[reference.storage.key] else {
                    throw InterchangeError(
                        .truncated, "the numbers of tensor \(name) are not in the file")
                }
                let count = try checkedCount(reference, name)
                guard count <= left else {
                    throw InterchangeError(.malformed, "the tensors are larger than the file")
                }
                left -= count
                try read(reference, storage, bytes, name, into: &file)
            default: file.passedOver.insert(name)
            }
        }
        try visit(pickle.root, "", 0)
        if file.tensors.isEmpty, file.integers.isEmpty,
            let object = pickle.values.lazy.compactMap(objectName).first
        {
            throw InterchangeError(
                .unsupported,
                "the checkpoint holds no table of tensors, but '\(object)': no code was run",
                remedy: "save the state dict"
                    + " with torch.save(model.state_dict(), …)")
        }
        return file
    }

    /// Returns the dotted name of a skipped object; nil for other values.
    private static func objectName(_ value: Pickle.Value) -> String? {
        guard case .object(let name, _) = value else { return nil }
        return Shown.excerpt(name.replacing(" ", with: "."))
    }

    /// Returns the pickle (`NAME/data.pkl`) and the byte range of every storage (`NAME/data/KEY`)
    /// in a zip archive.
    private static func readArchive(_ bytes: [UInt8]) throws -> (Pickle, [String: Range<Int>]) {
        let archive = try ZipArchive(bytes)
        let lists = archive.entries.keys.filter { $0.hasSuffix("/data.pkl") }.sorted()
        guard let list = lists.first, let range = archive.entries[list] else {
            throw InterchangeError(
                .malformed, "the archive holds no data.pkl", remedy: "is it a checkpoint?")
        }
        guard lists.count == 1 else {
            throw InterchangeError(
                .malformed, "the archive holds two checkpoints, \(lists[0]) and \(lists[1])")
        }
        let prefix = list.dropLast("data.pkl".count)
        if let order = archive.entries["\(prefix)byteorder"],
            !bytes[order].elementsEqual("little".utf8)
        {
            throw InterchangeError(
                .unsupported, "the checkpoint was written on a big-endian machine",
                remedy: "convert it")
        }
        var storages: [String: Range<Int>] = [:]
        for (name, range) in archive.entries where name.hasPrefix("\(prefix)data/") {
            storages[String(name.dropFirst(prefix.count + 5))] = range
        }
        return (try PickleReader.read(bytes[range]).pickle, storages)
    }

    /// Reads the older form: five pickles (magic number, version, system info, tensors, keys), then the storages in the
    /// order of the keys. Each storage starts with 8 bytes of length.
    private static func readLegacy(_ bytes: [UInt8]) throws -> (Pickle, [String: Range<Int>]) {
        var start = 0
        func next() throws -> Pickle {
            let (pickle, end) = try PickleReader.read(bytes[start...])
            start = end
            return pickle
        }
        guard case .bigInteger = try next().result, case .int(1001) = try next().result else {
            throw InterchangeError(
                .unsupported, "the checkpoint has a version that is not known",
                remedy: "save it again")
        }
        let system = try next()
        if case .dictionary(let items) = system.result {
            for at in stride(from: 0, to: items.count - 1, by: 2)
            where system.values[items[at]] == .text("little_endian")
                && system.values[items[at + 1]] != .bool(true)
            {
                throw InterchangeError(
                    .unsupported, "the checkpoint was written on a big-endian machine",
                    remedy: "convert it")
            }
        }
        let pickle = try next()
        let keys = try next()
        guard case .list(let names) = keys.result else {
            throw InterchangeError(.malformed, "the checkpoint does not list its arrays")
        }
        var known: [String: Pickle.StorageReference] = [:]
        for case .storage(let storage) in pickle.values {
            guard known.updateValue(storage, forKey: storage.key) ?? storage == storage else {
                throw InterchangeError(
                    .malformed, "the checkpoint contradicts itself about array \(storage.key)")
            }
        }
        var storages: [String: Range<Int>] = [:]
        if known.isEmpty { return (pickle, storages) }
        for name in names {
            guard case .text(let key) = keys.values[name], let storage = known[key] else {
                throw InterchangeError(
                    .malformed, "the checkpoint lists an array that no tensor has")
            }
            guard let width = number(storage.type)?.width else { throw unread(storage, key) }
            let (size, overflow) = storage.count.multipliedReportingOverflow(by: width)
            guard !overflow, start + 8 <= bytes.count, size <= bytes.count - start - 8 else {
                throw InterchangeError(.truncated, "the checkpoint ends within array \(key)")
            }
            let count = bytes[start..<start + 8].reversed().reduce(UInt64(0)) {
                $0 << 8 | UInt64($1)
            }
            guard count == UInt64(storage.count), storages[key] == nil else {
                throw InterchangeError(
                    .malformed,
                    "array \(key) has \(count) numbers where \(storage.count) belong",
                    remedy: "copy it again"
                )
            }
            storages[key] = start + 8..<start + 8 + size
            start += 8 + size
        }
        return (pickle, storages)
    }

    private static func number(_ storage: String) -> TorchNumber? {
        TorchNumber.all.first { $0.storage == storage }
    }

    private static func unread(
        _ storage: Pickle.StorageReference, _ name: String
    ) -> InterchangeError {
        InterchangeError(
            .unsupported,
            "tensor \(name) holds \(Shown.excerpt(storage.type)), which is not read here",
            remedy: "convert it to floats"
        )
    }

    /// Returns the number of elements of a tensor. Errors: `malformed` if the tensor exceeds its
    /// storage.
    private static func checkedCount(
        _ tensor: Pickle.TensorReference, _ name: String
    ) throws -> Int {
        var malformed: InterchangeError {
            InterchangeError(
                .malformed, "tensor \(name) of shape \(tensor.shape) does not lie within its array")
        }
        guard tensor.shape.count == tensor.strides.count,
            tensor.shape.count <= PickleReader.mostDimensions,
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
        // A tensor with more elements than its storage would repeat elements. Weights never do, so such a tensor is
        // refused.
        guard count == 0 || (last < tensor.storage.count && count <= tensor.storage.count) else {
            throw malformed
        }
        return count
    }

    /// Returns the storage indices of a checked tensor's elements, row-major.
    private static func places(_ tensor: Pickle.TensorReference) -> [Int] {
        guard !tensor.shape.contains(0) else { return [] }
        var places = [tensor.offset]
        for (extent, stride) in zip(tensor.shape, tensor.strides) {
            places = places.flatMap { start in (0..<extent).map { start + $0 * stride } }
        }
        return places
    }

    private static func read(
        _ tensor: Pickle.TensorReference, _ storage: Range<Int>, _ bytes: [UInt8],
        _ name: String, into file: inout SafetensorsFile
    ) throws {
        guard let kind = number(tensor.storage.type) else { throw unread(tensor.storage, name) }
        let (size, overflow) = tensor.storage.count.multipliedReportingOverflow(by: kind.width)
        guard !overflow, size <= storage.count else {
            throw InterchangeError(
                .truncated, "the numbers of tensor \(name) are not all in the file")
        }
        let places = places(tensor)
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
            case "HalfStorage": places.map { HalfPrecision.float16(UInt16(bits($0))) }
            case "BFloat16Storage": places.map { HalfPrecision.bfloat16(UInt16(bits($0))) }
            default: places.map { Float(bitPattern: UInt32(bits($0))) }
            }
        file.tensors[name] = .init(shape: tensor.shape, values: values)
    }
}
