// Interprets the function calls in a pickle that make tensors, parameters and ordered dictionaries. No code is
// executed: an unknown way to rebuild a tensor gives a tensor that is not read, and any other call an opaque object.

import Intake

extension PickleReader {
    private static let orderedDictionary = "collections OrderedDict"
    /// The most bytes of the name of a type or of its module.
    private static let mostNameBytes = 1024

    /// Reads globals, persistent ids and calls; returns false for other opcodes.
    mutating func readCall(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case UInt8(ascii: "c"): push(.global("\(try line()) \(try line())"))
        case 0x93:  // STACK_GLOBAL
            let name = try pop(), module = try pop()
            guard case .text(let name) = values[name], case .text(let module) = values[module]
            else { throw malformed("names something that is no text") }
            // The memo gives the same text again and again, so a long one would be copied as often.
            guard max(name.utf8.count, module.utf8.count) <= Self.mostNameBytes else {
                throw malformed("has a type whose name is over \(Self.mostNameBytes) bytes long")
            }
            push(.global("\(module) \(name)"))
        case 0x82: push(.object("extension \(try integer(1))", []))
        case 0x83: push(.object("extension \(try integer(2))", []))
        case 0x84: push(.object("extension \(try integer(4))", []))
        case UInt8(ascii: "Q"): push(try stored(try pop()))
        case UInt8(ascii: "P"): push(.object("persistent \(try line())", []))
        case UInt8(ascii: "R"), 0x81:  // REDUCE, NEWOBJ
            let arguments = try pop(), function = try pop()
            try call(function, try tuple(arguments))
        case 0x92:  // NEWOBJ_EX, with keywords
            _ = try pop()
            let arguments = try pop(), function = try pop()
            try call(function, try tuple(arguments))
        case UInt8(ascii: "i"):
            let name = "\(try line()) \(try line())"
            _ = try popToMark()
            push(.object(name, []))
        case UInt8(ascii: "o"):
            guard let type = try popToMark().first, case .global(let name) = values[type] else {
                throw malformed("makes an object of something that is no type")
            }
            push(.object(name, []))
        case UInt8(ascii: "b"):
            // BUILD sets attributes of an object, or PyTorch's metadata of a state dict; both are
            // skipped.
            _ = try pop()
            switch values[try top()] {
            case .dictionary, .object, .tensor, .unreadTensor: break
            default: throw malformed("gives a state to something that has none")
            }
        default: return false
        }
        return true
    }

    private mutating func call(_ function: Int, _ arguments: [Int]) throws {
        guard case .global(let name) = values[function] else {
            guard case .object(let name, _) = values[function] else {
                throw malformed("calls something that is no function")
            }
            return push(.object(name, []))
        }
        switch name {
        case Self.orderedDictionary: push(.dictionary(try pairs(arguments)))
        case "torch._utils _rebuild_parameter", "torch._utils _rebuild_parameter_with_state":
            switch arguments.first.map({ values[$0] }) {
            case .tensor(let reference): push(.tensor(reference))
            case .unreadTensor(let name): push(.unreadTensor(name))
            default: throw malformed("makes a parameter of something that is no tensor")
            }
        case "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor",
            "torch._utils _rebuild_tensor_v3":
            try makeTensor(arguments)
        case "torch._tensor _rebuild_from_type_v2":
            // This call makes a tensor subclass; its arguments are a function, a type, the function's arguments and a
            // state.
            guard arguments.count >= 3, case .global(let inner) = values[arguments[0]],
                inner.hasPrefix("torch._utils _rebuild_")
            else { return push(.object(name, [])) }
            try call(arguments[0], try tuple(arguments[2]))
        case _ where name.hasPrefix("torch._utils _rebuild_"):
            push(.unreadTensor(name.replacing(" ", with: ".")))
        case "copyreg _reconstructor", "copy_reg _reconstructor":
            if let type = arguments.first, case .global(let made) = values[type] {
                push(.object(made, []))
            } else {
                push(.object(name, []))
            }
        default: push(.object(name, []))
        }
    }

    private mutating func makeTensor(_ arguments: [Int]) throws {
        guard arguments.count >= 4, case .storage(let storage) = values[arguments[0]] else {
            throw malformed("makes a tensor of something that is no storage")
        }
        let shape = try tuple(arguments[2]), strides = try tuple(arguments[3])
        guard max(shape.count, strides.count) <= ShapeText.mostExtents else {
            throw malformed("has a tensor of over \(ShapeText.mostExtents) dimensions")
        }
        push(
            .tensor(
                Pickle.TensorReference(
                    storage: storage, offset: try int(arguments[1]), shape: try shape.map(int),
                    strides: try strides.map(int))))
    }

    /// Returns the keys and values of an OrderedDict whose first argument is a list of pairs, which is the form that
    /// Python 2 wrote. Returns an empty array if the first argument is no list.
    private mutating func pairs(_ arguments: [Int]) throws -> [Int] {
        guard let first = arguments.first, case .list(let list) = values[first] else { return [] }
        // The memo gives the same list again and again, and each dictionary copies its items.
        copiedItems += 2 * list.count
        guard copiedItems <= Self.mostOpcodes else {
            throw malformed("has ordered dictionaries of over \(Self.mostOpcodes) items")
        }
        return try list.flatMap { place in
            switch values[place] {
            case .list(let pair) where pair.count == 2: pair
            case .tuple(let pair) where pair.count == 2: pair
            default: throw malformed("makes a dictionary of something that is no pair")
            }
        }
    }

    /// Returns the value of the persistent id at index `place`. For an id ('storage', type, key, device, count), the
    /// value is a storage of the file; in older files the id has a sixth element, which describes a view and must be
    /// None. For an id ('module', …), the value is an opaque object.
    private func stored(_ place: Int) throws -> Pickle.Value {
        let parts = try tuple(place)
        if let first = parts.first, values[first] == .text("module") {
            return .object("module", [])
        }
        guard parts.count >= 5, case .text("storage") = values[parts[0]],
            case .global(let type) = values[parts[1]], type.hasPrefix("torch "),
            case .text(let key) = values[parts[2]]
        else { throw malformed("names an array in a way that is not known") }
        if parts.count > 5, values[parts[5]] != .none {
            throw InterchangeError(
                .unsupported, "array \(Shown.excerpt(key)) is a view of another",
                remedy: "save it again")
        }
        let count = try int(parts[4])
        guard count >= 0 else { throw malformed("names an array of \(count) numbers") }
        return .storage(
            Pickle.StorageReference(key: key, type: String(type.dropFirst(6)), count: count))
    }
}
