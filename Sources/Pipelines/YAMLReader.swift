// Reads YAML mappings strictly: every key must be known, every value of its type, and every error names file, line
// and key. Built on Yams' node tree, which remembers positions.

import Foundation
import Yams

/// A mapping of a YAML file that is being read key by key.
final class YAMLReader {
    private struct Entry {
        let key: String
        let value: Node
        let isOverride: Bool
    }

    private let file: String
    private let path: String
    private let mark: Mark?
    private let entries: [Entry]
    private let overrides: YAMLOverrides
    private var read: Set<String> = []

    /// The top mapping of a file's text; `overrides` replace scalars and lists by dotted path.
    static func top(text: String, file: String, overrides: YAMLOverrides = YAMLOverrides([:]))
        throws -> YAMLReader
    {
        let node: Node?
        do {
            node = try Yams.compose(yaml: text)
        } catch {
            throw PipelineError(
                .unreadable,
                "\(file): not YAML: \("\(error)".replacingOccurrences(of: "\n", with: " "))")
        }
        guard let node else { throw PipelineError(.unreadable, "\(file): the file is empty") }
        return try YAMLReader(node, file: file, path: "", overrides: overrides)
    }

    private init(_ node: Node, file: String, path: String, overrides: YAMLOverrides) throws {
        self.overrides = overrides
        self.file = file
        self.path = path
        mark = node.mark
        guard let mapping = node.mapping else {
            throw Self.error(
                file, node.mark, path.isEmpty ? "the file" : path,
                "must be a mapping of keys to values")
        }
        var entries: [Entry] = []
        for (key, value) in mapping {
            guard let name = key.string else {
                throw Self.error(file, key.mark, path, "has a key that is not text")
            }
            let other = try overrides.node(path.isEmpty ? name : "\(path).\(name)")
            entries.append(Entry(key: name, value: other ?? value, isOverride: other != nil))
        }
        // An override may also add a key of this mapping that the file leaves to its default.
        let prefix = path.isEmpty ? "" : path + "."
        for key in overrides.paths(below: prefix) {
            let name = String(key.dropFirst(prefix.count))
            guard !name.contains("."), !entries.contains(where: { $0.key == name }),
                let value = try overrides.node(key)
            else { continue }
            entries.append(Entry(key: name, value: value, isOverride: true))
        }
        self.entries = entries
    }

    /// The keys in the order of the file.
    var keys: [String] { entries.map(\.key) }

    private func node(_ key: String) -> Node? {
        read.insert(key)
        return entries.first { $0.key == key }?.value
    }

    private func full(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private static func error(_ file: String, _ mark: Mark?, _ key: String, _ why: String)
        -> PipelineError
    {
        PipelineError(.invalidValue, "\(Self.place(file, mark)): \(key) \(why)")
    }

    /// `file:line`; a value of the command line has no line.
    private static func place(_ file: String, _ mark: Mark?) -> String {
        file == commandLine ? file : file + (mark.map { ":\($0.line)" } ?? "")
    }

    private static let commandLine = "--set"

    /// An error about the value of `key`, at its line or at the command line.
    func error(_ key: String, _ why: String, code: PipelineError.Code = .invalidValue)
        -> PipelineError
    {
        let entry = entries.first { $0.key == key }
        let place = Self.place(
            entry?.isOverride == true ? Self.commandLine : file, entry?.value.mark ?? mark)
        return PipelineError(code, "\(place): \(full(key)) \(why)")
    }

    /// Whether the value under `key` is a mapping.
    func isMapping(_ key: String) -> Bool { node(key)?.mapping != nil }

    /// The mapping under `key`, or nil.
    func mapping(_ key: String) throws -> YAMLReader? {
        try node(key).map { value in
            let isOverride = entries.contains { $0.key == key && $0.isOverride }
            return try YAMLReader(
                value, file: isOverride ? Self.commandLine : file, path: full(key),
                overrides: overrides)
        }
    }

    /// Text under `key`, or nil.
    func text(_ key: String) throws -> String? {
        try node(key).map { node in
            guard let value = node.scalar?.string else { throw error(key, "must be text") }
            return value
        }
    }

    /// A whole number under `key`, or nil.
    func integer(_ key: String, in range: ClosedRange<Int> = 0...Int.max) throws -> Int? {
        try node(key).map { node in
            guard let value = node.int else {
                throw error(key, "must be a whole number, not \(Self.shown(node))")
            }
            guard range.contains(value) else {
                throw error(
                    key, "is \(value); it must lie in \(range.lowerBound)...\(range.upperBound)")
            }
            return value
        }
    }

    /// A number under `key`, or nil.
    func number(_ key: String, in range: ClosedRange<Double>) throws -> Double? {
        try node(key).map { node in
            guard let value = node.float ?? node.int.map(Double.init), value.isFinite else {
                throw error(key, "must be a number, not \(Self.shown(node))")
            }
            guard range.contains(value) else {
                throw error(
                    key, "is \(value); it must lie in \(range.lowerBound)...\(range.upperBound)")
            }
            return value
        }
    }

    /// true or false under `key`, or nil.
    func flag(_ key: String) throws -> Bool? {
        try node(key).map { node in
            guard let value = node.bool else {
                throw error(key, "must be true or false, not \(Self.shown(node))")
            }
            return value
        }
    }

    /// A list of whole numbers under `key`, or nil.
    func integers(_ key: String) throws -> [Int]? {
        try list(key)?.map { node in
            guard let value = node.int else {
                throw error(key, "must list whole numbers; \(Self.shown(node)) is none")
            }
            return value
        }
    }

    /// A list of texts under `key`, or nil.
    func texts(_ key: String) throws -> [String]? {
        try list(key)?.map { node in
            guard let value = node.scalar?.string else { throw error(key, "must list texts") }
            return value
        }
    }

    private func list(_ key: String) throws -> [Node]? {
        try node(key).map { node in
            guard let values = node.sequence else {
                throw error(key, "must be a list, such as [a, b]")
            }
            return Array(values)
        }
    }

    /// The value, or an error that the key is missing.
    func required<Value>(_ value: Value?, _ key: String) throws -> Value {
        guard let value else { throw error(key, "is missing") }
        return value
    }

    /// Throws when a key was not read by anybody, naming it, its line and the known ones.
    func finish() throws {
        guard let unknown = keys.first(where: { !read.contains($0) }) else { return }
        throw error(
            unknown, "is not a known key here; known are \(read.sorted().joined(separator: ", "))")
    }

    private static func shown(_ node: Node) -> String {
        node.scalar.map { "'\($0.string)'" } ?? "a \(node.sequence == nil ? "mapping" : "list")"
    }
}
