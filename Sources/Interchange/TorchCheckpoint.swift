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

    /// The widths of types that are not read. In older files they are needed to find the storages after them.
    static let unreadWidths = [
        "ComplexFloatStorage": 8, "ComplexDoubleStorage": 16, "QInt8Storage": 1,
        "QUInt8Storage": 1, "QInt32Storage": 4,
    ]

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
    /// executed. Tensors of unsupported types are listed in `unread`.
    ///
    /// Errors: `truncated`, `malformed`, `unsupported` (such as no tensor but those of unsupported types, or objects but
    /// no tensor).
    public static func decode(bytes: [UInt8]) throws -> SafetensorsFile {
        guard isCheckpoint(bytes) else {
            throw InterchangeError(
                .malformed, "this is no PyTorch checkpoint", remedy: "save it with torch.save")
        }
        let (pickle, storages) =
            ZipArchive.isArchive(bytes) ? try readArchive(bytes) : try readLegacy(bytes)
        var file = SafetensorsFile()
        var visited = 0, nameBytes = 0
        var memory = Memory(file: bytes.count)
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
                try read(reference, name, bytes, storages, &memory, into: &file)
            case .unreadTensor(let function):
                file.unread[name] =
                    "is made by '\(Shown.excerpt(function))', which is not supported"
            default: file.passedOver.insert(name)
            }
        }
        try visit(pickle.root, "", 0)
        guard file.tensors.isEmpty, file.integers.isEmpty else { return file }
        if let (name, why) = file.unread.min(by: { $0.key < $1.key }) {
            throw InterchangeError(
                .unsupported, "tensor \(Shown.excerpt(name)) \(why): no code was run",
                remedy: "save it as a plain tensor of floats")
        }
        if let object = pickle.values.lazy.compactMap(objectName).first {
            throw InterchangeError(
                .unsupported,
                "the checkpoint holds no table of tensors, but '\(object)': no code was run",
                remedy: "save the state dict"
                    + " with torch.save(model.state_dict(), …)")
        }
        return file
    }

    /// Reads one tensor into `file`, or lists it in `unread`.
    private static func read(
        _ reference: Pickle.TensorReference, _ name: String, _ bytes: [UInt8],
        _ storages: [String: Range<Int>], _ memory: inout Memory, into file: inout SafetensorsFile
    ) throws {
        guard file.tensors[name] == nil, file.integers[name] == nil, file.unread[name] == nil
        else {
            throw InterchangeError(
                .malformed, "the checkpoint holds tensor \(Shown.excerpt(name)) twice")
        }
        let count = try checkedCount(reference, name)
        guard let kind = number(reference.storage.type) else {
            file.unread[name] = unread(reference.storage.type)
            return
        }
        guard let storage = storages[reference.storage.key] else {
            throw InterchangeError(
                .truncated, "the numbers of tensor \(Shown.excerpt(name)) are not in the file")
        }
        guard try memory.takes(count, kind) else {
            file.unread[name] = "holds \(count) integers, more than are read here"
            return
        }
        let elements = try Elements(reference, kind, count, storage, bytes, name)
        if kind.isInteger {
            file.integers[name] = .init(shape: reference.shape, values: elements.integers)
        } else {
            file.tensors[name] = .init(shape: reference.shape, values: elements.floats)
        }
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
                .malformed,
                "the archive holds two checkpoints, \(Shown.excerpt(lists[0])) and \(Shown.excerpt(lists[1]))"
            )
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
                    .malformed,
                    "the checkpoint contradicts itself about array \(Shown.excerpt(storage.key))")
            }
        }
        var storages: [String: Range<Int>] = [:]
        if known.isEmpty { return (pickle, storages) }
        for name in names {
            guard case .text(let key) = keys.values[name], let storage = known[key] else {
                throw InterchangeError(
                    .malformed, "the checkpoint lists an array that no tensor has")
            }
            guard
                let width = number(storage.type)?.width ?? TorchNumber.unreadWidths[storage.type]
            else {
                throw InterchangeError(
                    .unsupported, "array \(Shown.excerpt(key)) \(unread(storage.type))",
                    remedy: "convert it to floats")
            }
            let (size, overflow) = storage.count.multipliedReportingOverflow(by: width)
            guard !overflow, start + 8 <= bytes.count, size <= bytes.count - start - 8 else {
                throw InterchangeError(
                    .truncated, "the checkpoint ends within array \(Shown.excerpt(key))")
            }
            let count = bytes[start..<start + 8].reversed().reduce(UInt64(0)) {
                $0 << 8 | UInt64($1)
            }
            guard count == UInt64(storage.count), storages[key] == nil else {
                throw InterchangeError(
                    .malformed,
                    "array \(Shown.excerpt(key)) has \(count) numbers where \(storage.count) belong",
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

    private static func unread(_ type: String) -> String {
        "holds \(Shown.excerpt(type)), which is not read here"
    }

    /// Returns the number of elements of a tensor. Errors: `malformed` if the tensor exceeds its
    /// storage.
    private static func checkedCount(
        _ tensor: Pickle.TensorReference, _ name: String
    ) throws -> Int {
        var malformed: InterchangeError {
            InterchangeError(
                .malformed,
                "tensor \(Shown.excerpt(name)) of shape \(ShapeText.shown(tensor.shape)) does not lie within its array"
            )
        }
        guard tensor.shape.count == tensor.strides.count,
            tensor.shape.count <= ShapeText.mostExtents,
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

    /// The memory that the tensors of a file may take.
    private struct Memory {
        /// Bytes left for floats and for integers.
        private var floats, integers: Int

        /// Floats may take four times the bytes of the file: those of 16 bits take twice their own bytes, and tied
        /// weights are several tensors in one storage. Integers take eight bytes each, up to the bytes of the file.
        init(file bytes: Int) { (floats, integers) = (4 * bytes, max(bytes, 1 << 16)) }

        /// Takes the memory of `count` numbers. Returns false if integers have too little left. Errors: `malformed` if
        /// floats have too little left, as only a malicious file needs more.
        mutating func takes(_ count: Int, _ kind: TorchNumber) throws -> Bool {
            guard kind.isInteger else {
                guard count <= floats / 4 else {
                    throw InterchangeError(.malformed, "the tensors are larger than the file")
                }
                floats -= 4 * count
                return true
            }
            guard count <= integers / 8 else { return false }
            integers -= 8 * count
            return true
        }
    }

    /// The elements of one checked tensor, row-major.
    private struct Elements {
        private let tensor: Pickle.TensorReference
        private let kind: TorchNumber
        private let count: Int
        private let start: Int
        private let bytes: [UInt8]

        /// Takes a tensor of `count` elements whose storage is the range `storage` of `bytes`. Errors: `truncated`.
        init(
            _ tensor: Pickle.TensorReference, _ kind: TorchNumber, _ count: Int,
            _ storage: Range<Int>, _ bytes: [UInt8], _ name: String
        ) throws {
            let (size, overflow) = tensor.storage.count.multipliedReportingOverflow(by: kind.width)
            guard !overflow, size <= storage.count else {
                throw InterchangeError(
                    .truncated,
                    "the numbers of tensor \(Shown.excerpt(name)) are not all in the file")
            }
            (self.tensor, self.kind, self.count, self.bytes) = (tensor, kind, count, bytes)
            start = storage.lowerBound
        }

        var integers: [Int64] {
            let isSigned = kind.width > 1 || kind.storage == "CharStorage"
            let unused = UInt64(64 - 8 * kind.width)
            return values { bits in
                isSigned ? Int64(bitPattern: bits << unused) >> Int64(unused) : Int64(bits)
            }
        }

        var floats: [Float] {
            switch kind.storage {
            case "DoubleStorage": values { Float(Double(bitPattern: $0)) }
            case "HalfStorage": values { HalfPrecision.float16(UInt16($0)) }
            case "BFloat16Storage": values { HalfPrecision.bfloat16(UInt16($0)) }
            default: values { Float(bitPattern: UInt32($0)) }
            }
        }

        /// Returns the value of each element, made from its bits.
        private func values<Value>(_ value: (UInt64) -> Value) -> [Value] {
            var values: [Value] = []
            guard count > 0 else { return values }
            values.reserveCapacity(count)
            func row(_ place: Int, _ dimension: Int) {
                guard dimension < tensor.shape.count else {
                    return values.append(value(bits(place)))
                }
                for index in 0..<tensor.shape[dimension] {
                    row(place + index * tensor.strides[dimension], dimension + 1)
                }
            }
            row(tensor.offset, 0)
            return values
        }

        private func bits(_ place: Int) -> UInt64 {
            let first = start + place * kind.width
            var bits: UInt64 = 0
            for at in (first..<first + kind.width).reversed() {
                bits = bits << 8 | UInt64(bytes[at])
            }
            return bits
        }
    }
}
