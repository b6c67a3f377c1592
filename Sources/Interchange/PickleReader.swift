// Reads the pickles of PyTorch checkpoints without executing code. A pickle is a program for a small stack machine that
// may call any function by name. This reader itself interprets the calls that make tensors and dictionaries
// (PickleReader+Calls.swift). An unknown way to rebuild a tensor gives a tensor that is not read; any other call gives an
// opaque object.
// Values are stored in one array and refer to each other by index, so that neither deep nesting nor cycles can overflow
// the call stack. The opcodes are those of Python's pickletools, protocols 0 to 5.

/// A parsed pickle: values that refer to each other by their index in `values`.
struct Pickle {
    /// A value of a pickle.
    enum Value: Equatable {
        case none
        case bool(Bool)
        case int(Int)
        case float(Double)
        case text(String)
        /// An integer beyond 64 bits, as bytes.
        case bigInteger([UInt8])
        case tuple([Int])
        case list([Int])
        /// The indices of a key, its value, the next key and so on, in the order of the file.
        case dictionary([Int])
        /// A function or type by module and name.
        case global(String)
        /// An opaque object, such as the result of a call that is not interpreted. The text is a name, such as the
        /// function's; the list has the indices of the keys and values set on the object.
        case object(String, [Int])
        /// A storage: an array of numbers elsewhere in the file.
        case storage(StorageReference)
        /// A tensor: a view of a storage.
        case tensor(TensorReference)
        /// A tensor that is not read; the text is the name of the function that makes it.
        case unreadTensor(String)
    }

    /// A reference to a storage.
    struct StorageReference: Equatable {
        /// The storage's key in the file.
        let key: String
        /// The storage's type, such as `FloatStorage`.
        let type: String
        /// The number of elements.
        let count: Int
    }

    /// A view of a storage.
    struct TensorReference: Equatable {
        let storage: StorageReference
        let offset: Int
        let shape, strides: [Int]
    }

    /// All values.
    fileprivate(set) var values: [Value]
    /// The index of the pickle's result in `values`.
    fileprivate(set) var root: Int

    /// The pickle's result.
    var result: Value { values[root] }
}

/// The stack machine that runs a pickle.
struct PickleReader {
    private let bytes: ArraySlice<UInt8>
    private var place: Int
    /// All values so far.
    var values: [Pickle.Value] = []
    private var stack: [Int] = []
    private var marks: [Int] = []
    private var memo: [Int: Int] = [:]
    /// The items that ordered dictionaries have copied from lists of pairs so far.
    var copiedItems = 0

    /// Prepares to read one pickle from the start of `bytes`.
    private init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        place = bytes.startIndex
    }

    /// Reads one pickle from the start of `bytes`; `end` is the index after the pickle. Errors:
    /// `truncated`, `malformed`, `unsupported`.
    static func read(_ bytes: ArraySlice<UInt8>) throws -> (pickle: Pickle, end: Int) {
        var reader = PickleReader(bytes)
        let root = try reader.run()
        return (Pickle(values: reader.values, root: root), reader.place)
    }

    /// The most opcodes of a pickle; more are refused as malicious, because each may store a value. A state dict takes
    /// about thirty per tensor.
    static let mostOpcodes = 4_000_000

    private mutating func run() throws -> Int {
        var count = 0
        while true {
            let at = place
            let opcode = try byte()
            count += 1
            guard count <= Self.mostOpcodes else {
                throw malformed("has over \(Self.mostOpcodes) opcodes")
            }
            if opcode == UInt8(ascii: ".") { return try pop() }
            guard
                try readConstant(opcode) || readText(opcode) || readStructure(opcode)
                    || readCall(opcode)
            else {
                throw InterchangeError(
                    .unsupported,
                    "byte \(at) of the checkpoint's list of tensors is 0x\(String(opcode, radix: 16)), no opcode of a"
                        + " pickle", remedy: "copy it again")
            }
        }
    }

    /// Reads numbers and other constants, and opcodes of the memo and the stack; returns false for other opcodes.
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
        case 0x8A: push(Self.number(try take(try integer(1))))  // LONG1
        case 0x8B: push(Self.number(try take(try integer(4))))  // LONG4
        case UInt8(ascii: "I"), UInt8(ascii: "L"):
            let digits = try line().replacing("L", with: "")
            push(Int(digits).map(Pickle.Value.int) ?? .object("number", []))
        case UInt8(ascii: "F"): push(Double(try line()).map(Pickle.Value.float) ?? .none)
        case UInt8(ascii: "G"):
            let bits = try take(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            push(.float(Double(bitPattern: bits)))
        case UInt8(ascii: "q"): memo[try integer(1)] = try top()
        case UInt8(ascii: "r"): memo[try integer(4)] = try top()
        case UInt8(ascii: "p"): memo[try numberOnLine()] = try top()
        case 0x94: memo[memo.count] = try top()
        case UInt8(ascii: "h"): stack.append(try remembered(try integer(1)))
        case UInt8(ascii: "j"): stack.append(try remembered(try integer(4)))
        case UInt8(ascii: "g"): stack.append(try remembered(try numberOnLine()))
        case UInt8(ascii: "0"):
            if let mark = marks.last, mark == stack.count {
                marks.removeLast()
            } else {
                _ = try pop()
            }
        case UInt8(ascii: "1"): _ = try popToMark()
        case UInt8(ascii: "2"): stack.append(try top())
        default: return false
        }
        return true
    }

    /// Reads strings, and replaces byte strings by opaque objects; returns false for other opcodes.
    private mutating func readText(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case UInt8(ascii: "X"): push(text(try take(try integer(4))))
        case 0x8C: push(text(try take(try integer(1))))
        case 0x8D: push(text(try take(try integer(8))))
        case UInt8(ascii: "V"): push(.text(try line()))
        case UInt8(ascii: "U"): push(text(try take(try integer(1))))
        case UInt8(ascii: "T"): push(text(try take(try integer(4))))
        case UInt8(ascii: "S"):
            let quoted = try line()
            push(.text(String(quoted.dropFirst().dropLast())))
        case UInt8(ascii: "C"): try skipBytes(try integer(1))
        case UInt8(ascii: "B"): try skipBytes(try integer(4))
        case 0x8E, 0x96: try skipBytes(try integer(8))  // BINBYTES8, BYTEARRAY8
        case 0x97: push(.object("buffer", []))  // NEXT_BUFFER
        case 0x98: break  // READONLY_BUFFER
        default: return false
        }
        return true
    }

    private mutating func skipBytes(_ count: Int) throws {
        _ = try take(count)
        push(.object("bytes", []))
    }

    /// Reads tuples, lists, dictionaries and sets; returns false for other opcodes.
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
        case UInt8(ascii: "l"): push(.list(try popToMark()))
        case UInt8(ascii: "d"):
            let items = try popToMark()
            push(.dictionary([]))
            try set(items)
        case 0x8F: push(.object("set", []))  // EMPTY_SET
        case 0x90: _ = try popToMark()  // ADDITEMS
        case 0x91:  // FROZENSET
            _ = try popToMark()
            push(.object("frozenset", []))
        default: return false
        }
        return true
    }

    private mutating func append(_ items: [Int]) throws {
        let target = try top()
        switch values[target] {
        case .list(var list):
            values[target] = .none  // so that appending does not copy the list
            list += items
            values[target] = .list(list)
        case .object: break
        default: throw malformed("appends to something that is no list")
        }
    }

    private mutating func set(_ items: [Int]) throws {
        let target = try top()
        guard items.count.isMultiple(of: 2) else { throw malformed("sets a key without a value") }
        switch values[target] {
        case .dictionary(var all):
            values[target] = .none
            all += items
            values[target] = .dictionary(all)
        case .object(let name, var all):
            values[target] = .none
            all += items
            values[target] = .object(name, all)
        default: throw malformed("sets items of something that is no dictionary")
        }
    }

    /// Adds `value` to `values` and pushes its index.
    mutating func push(_ value: Pickle.Value) {
        values.append(value)
        stack.append(values.count - 1)
    }

    /// Pops the index of a value. Errors: `malformed` if no index is above the last mark.
    mutating func pop() throws -> Int {
        guard stack.count > (marks.last ?? 0), let last = stack.popLast() else {
            throw malformed("takes a value where there is none")
        }
        return last
    }

    /// Returns the index at the top of the stack. Errors: `malformed` if no index is above the last mark.
    func top() throws -> Int {
        guard stack.count > (marks.last ?? 0), let last = stack.last else {
            throw malformed("uses a value where there is none")
        }
        return last
    }

    /// Removes the last mark, and pops the indices above that mark. Errors: `malformed` if there is no mark.
    mutating func popToMark() throws -> [Int] {
        guard let mark = marks.popLast(), mark <= stack.count else {
            throw malformed("ends a group that did not begin")
        }
        let items = Array(stack[mark...])
        stack.removeSubrange(mark...)
        return items
    }

    private func remembered(_ key: Int) throws -> Int {
        guard let place = memo[key] else {
            throw malformed("recalls value \(key), which was not stored")
        }
        return place
    }

    /// Returns the items of the tuple at index `place`. Errors: `malformed` for other values.
    func tuple(_ place: Int) throws -> [Int] {
        guard case .tuple(let items) = values[place] else {
            throw malformed("has something else where a tuple belongs")
        }
        return items
    }

    /// Returns the integer at index `place`. Errors: `malformed` for other values.
    func int(_ place: Int) throws -> Int {
        guard case .int(let value) = values[place] else {
            throw malformed("has something else where an integer belongs")
        }
        return value
    }

    /// Reads the next byte.
    mutating func byte() throws -> UInt8 {
        guard place < bytes.endIndex else { throw ended }
        defer { place += 1 }
        return bytes[place]
    }

    private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
        guard count >= 0, count <= bytes.endIndex - place else { throw ended }
        defer { place += count }
        return bytes[place..<place + count]
    }

    /// Reads a little-endian integer of `count` bytes.
    mutating func integer(_ count: Int) throws -> Int {
        Int(
            truncatingIfNeeded: try take(count).reversed().reduce(UInt64(0)) {
                $0 << 8 | UInt64($1)
            })
    }

    /// Returns the bytes as text. Bytes that are not UTF-8, and so cannot name a tensor, give an opaque object.
    private func text(_ bytes: ArraySlice<UInt8>) -> Pickle.Value {
        String(validating: bytes, as: UTF8.self).map(Pickle.Value.text) ?? .object("text", [])
    }

    /// Reads the text before the next line feed, at most 255 bytes.
    mutating func line() throws -> String {
        guard let end = bytes[place...].prefix(256).firstIndex(of: UInt8(ascii: "\n")) else {
            throw ended
        }
        guard let line = String(validating: bytes[place..<end], as: UTF8.self) else {
            throw malformed("holds a name that is not UTF-8")
        }
        place = end + 1
        return line
    }

    private mutating func numberOnLine() throws -> Int {
        guard let number = Int(try line()) else { throw malformed("has no number on a line") }
        return number
    }

    /// Returns the integer of little-endian two's complement `digits`.
    private static func number(_ digits: ArraySlice<UInt8>) -> Pickle.Value {
        guard digits.count <= 8 else { return .bigInteger(Array(digits)) }
        let isNegative = digits.last.map { $0 >= 0x80 } ?? false
        let start: UInt64 = isNegative ? .max : 0
        return .int(Int(bitPattern: UInt(digits.reversed().reduce(start) { $0 << 8 | UInt64($1) })))
    }

    private var ended: InterchangeError {
        InterchangeError(
            .truncated, "the checkpoint ends within its list of tensors", remedy: "copy it again")
    }

    /// Returns the error `malformed` for the current position.
    func malformed(_ what: String) -> InterchangeError {
        InterchangeError(.malformed, "the checkpoint's list of tensors \(what), at byte \(place)")
    }
}
