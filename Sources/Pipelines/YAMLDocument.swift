// Validates YAML text: its size, encoding and characters, and that it uses only the supported subset of YAML. The whole
// text is validated before any value is read, so readers get one document without anchors, tags or duplicate keys.

import Foundation
import Intake
import Yams

/// One validated YAML document.
struct YAMLDocument {
    /// The text in Unicode NFC, without a byte order mark.
    let text: String
    /// The document's root node; nil if the document is empty.
    let top: Node?

    /// The deepest nesting of lists and mappings.
    static let maxDepth = 16
    /// The largest number of aliases in a text; a text with more aliases is refused before it is parsed, because nested
    /// aliases grow exponentially.
    private static let maxAliases = 20

    /// Validates a text; `file` is the text's name in errors, and `path` the dotted path of its root node. Errors:
    /// `unreadable`, and `invalidValue` for nesting, tags and keys.
    init(_ given: String, file: String, path: String = "") throws {
        var text = given
        if text.unicodeScalars.first == "\u{FEFF}" { text.unicodeScalars.removeFirst() }
        self.text = try Self.checked(text, file: file)
        let aliases = Self.aliases(self.text)
        guard aliases <= Self.maxAliases else { throw Self.anchors(file, 1, "\(aliases) aliases") }
        // Yams' nodes have weak references to anchors, so the parser must outlive the walk.
        let parser: Parser
        do {
            parser = try Parser(yaml: self.text)
            top = try parser.singleRoot()
        } catch {
            throw Self.unreadable(error, file, self.text)
        }
        try withExtendedLifetime(parser) {
            if let top { try Walk(file, self.text).check(top, path, depth: 0) }
        }
    }

    /// Reads a file of at most `TextRule.definition.maxBytes` as UTF-8; errors call it a `kind` file. Errors: `unreadable`.
    static func contents(ofFile path: String, kind: String = "pipeline") throws -> String {
        let limit = TextRule.definition.maxBytes
        let data: [UInt8]
        do throws(InputFault) {
            data = try FileBytes.read(path, atMost: limit)
        } catch {
            throw PipelineError(
                .unreadable, "\(path): \(error.reason)", remedy: "give the path of a \(kind) file")
        }
        guard data.count <= limit else {
            throw PipelineError(
                .unreadable, "\(path): has more than \(limit) bytes: this is no \(kind) file")
        }
        if data.starts(with: [0xFF, 0xFE]) || data.starts(with: [0xFE, 0xFF]) {
            throw PipelineError(.unreadable, "\(path): is UTF-16", remedy: "save it as UTF-8")
        }
        if let text = String(validating: data, as: UTF8.self) { return text }
        let lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let line = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0
        throw PipelineError(
            .unreadable, "\(path):\(line + 1): is not UTF-8", remedy: "save it as UTF-8")
    }

    /// Returns the text without the lines of some keys of the root mapping and of their values. A key that shares its
    /// line with what stands before it, as in braces, stays.
    func text(without keys: Set<String>) -> String {
        guard let mapping = top?.mapping else { return text }
        var columns: [Int: Int] = [:]
        for (key, _) in mapping {
            guard let mark = key.mark, let name = key.string, keys.contains(name) else { continue }
            columns[mark.line] = mark.column
        }
        guard !columns.isEmpty else { return text }
        var kept = "", rest = text[...], line = 1
        // The column of the key whose lines are left out.
        var column: Int?
        while !rest.isEmpty {
            let end = rest.firstIndex(where: \.isNewline).map { rest.index(after: $0) }
            let whole = rest[..<(end ?? rest.endIndex)]
            rest = rest[whole.endIndex...]
            if let begun = columns[line],
                whole.prefix(begun - 1).allSatisfy({ $0 == " " })
            {
                column = begun
            } else if let open = column, whole.prefix(while: { $0 == " " }).count < open {
                // A value goes on in lines that are indented further than its key.
                column = nil
            }
            if column == nil { kept += whole }
            line += 1
        }
        return kept
    }

    private static func checked(_ text: String, file: String) throws -> String {
        do {
            return try TextRule.definition.checked(text)
        } catch {
            let lines = text.unicodeScalars.split(
                separator: "\n", omittingEmptySubsequences: false)
            // The error names the first line that breaks the rule by itself; for a text that is too long there is no
            // such line.
            let line = lines.firstIndex { line in
                do throws(InputFault) {
                    _ = try TextRule.result.checked(String(line))
                    return false
                } catch {
                    return true
                }
            }
            guard text.utf8.count <= TextRule.definition.maxBytes, let line else {
                throw PipelineError(.unreadable, "\(file): \(error.reason)", remedy: error.remedy)
            }
            throw PipelineError(
                .unreadable, "\(place(file, line + 1)): \(error.reason)", remedy: error.remedy)
        }
    }

    /// Returns `file:line`, or `file` alone for a value of the command line or an unknown line.
    static func place(_ file: String, _ line: Int?) -> String {
        guard file != YAMLOverrides.place, let line else { return file }
        return "\(file):\(line)"
    }

    /// Returns the number of possible aliases: a `*` where a value can begin, outside comment lines.
    private static func aliases(_ text: String) -> Int {
        let starts = Set(" \t\r\n[{,:?-".utf8), ends = Set(" \t\r\n,]}".utf8)
        var count = 0
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            guard line.first(where: { $0 != UInt8(ascii: " ") }) != UInt8(ascii: "#") else {
                continue
            }
            var before = UInt8(ascii: " ")
            var isStar = false
            for byte in line {
                if isStar, !ends.contains(byte) { count += 1 }
                isStar = byte == UInt8(ascii: "*") && starts.contains(before)
                before = byte
            }
        }
        return count
    }

    fileprivate static func anchors(_ file: String, _ line: Int?, _ what: String) -> PipelineError {
        PipelineError(
            .unreadable,
            "\(place(file, line)): holds \(what): anchors (&), aliases (*) and merge keys (<<) are not read",
            remedy: "write each value where it is used")
    }

    /// Returns the parser's error as `unreadable`, with its line.
    private static func unreadable(_ error: any Error, _ file: String, _ text: String)
        -> PipelineError
    {
        func fault(_ line: Int?, _ why: String, remedy: String? = nil) -> PipelineError {
            PipelineError(.unreadable, "\(place(file, line)): \(why)", remedy: remedy)
        }
        switch error as? YamlError {
        case .scanner(let context, let problem, let mark, _),
            .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            if problem == "but found another document" {
                return fault(
                    mark.line, "a second document begins here",
                    remedy: "write a file for each pipeline")
            }
            if problem == "found undefined alias" {
                return anchors(file, mark.line, "an alias without its anchor")
            }
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            if lines.indices.contains(mark.line - 1),
                lines[mark.line - 1].prefix(while: { $0 == " " || $0 == "\t" }).contains("\t")
            {
                return fault(mark.line, "is indented with a tab", remedy: "use spaces")
            }
            let where_ = context.map { " \($0.text) in line \($0.mark.line)" } ?? ""
            return fault(mark.line, "is not YAML: \(problem)\(where_)")
        case .reader(let problem, _, _, _): return fault(nil, "is not YAML: \(problem)")
        case .duplicatedKeysInMapping(let keys, let context):
            let key = Shown.excerpt(keys.first ?? "")
            return fault(context.mark.line, "the key '\(key)' of this line appears twice")
        default: return fault(nil, "is not YAML")
        }
    }

    /// Checks the nodes of a document, parents first; throws at the first anchor, tag, duplicate key or deep nesting.
    private struct Walk {
        private let file: String
        private let lines: [Substring]

        init(_ file: String, _ text: String) {
            self.file = file
            lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        }

        func check(_ node: Node, _ path: String, depth: Int) throws {
            guard depth <= maxDepth else {
                throw error(node.mark, path, "holds lists and mappings \(depth) deep")
            }
            if node.anchor != nil || node.alias != nil {
                throw anchors(file, node.mark?.line, "an anchor")
            }
            try checkTag(node, path)
            if let list = node.sequence {
                for one in list { try check(one, path, depth: depth + 1) }
            } else if let mapping = node.mapping {
                try check(mapping, path, depth)
            }
        }

        /// Throws for a tagged node. The node's `tag` is no evidence, because the parser also sets it for untagged
        /// nodes. The text is checked instead: a tagged node starts with an exclamation mark, and no other unquoted
        /// node does.
        private func checkTag(_ node: Node, _ path: String) throws {
            guard let mark = node.mark, lines.indices.contains(mark.line - 1) else { return }
            let rest = lines[mark.line - 1].unicodeScalars.dropFirst(mark.column - 1)
            guard rest.first == "!" else { return }
            let tag = String(rest.prefix { !$0.properties.isWhitespace })
            throw error(mark, path, "has the tag \(Shown.excerpt(tag))", remedy: "leave it out")
        }

        private func check(_ mapping: Node.Mapping, _ path: String, _ depth: Int) throws {
            var lines: [String: Int] = [:]
            for (key, value) in mapping {
                let name = try name(key, path)
                let full = path.isEmpty ? name : "\(path).\(name)"
                let line = key.mark?.line ?? 0
                if let before = lines.updateValue(line, forKey: name) {
                    let other = before == line ? "" : " (the first is in line \(before))"
                    throw error(key.mark, full, "appears twice\(other)")
                }
                try check(value, full, depth: depth + 1)
            }
        }

        /// Returns the text of a key in Unicode NFC; throws for a key that is not a valid name.
        private func name(_ key: Node, _ path: String) throws -> String {
            let owner = path.isEmpty ? "the file" : path
            guard let scalar = key.scalar else {
                throw error(key.mark, owner, "has a key that is not text")
            }
            if scalar.string == "<<", scalar.style == .plain {
                throw anchors(file, key.mark?.line, "a merge key")
            }
            if key.anchor != nil { throw anchors(file, key.mark?.line, "an anchor") }
            try checkTag(key, owner)
            do {
                return try TextRule.name.checked(scalar.string)
            } catch {
                throw self.error(
                    key.mark, owner,
                    "has a key that \(error.reason) ('\(Shown.excerpt(scalar.string, 40))')",
                    remedy: error.remedy)
            }
        }

        private func error(
            _ mark: Mark?, _ path: String, _ why: String, remedy: String? = nil
        ) -> PipelineError {
            PipelineError(
                .invalidValue,
                "\(place(file, mark?.line)): \(path.isEmpty ? "the file" : path) \(why)",
                remedy: remedy)
        }
    }
}
