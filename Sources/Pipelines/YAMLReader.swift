// Reads YAML mappings strictly: every key must be known, every value must have its key's type, and errors name file,
// line and key. The reader walks Yams' node tree, which keeps positions. The type of a value follows from the key and
// not from YAML's resolution of scalars, by which `010` is 8 and `no` is false.

import Foundation
import Intake
import Yams

/// A mapping of a YAML file, read key by key.
final class YAMLReader {
    private struct Entry {
        let key: String
        let value: Node
        let line: Int?
        let isOverride: Bool
    }

    private let file: String
    private let path: String
    private let mark: Mark?
    private let entries: [Entry]
    private let overrides: YAMLOverrides
    private var read: Set<String> = []

    /// Reads the root mapping of a file; `overrides` replace values by dotted path.
    convenience init(_ document: YAMLDocument, file: String, overrides: YAMLOverrides) throws {
        guard let top = document.top else {
            throw PipelineError(.unreadable, "\(file): the file is empty")
        }
        try self.init(top, file: file, path: "", overrides: overrides)
    }

    private init(_ node: Node, file: String, path: String, overrides: YAMLOverrides) throws {
        self.overrides = overrides
        self.file = file
        self.path = path
        mark = node.mark
        guard let mapping = node.mapping else {
            throw Self.error(
                file, node.mark?.line, path.isEmpty ? "the file" : path,
                "must be a mapping of keys to values")
        }
        var entries: [Entry] = []
        for (key, value) in mapping {
            let name = key.string?.precomposedStringWithCanonicalMapping ?? ""
            let other = try overrides.node(path.isEmpty ? name : "\(path).\(name)")
            entries.append(
                Entry(
                    key: name, value: other ?? value, line: key.mark?.line,
                    isOverride: other != nil))
        }
        overrides.note(entries.map(\.key), of: path)
        // An override may also add a key that the file omits.
        let prefix = path.isEmpty ? "" : path + "."
        for key in overrides.paths(below: prefix) {
            let name = String(key.dropFirst(prefix.count))
            guard !name.contains("."), !entries.contains(where: { $0.key == name }),
                let value = try overrides.node(key)
            else { continue }
            entries.append(Entry(key: name, value: value, line: nil, isOverride: true))
        }
        self.entries = entries
    }

    /// The keys in the order of the file.
    var keys: [String] { entries.map(\.key) }

    /// Returns whether the value under `key` comes from the command line.
    func isOverride(_ key: String) -> Bool { entry(key)?.isOverride ?? false }

    private func entry(_ key: String) -> Entry? { entries.first { $0.key == key } }

    private func node(_ key: String) -> Node? {
        read.insert(key)
        return entry(key)?.value
    }

    /// Returns the dotted path of a key.
    func fullPath(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private static func error(_ file: String, _ line: Int?, _ key: String, _ why: String)
        -> PipelineError
    {
        PipelineError(.invalidValue, "\(YAMLDocument.place(file, line)): \(key) \(why)")
    }

    /// Returns an error about the value of `key`, at the value's line or at the command line.
    func error(
        _ key: String, _ why: String, remedy: String? = nil,
        code: PipelineError.Code = .invalidValue
    ) -> PipelineError {
        let entry = entry(key)
        return error(entry, line: entry?.value.mark?.line, key, why, remedy, code)
    }

    private func error(
        _ entry: Entry?, line: Int?, _ key: String, _ why: String, _ remedy: String?,
        _ code: PipelineError.Code
    ) -> PipelineError {
        PipelineError(
            code, "\(place(entry, line)): \(fullPath(key)) \(why)", remedy: remedy)
    }

    private func place(_ entry: Entry?, _ line: Int?) -> String {
        YAMLDocument.place(
            entry?.isOverride == true ? YAMLOverrides.place : file, line ?? mark?.line)
    }

    /// Returns the place (`file:line`) of the value of `key`, or of this mapping if the key is missing.
    func place(_ key: String) -> String {
        let entry = entry(key)
        return place(entry, entry?.value.mark?.line)
    }

    // MARK: Keys

    /// Throws `invalidValue` for the first key that is not among `known`, with its line and the nearest known key.
    func expect(_ known: [String]) throws {
        overrides.note(known, of: path)
        guard let unknown = entries.first(where: { !known.contains($0.key) }) else { return }
        throw error(
            unknown, line: unknown.line, unknown.key,
            "is not a known key here", NearestName.remedy(unknown.key, known: known.sorted()),
            .invalidValue)
    }

    /// Throws for a key that was never read, as `expect` does for an unknown key.
    func finish() throws { try expect(read.sorted()) }

    /// Returns the values that are mappings, with their keys.
    func mappings() throws -> [(key: String, value: YAMLReader)] {
        try entries.compactMap { entry in
            guard entry.value.mapping != nil else { return nil }
            return (entry.key, try reader(entry))
        }
    }

    // MARK: Values

    /// Returns the text of the scalar under `key` without marking `key` as read; nil if there is no scalar.
    func word(_ key: String) -> String? { entry(key)?.value.scalar?.string }

    /// Returns whether the value under `key` is a mapping.
    func isMapping(_ key: String) -> Bool { node(key)?.mapping != nil }

    /// Returns the mapping under `key`; nil if the key is missing.
    func mapping(_ key: String) throws -> YAMLReader? {
        read.insert(key)
        return try entry(key).map(reader)
    }

    private func reader(_ entry: Entry) throws -> YAMLReader {
        try YAMLReader(
            entry.value, file: entry.isOverride ? YAMLOverrides.place : file,
            path: fullPath(entry.key), overrides: overrides)
    }

    /// Returns the text under `key`, checked by `rule`; nil if the key is missing.
    func text(_ key: String, _ rule: TextRule = .name) throws -> String? {
        try node(key).map { try text($0, key, rule) }
    }

    private func text(_ node: Node, _ key: String, _ rule: TextRule) throws -> String {
        guard let scalar = node.scalar else {
            throw error(key, "must be text, not \(Self.shown(node))")
        }
        if scalar.style == .plain, ["~", "null", "Null", "NULL"].contains(scalar.string) {
            throw error(
                key,
                "is \(scalar.string), which is nothing in YAML",
                remedy: "give it a value or leave it out")
        }
        return try checked(key) { () throws(InputFault) in try rule.checked(scalar.string) }
    }

    private func checked<Value>(_ key: String, _ body: () throws(InputFault) -> Value) throws
        -> Value
    {
        do { return try body() } catch { throw self.error(key, error.reason, remedy: error.remedy) }
    }

    /// Returns the word under `key`, which must be a case of `type`; nil if the key is missing.
    func choice<Word>(_ key: String, _ type: Word.Type) throws -> Word?
    where Word: RawRepresentable & CaseIterable, Word.RawValue == String {
        guard let given = try text(key) else { return nil }
        if let word = Word(rawValue: given) { return word }
        let known = Word.allCases.map(\.rawValue)
        throw error(
            key, "is '\(Shown.excerpt(given))'", remedy: NearestName.remedy(given, known: known))
    }

    /// Returns the text of a number, which must be an unquoted scalar.
    private func digits(_ node: Node, _ key: String, _ what: String) throws -> String {
        guard let scalar = node.scalar else {
            throw error(key, "must be \(what), not \(Self.shown(node))")
        }
        guard scalar.style == .plain else {
            throw error(
                key, "is the text '\(Shown.excerpt(scalar.string))'",
                remedy: "write \(what) without quotes")
        }
        return scalar.string
    }

    /// Returns the whole number under `key`; nil if the key is missing.
    func integer(_ key: String, in range: ClosedRange<Int> = 0...Int.max) throws -> Int? {
        try node(key).map { node in
            let digits = try digits(node, key, "a whole number")
            return try checked(key) { () throws(InputFault) in
                try DecimalNumber.whole(digits, in: range)
            }
        }
    }

    /// Returns the number under `key`; nil if the key is missing.
    func number(_ key: String, in range: ClosedRange<Double>) throws -> Double? {
        try node(key).map { node in
            let digits = try digits(node, key, "a number")
            return try checked(key) { () throws(InputFault) in
                try DecimalNumber.real(digits, in: range)
            }
        }
    }

    /// Returns the integer under `key`, which may be written with an exponent, such as 6e6; nil if the key is missing.
    func count(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
        let bounds = Double(range.lowerBound)...Double(range.upperBound)
        return try number(key, in: bounds).map { number in
            guard let count = Int(exactly: number) else {
                throw error(key, "is \(DecimalNumber.text(number))", remedy: "write a whole number")
            }
            return count
        }
    }

    /// Returns the value true or false under `key`; nil if the key is missing.
    func flag(_ key: String) throws -> Bool? {
        try node(key).map { node in
            guard let scalar = node.scalar, scalar.style == .plain,
                let value = Bool(scalar.string)
            else {
                throw error(key, "must be true or false, not \(Self.shown(node))")
            }
            return value
        }
    }

    /// Returns the list of whole numbers under `key`; nil if the key is missing. The numbers must differ unless
    /// `mayRepeat`.
    func integers(
        _ key: String, in range: ClosedRange<Int> = 0...Int.max, mayRepeat: Bool = false
    ) throws -> [Int]? {
        let values = try list(key)?.map { node in
            let digits = try digits(node, key, "a list of whole numbers")
            do throws(InputFault) {
                return try DecimalNumber.whole(digits, in: range)
            } catch {
                throw self.error(key, "holds an entry that \(error.reason)", remedy: error.remedy)
            }
        }
        return try values.map { mayRepeat ? $0 : try different($0, key) }
    }

    /// Returns the list of different numbers under `key`; nil if the key is missing.
    func numbers(_ key: String, in range: ClosedRange<Double>) throws -> [Double]? {
        let values = try list(key)?.map { node in
            let digits = try digits(node, key, "a list of numbers")
            do throws(InputFault) {
                return try DecimalNumber.real(digits, in: range)
            } catch {
                throw self.error(key, "holds an entry that \(error.reason)", remedy: error.remedy)
            }
        }
        return try values.map { try different($0, key) }
    }

    /// Returns the list of mappings under `key`; nil if the key is missing.
    func readers(_ key: String) throws -> [YAMLReader]? {
        try list(key)?.enumerated().map { place, node in
            try YAMLReader(
                node, file: isOverride(key) ? YAMLOverrides.place : file,
                path: "\(fullPath(key))[\(place)]", overrides: overrides)
        }
    }

    /// Returns the list of different names under `key`; nil if the key is missing.
    func texts(_ key: String) throws -> [String]? {
        let values = try list(key)?.map { try text($0, key, .name) }
        return try values.map { try different($0, key) }
    }

    /// Returns `values`; throws if two of them are equal.
    private func different<Value: Hashable>(_ values: [Value], _ key: String) throws -> [Value] {
        var seen: Set<Value> = []
        for value in values where !seen.insert(value).inserted {
            throw error(key, "has \(Shown.excerpt("\(value)")) twice", remedy: "leave one out")
        }
        return values
    }

    private func list(_ key: String) throws -> [Node]? {
        try node(key).map { node in
            guard let values = node.sequence else {
                throw error(key, "must be a list, such as [a, b]")
            }
            return Array(values)
        }
    }

    /// Returns `value`; throws if it is nil, because `key` is missing.
    func required<Value>(_ value: Value?, _ key: String) throws -> Value {
        guard let value else { throw error(key, "is missing") }
        return value
    }

    private static func shown(_ node: Node) -> String {
        node.scalar.map { "'\(Shown.excerpt($0.string))'" }
            ?? "a \(node.sequence == nil ? "mapping" : "list")"
    }
}
