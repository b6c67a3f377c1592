// JSON from outside, parsed under `JSONRule`. `JSONReader` refuses duplicate and unknown keys,
// reads numbers by `DecimalNumber`, and names the field in errors.

import Foundation

/// A value of JSON text.
public indirect enum JSONNode: Sendable, Equatable {
    /// A key of an object and its value.
    public struct Member: Sendable, Equatable {
        /// The key.
        public let key: String
        /// The value.
        public let value: JSONNode
    }

    /// An object: its keys and values in their order.
    case object([Member])
    /// A list: its values in their order.
    case list([JSONNode])
    /// A text, without its quotes and escapes.
    case text(String)
    /// A number as it is written.
    case number(String)
    /// `true` or `false`.
    case flag(Bool)
    /// `null`.
    case null

    /// Parses a text. Throws if the text breaks `rule`.
    public init(_ text: String, _ rule: JSONRule = .arguments) throws(InputFault) {
        self = try rule.read(text)
    }

    /// Returns the value of an object's first member with this key; nil if this is no object or has
    /// no such member.
    public subscript(key: String) -> JSONNode? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// Describes the first key of this value that appears twice or that `written` lacks; nil if
    /// there is no such key. `written` is the result of decoding this value and encoding it again:
    /// a decoder ignores duplicate and unknown keys, so `written` lacks the unknown ones. A key
    /// with the value null may be missing from `written`.
    public func stray(beside written: JSONNode) -> String? { stray(beside: written, path: "") }

    private func stray(beside written: JSONNode, path: String) -> String? {
        switch (self, written) {
        case (.object(let members), .object(let others)):
            let known = Dictionary(others.map { ($0.key, $0.value) }) { first, _ in first }
            var seen: Set<String> = []
            for member in members {
                let field = (path.isEmpty ? "" : path + ".") + Shown.excerpt(member.key, 40)
                guard seen.insert(member.key).inserted else { return "field \(field) stands twice" }
                guard let other = known[member.key] else {
                    // A decoder treats null like a missing key.
                    if member.value == .null { continue }
                    return "field \(field) is not known"
                }
                if let stray = member.value.stray(beside: other, path: field) { return stray }
            }
        case (.list(let values), .list(let others)):
            for (place, (value, other)) in zip(values, others).enumerated() {
                if let stray = value.stray(beside: other, path: "\(path)[\(place)]") {
                    return stray
                }
            }
        default: break
        }
        return nil
    }

    /// Describes the first difference from `other`, such as `layers[3].width is 48, not 40` (40 is
    /// the value in `other`); nil if the values are equal. The order of keys does not matter.
    public func difference(from other: JSONNode) -> String? { difference(from: other, path: "") }

    private func difference(from other: JSONNode, path: String) -> String? {
        switch (self, other) {
        case (.object(let members), .object(let others)):
            let known = Dictionary(others.map { ($0.key, $0.value) }) { first, _ in first }
            let own = Set(members.map(\.key))
            let prefix = path.isEmpty ? "" : path + "."
            for member in members {
                let field = prefix + Shown.excerpt(member.key, 40)
                guard let value = known[member.key] else {
                    return "\(field) is \(member.value.text)"
                }
                if let found = member.value.difference(from: value, path: field) { return found }
            }
            return others.first { !own.contains($0.key) }.map {
                "\(prefix)\(Shown.excerpt($0.key, 40)) is missing, not \($0.value.text)"
            }
        case (.list(let values), .list(let others)) where values.count == others.count:
            for (place, (value, other)) in zip(values, others).enumerated() {
                if let found = value.difference(from: other, path: "\(path)[\(place)]") {
                    return found
                }
            }
            return nil
        default:
            let what = path.isEmpty ? "the value" : path
            return self == other ? nil : "\(what) is \(text), not \(other.text)"
        }
    }

    /// The value in a few words. A list of up to 16 texts, numbers, flags and nulls is written out.
    private var text: String {
        guard case .list(let values) = self, values.count <= 16 else { return shown }
        var texts: [String] = []
        for value in values {
            switch value {
            case .object, .list: return shown
            case .text, .number, .flag, .null: texts.append(value.shown)
            }
        }
        return "[\(texts.joined(separator: ", "))]"
    }

    /// The value in a few words, for messages.
    public var shown: String {
        switch self {
        case .object: "an object"
        case .list: "a list"
        case .text(let text): "the text '\(Shown.excerpt(text, 40))'"
        case .number(let digits): Shown.excerpt(digits, 40)
        case .flag(let flag): "\(flag)"
        case .null: "null"
        }
    }
}

/// Reads the members of one JSON object.
public struct JSONReader {
    private let path: String
    private let members: [String: JSONNode]

    /// Makes a reader of the members of the object `node`. Throws if `node` is no object. Also
    /// throws if a key is duplicate or unknown; for an unknown key the error suggests the nearest
    /// of the `known` keys. `path` is the object's path for errors, such as `arch`; empty if the
    /// object is the whole text.
    public init(_ node: JSONNode, path: String = "", known: [String]) throws(InputFault) {
        guard case .object(let list) = node else {
            throw InputFault(
                path.isEmpty ? "is \(node.shown)" : "field \(path) is \(node.shown)",
                remedy: "write an object with \(known.joined(separator: ", "))")
        }
        self.path = path
        var members: [String: JSONNode] = [:]
        for member in list where !known.contains(member.key) {
            throw InputFault(
                "'\(Self.shown(path, member.key))' is not known",
                remedy: NearestName.remedy(member.key, known: known))
        }
        for member in list {
            guard members.updateValue(member.value, forKey: member.key) == nil else {
                throw InputFault("field \(Self.shown(path, member.key)) stands twice")
            }
        }
        self.members = members
    }

    /// Returns the value of a key; nil if the object does not have it.
    public subscript(key: String) -> JSONNode? { members[key] }

    /// Returns the value of a key; throws if the object does not have it.
    public func required(_ key: String) throws(InputFault) -> JSONNode {
        guard let value = members[key] else { throw InputFault("field \(shown(key)) is missing") }
        return value
    }

    /// Returns the value of a required key as a whole number; throws if the value is no whole
    /// number in `range`.
    public func whole(
        _ key: String, in range: ClosedRange<Int> = Int.min...Int.max
    ) throws(InputFault) -> Int {
        try Self.whole(try required(key), shown(key), in: range)
    }

    /// Returns the value of a required key as a number; throws if the value is no number in
    /// `range`.
    public func real(_ key: String, in range: ClosedRange<Double>) throws(InputFault) -> Double {
        try Self.real(try required(key), shown(key), in: range)
    }

    /// Returns the value of a required key as a list of whole numbers; throws if the value is no
    /// such list.
    public func wholes(_ key: String) throws(InputFault) -> [Int] {
        let node = try required(key)
        guard case .list(let values) = node else {
            throw InputFault(
                "field \(shown(key)) is \(node.shown)", remedy: "write a list of whole numbers")
        }
        var numbers: [Int] = []
        numbers.reserveCapacity(values.count)
        for (place, value) in values.enumerated() {
            // The comparison refuses other notations of the same number, such as 007.
            if case .number(let digits) = value, let number = Int(digits), "\(number)" == digits {
                numbers.append(number)
            } else {
                numbers.append(try Self.whole(value, "\(shown(key))[\(place)]"))
            }
        }
        return numbers
    }

    /// Returns the value of a required key as a list of numbers; throws if the value is no such
    /// list.
    public func reals(_ key: String) throws(InputFault) -> [Double] {
        let node = try required(key)
        guard case .list(let values) = node else {
            throw InputFault(
                "field \(shown(key)) is \(node.shown)", remedy: "write a list of numbers")
        }
        var numbers: [Double] = []
        numbers.reserveCapacity(values.count)
        for (place, value) in values.enumerated() {
            numbers.append(try Self.real(value, "\(shown(key))[\(place)]"))
        }
        return numbers
    }

    private func shown(_ key: String) -> String { Self.shown(path, key) }

    private static func shown(_ path: String, _ key: String) -> String {
        (path.isEmpty ? "" : path + ".") + Shown.excerpt(key, 40)
    }

    private static func real(
        _ node: JSONNode, _ field: String, in range: ClosedRange<Double> = -1e300...1e300
    ) throws(InputFault) -> Double {
        guard case .number(let digits) = node else {
            throw InputFault("field \(field) is \(node.shown)", remedy: "write a number")
        }
        do throws(InputFault) {
            return try DecimalNumber.real(digits, in: range)
        } catch {
            throw InputFault("field \(field) \(error.reason)", remedy: error.remedy)
        }
    }

    private static func whole(
        _ node: JSONNode, _ field: String, in range: ClosedRange<Int> = Int.min...Int.max
    ) throws(InputFault) -> Int {
        guard case .number(let digits) = node else {
            throw InputFault("field \(field) is \(node.shown)", remedy: "write a whole number")
        }
        do throws(InputFault) {
            return try DecimalNumber.whole(digits, in: range)
        } catch {
            throw InputFault("field \(field) \(error.reason)", remedy: error.remedy)
        }
    }
}

extension DecodingError {
    /// The problem and its field, in words for users: the decoder's message would name Swift types.
    public var told: String {
        func field(_ context: Context, _ more: [any CodingKey] = []) -> String {
            let keys = (context.codingPath + more).map { key in
                key.intValue.map { "[\($0)]" } ?? ".\(Shown.excerpt(key.stringValue))"
            }
            return String(keys.joined().trimmingPrefix("."))
        }
        func place(_ context: Context) -> String {
            context.codingPath.isEmpty ? "it" : "field \(field(context))"
        }
        switch self {
        case .keyNotFound(let key, let context): return "field \(field(context, [key])) is missing"
        case .typeMismatch(let type, let context):
            return "\(place(context)) is not \(Self.name(type))"
        case .valueNotFound(let type, let context):
            return "\(place(context)) is null and not \(Self.name(type))"
        case .dataCorrupted(let context):
            return context.codingPath.isEmpty
                ? "it is not JSON" : "field \(field(context)) cannot be read"
        @unknown default: return "it cannot be read"
        }
    }

    private static func name(_ type: any Any.Type) -> String {
        switch type {
        case is String.Type: "text"
        case is Bool.Type: "true or false"
        case is any BinaryInteger.Type: "a whole number"
        case is any BinaryFloatingPoint.Type: "a number"
        default: "\(type)".hasPrefix("Array") || "\(type)".hasPrefix("[") ? "a list" : "an object"
        }
    }
}
