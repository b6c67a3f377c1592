// Reads the pickles of PyTorch checkpoints without running anything. A pickle is a program for a small stack machine
// that may name any function and call it; here only the names and opcodes that a table of tensors needs are known, the
// calls among them are answered by this reader, and everything else is an error. Values live in one array and refer
// to each other by place, so that neither deep nesting nor cycles can exhaust the stack.
// Opcodes: Python's pickletools, protocol 2 (and the few of 4 that checkpoints use).

/// What a pickle holds: values that refer to each other by their places.
struct Pickle {
    /// A value.
    enum Value: Equatable {
        case none
        case bool(Bool)
        case int(Int)
        case float(Double)
        case text(String)
        /// An integer that does not fit; only its bytes are kept.
        case bigInteger([UInt8])
        case tuple([Int])
        case list([Int])
        /// Keys and values in the order of the file.
        case dictionary([Int])
        /// One of the names of `PickleReader.globals`.
        case global(String)
        /// An array of numbers that lies elsewhere in the file.
        case storage(StorageReference)
        /// A view of such an array.
        case tensor(TensorReference)
    }

    /// Names an array of numbers.
    struct StorageReference: Equatable {
        /// Its name in the file.
        let key: String
        /// Its type, such as `FloatStorage`.
        let type: String
        /// How many numbers it holds.
        let count: Int
    }

    /// A view of an array.
    struct TensorReference: Equatable {
        let storage: StorageReference
        let offset: Int
        let shape, strides: [Int]
    }

    /// Every value that was made.
    fileprivate(set) var values: [Value]
    /// The place of the result.
    fileprivate(set) var root: Int

    /// The result.
    var result: Value { values[root] }
}

/// The stack machine.
struct PickleReader {
    /// The functions and types a checkpoint of tensors names, and the only ones that are known here.
    static let globals: Set<String> = Set(
        [
            "collections OrderedDict", "torch._utils _rebuild_tensor_v2",
            "torch._utils _rebuild_parameter",
        ]
            + TorchNumber.all.map { "torch \($0.storage)" })

    private let bytes: ArraySlice<UInt8>
    private var place: Int
    private var values: [Pickle.Value] = []
    private var stack: [Int] = []
    private var marks: [Int] = []
    private var memo: [Int: Int] = [:]

    /// Reads one pickle that begins at the start of `bytes`.
    private init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        place = bytes.startIndex
    }

    /// Reads one pickle, and says where the byte after it is. Errors: `truncated`, `malformed`, `unsupported`.
    static func read(_ bytes: ArraySlice<UInt8>) throws -> (pickle: Pickle, end: Int) {
        var reader = PickleReader(bytes)
        let root = try reader.run()
        return (Pickle(values: reader.values, root: root), reader.place)
    }

    private mutating func run() throws -> Int {
        while true {
            let at = place
            let opcode = try byte()
            if opcode == UInt8(ascii: ".") { return try pop() }
            guard try readConstant(opcode) || readStructure(opcode) || readCall(opcode) else {
                throw InterchangeError(
                    .unsupported,
                    "byte \(at) asks for opcode 0x\(String(opcode, radix: 16)), which no table of tensors needs:"
                        + " nothing was run. Save the state dict alone with torch.save")
            }
        }
    }

    /// Numbers, texts and the memo.
    private mutating func readConstant(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case 0x80: _ = try byte()  // PROTO
        case 0x95: _ = try integer(8)  // FRAME
        case UInt8(ascii: "N"): push(.none)
        case 0x88: push(.bool(true))
        case 0x89: push(.bool(false))
        case UInt8(ascii: "K"): push(.int(try integer(1)))
        case UInt8(ascii: "M"): push(.int(try integer(2)))
        case UInt8(ascii: "J"): push(.int(Int(Int32(truncatingIfNeeded: try integer(4)))))
        case 0x8A:  // LONG1
            let digits = try take(try integer(1))
            push(Self.number(digits))
        case UInt8(ascii: "G"):
            let bits = try take(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            push(.float(Double(bitPattern: bits)))
        case UInt8(ascii: "X"): push(.text(try text(try integer(4))))
        case 0x8C: push(.text(try text(try integer(1))))
        case UInt8(ascii: "q"): memo[try integer(1)] = try top()
        case UInt8(ascii: "r"): memo[try integer(4)] = try top()
        case 0x94: memo[memo.count] = try top()
        case UInt8(ascii: "h"): stack.append(try remembered(try integer(1)))
        case UInt8(ascii: "j"): stack.append(try remembered(try integer(4)))
        case UInt8(ascii: "0"): _ = try pop()
        default: return false
        }
        return true
    }

    /// Tuples, lists and dictionaries.
    private mutating func readStructure(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: ")"): push(.tuple([]))
        case UInt8(ascii: "]"): push(.list([]))
        case UInt8(ascii: "}"): push(.dictionary([]))
        case UInt8(ascii: "t"): push(.tuple(try popToMark()))
        case 0x85, 0x86, 0x87:
            let count = Int(opcode) - 0x84
            var items: [Int] = []
            for _ in 0..<count { items.append(try pop()) }
            push(.tuple(items.reversed()))
        case UInt8(ascii: "a"): try append([try pop()])
        case UInt8(ascii: "e"): try append(try popToMark())
        case UInt8(ascii: "s"):
            let value = try pop(), key = try pop()
            try set([key, value])
        case UInt8(ascii: "u"): try set(try popToMark())
        default: return false
        }
        return true
    }

    /// Names and the calls of them, each answered here.
    private mutating func readCall(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case UInt8(ascii: "c"):
            try pushGlobal("\(try line()) \(try line())")
        case 0x93:  // STACK_GLOBAL
            let name = try pop(), module = try pop()
            guard case .text(let name) = values[name], case .text(let module) = values[module]
            else { throw malformed("names something that is no text") }
            try pushGlobal("\(module) \(name)")
        case UInt8(ascii: "Q"): push(.storage(try storage(try pop())))
        case UInt8(ascii: "R"):
            let arguments = try pop(), function = try pop()
            try call(values[function], try tuple(arguments))
        case UInt8(ascii: "b"):
            // The state of an ordered dictionary: what PyTorch notes beside the tensors.
            _ = try pop()
            guard case .dictionary = values[try top()] else {
                throw malformed("gives a state to something that has none")
            }
        default: return false
        }
        return true
    }

    private mutating func pushGlobal(_ name: String) throws {
        guard Self.globals.contains(name) else {
            throw InterchangeError(
                .unsupported,
                "the checkpoint wants to use '\(name.replacing(" ", with: "."))', which a table of tensors does not"
                    + " need: nothing was run. Save the state dict alone with torch.save")
        }
        push(.global(name))
    }

    private mutating func call(_ function: Pickle.Value, _ arguments: [Int]) throws {
        switch function {
        case .global("collections OrderedDict") where arguments.isEmpty: push(.dictionary([]))
        case .global("torch._utils _rebuild_parameter") where !arguments.isEmpty:
            stack.append(arguments[0])
        case .global("torch._utils _rebuild_tensor_v2") where arguments.count >= 4:
            guard case .storage(let storage) = values[arguments[0]] else {
                throw malformed("makes a tensor of something that is no storage")
            }
            push(
                .tensor(
                    Pickle.TensorReference(
                        storage: storage, offset: try int(arguments[1]),
                        shape: try tuple(arguments[2]).map(int),
                        strides: try tuple(arguments[3]).map(int))))
        default: throw malformed("calls something in a way that is not known")
        }
    }

    /// A storage's name: ('storage', type, key, device, count), and in older files a view that must be nil.
    private func storage(_ place: Int) throws -> Pickle.StorageReference {
        let parts = try tuple(place)
        guard parts.count >= 5, case .text("storage") = values[parts[0]],
            case .global(let type) = values[parts[1]], type.hasPrefix("torch "),
            case .text(let key) = values[parts[2]]
        else { throw malformed("names an array in a way that is not known") }
        if parts.count > 5, values[parts[5]] != .none {
            throw InterchangeError(.unsupported, "array \(key) is a view of another: save it again")
        }
        let count = try int(parts[4])
        guard count >= 0 else { throw malformed("names an array of \(count) numbers") }
        return Pickle.StorageReference(key: key, type: String(type.dropFirst(6)), count: count)
    }

    private mutating func append(_ items: [Int]) throws {
        let target = try top()
        guard case .list(let old) = values[target] else {
            throw malformed("appends to something that is no list")
        }
        values[target] = .none  // so that the list has one owner while it grows
        values[target] = .list(old + items)
    }

    private mutating func set(_ items: [Int]) throws {
        let target = try top()
        guard items.count.isMultiple(of: 2), case .dictionary(let old) = values[target] else {
            throw malformed("sets items of something that is no dictionary")
        }
        values[target] = .dictionary(old + items)
    }

    private mutating func push(_ value: Pickle.Value) {
        values.append(value)
        stack.append(values.count - 1)
    }

    private mutating func pop() throws -> Int {
        guard stack.count > (marks.last ?? 0), let last = stack.popLast() else {
            throw malformed("takes a value where there is none")
        }
        return last
    }

    private func top() throws -> Int {
        guard stack.count > (marks.last ?? 0), let last = stack.last else {
            throw malformed("uses a value where there is none")
        }
        return last
    }

    private mutating func popToMark() throws -> [Int] {
        guard let mark = marks.popLast(), mark <= stack.count else {
            throw malformed("ends a group that did not begin")
        }
        let items = Array(stack[mark...])
        stack.removeSubrange(mark...)
        return items
    }

    private func remembered(_ key: Int) throws -> Int {
        guard let place = memo[key] else { throw malformed("recalls value \(key), which is none") }
        return place
    }

    private func tuple(_ place: Int) throws -> [Int] {
        guard case .tuple(let items) = values[place] else {
            throw malformed("has something else where a tuple belongs")
        }
        return items
    }

    private func int(_ place: Int) throws -> Int {
        guard case .int(let value) = values[place] else {
            throw malformed("has something else where an integer belongs")
        }
        return value
    }

    private mutating func byte() throws -> UInt8 {
        guard place < bytes.endIndex else { throw ended }
        defer { place += 1 }
        return bytes[place]
    }

    private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
        guard count >= 0, count <= bytes.endIndex - place else { throw ended }
        defer { place += count }
        return bytes[place..<place + count]
    }

    private mutating func integer(_ count: Int) throws -> Int {
        Int(
            truncatingIfNeeded: try take(count).reversed().reduce(UInt64(0)) {
                $0 << 8 | UInt64($1)
            })
    }

    private mutating func text(_ count: Int) throws -> String {
        guard let text = String(validating: try take(count), as: UTF8.self) else {
            throw malformed("holds a text that is not UTF-8")
        }
        return text
    }

    private mutating func line() throws -> String {
        guard let end = bytes[place...].prefix(256).firstIndex(of: UInt8(ascii: "\n")) else {
            throw ended
        }
        let line = try text(end - place)
        place = end + 1
        return line
    }

    /// A little-endian integer of two's complement.
    private static func number(_ digits: ArraySlice<UInt8>) -> Pickle.Value {
        guard digits.count <= 8 else { return .bigInteger(Array(digits)) }
        let isNegative = digits.last.map { $0 >= 0x80 } ?? false
        let start: UInt64 = isNegative ? .max : 0
        return .int(Int(bitPattern: UInt(digits.reversed().reduce(start) { $0 << 8 | UInt64($1) })))
    }

    private var ended: InterchangeError {
        InterchangeError(
            .truncated, "the checkpoint ends within its list of tensors: copy it again")
    }

    private func malformed(_ what: String) -> InterchangeError {
        InterchangeError(.malformed, "the checkpoint's list of tensors \(what), at byte \(place)")
    }
}
