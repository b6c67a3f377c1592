// Latency tables in YAML or JSON. A published YAML file, `192_lookup_table.yaml`, has one resolution, with `count`,
// `mean` and `std` in milliseconds under every key; another file may have image sizes as its top-level keys.
import Foundation
import Intake
import Yams

extension LatencyTable {
    /// Adds the entries of `yaml`, one file's text in YAML or JSON.
    ///
    /// The file may be in this program's own form. Otherwise its top-level keys are parts of networks (at
    /// `resolution`), or image sizes with parts below them. Errors: `malformed`, naming `source` and, where there is
    /// one, the line or key.
    public mutating func add(yaml: String, resolution: Int?, source: String) throws {
        if let resolution, let entries = Self.plainEntries(yaml) {
            return merge(LatencyTable(entries: [resolution: entries]))
        }
        let top = try Self.mapping(yaml, source)
        if top.contains(where: { $0.key.string == "entries" }) {
            return merge(try LatencyTable(ownForm: yaml, source: source))
        }
        func isSize(_ key: Node) -> Bool { key.string?.wholeMatch(of: /[0-9]+/) != nil }
        guard !top.isEmpty, top.allSatisfy({ isSize($0.key) }) else {
            guard let resolution else {
                throw DeviceError(
                    .malformed,
                    "\(source) does not say its image size",
                    remedy: "name it like 192_lookup_table.yaml or 192.json"
                )
            }
            let entries = try Self.entries(top, source)
            return merge(LatencyTable(entries: [resolution: entries]))
        }
        var tables: [Int: [String: LatencyEntry]] = [:]
        for (key, value) in top {
            let size = try Self.gate(key, "the image size", source) {
                try DecimalNumber.whole($0, in: TableNumber.size)
            }
            guard let parts = value.mapping else {
                throw Self.error(key, "\(size) must hold parts, each with its mean", source)
            }
            guard tables.updateValue(try Self.entries(parts, source), forKey: size) == nil else {
                throw Self.error(key, "image size \(size) stands twice", source)
            }
        }
        merge(LatencyTable(entries: tables))
    }

    /// Returns the top-level mapping of `yaml`; anchors with aliases, and tags, are errors.
    private static func mapping(_ yaml: String, _ source: String) throws -> Node.Mapping {
        // Nested aliases can expand to any number of nodes.
        if yaml.utf8.contains(UInt8(ascii: "&")), yaml.utf8.contains(UInt8(ascii: "*")) {
            throw DeviceError(
                .malformed, "\(source): anchors and aliases (& and *) are not read in tables")
        }
        if yaml.contains(/(?:^|[\s:,\[{\-])!/) {
            throw DeviceError(
                .malformed, "\(source): tags (!) are not read in tables", remedy: "leave them out")
        }
        let node: Node?
        do {
            node = try Yams.compose(yaml: yaml)
        } catch {
            throw unreadable(error, source)
        }
        guard let mapping = node?.mapping else {
            throw DeviceError(
                .malformed, "\(source) is no table: it holds parts by name, each with its mean")
        }
        return mapping
    }

    /// Turns the parser's error into `malformed` with the parser's message and line, without the lines of the file that
    /// the parser quotes.
    private static func unreadable(_ error: any Error, _ source: String) -> DeviceError {
        func fault(_ line: Int?, _ why: String) -> DeviceError {
            DeviceError(.malformed, "\(source)\(line.map { ", line \($0)" } ?? ""): \(why)")
        }
        switch error as? YamlError {
        case .duplicatedKeysInMapping(let keys, let context):
            return fault(context.mark.line, "\(Shown.excerpt(keys.first ?? "")) stands twice")
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return fault(mark.line, "is not YAML: \(Shown.excerpt(problem, 80))")
        default: return fault(nil, "is not YAML")
        }
    }

    /// Returns the entries of a mapping of parts by name.
    private static func entries(_ mapping: Node.Mapping, _ source: String) throws -> [String:
        LatencyEntry]
    {
        var entries: [String: LatencyEntry] = [:]
        for (key, value) in mapping {
            let name = try gate(key, "a part's name", source) {
                try TextRule.name.checked($0)
            }
            guard let fields = value.mapping else {
                throw error(
                    key,
                    "\(Shown.excerpt(name)) must hold a mean, as in {count: 60, mean: 0.5, std: 0.01}",
                    source)
            }
            guard entries.updateValue(try entry(fields, name, key, source), forKey: name) == nil
            else { throw error(key, "\(Shown.excerpt(name)) stands twice", source) }
        }
        return entries
    }

    /// Returns the entry of one part from the mapping of its numbers.
    private static func entry(
        _ fields: Node.Mapping, _ name: String, _ place: Node, _ source: String
    ) throws -> LatencyEntry {
        var count: Int?, mean: Double?, std: Double?
        let part = Shown.excerpt(name)
        for (key, value) in fields {
            let field = key.string ?? ""
            switch field {
            case "count":
                count = try gate(value, "\(part) count", source, isNumber: true) {
                    try DecimalNumber.whole($0, in: TableNumber.count)
                }
            case "mean", "std":
                let number = try gate(value, "\(part) \(field)", source, isNumber: true) {
                    try DecimalNumber.real($0, in: TableNumber.value)
                }
                if field == "mean" { mean = number } else { std = number }
            default:
                throw error(
                    key,
                    "\(part) \(Shown.excerpt(field)) is not known; a part has mean, std and count",
                    source,
                    remedy: NearestName.remedy(field, among: ["count", "mean", "std"]))
            }
        }
        guard let mean else { throw error(place, "\(part) has no mean", source) }
        return LatencyEntry(count: count ?? 1, mean: mean, std: std ?? 0)
    }

    /// Parses the scalar `node` with `read`, a function of module Intake; errors name the line and `what`.
    private static func gate<Value>(
        _ node: Node, _ what: String, _ source: String, isNumber: Bool = false,
        _ read: (String) throws -> Value
    ) throws -> Value {
        guard let scalar = node.scalar else {
            throw error(node, "\(what) must be one value, not a list or a mapping", source)
        }
        // JSON quotes keys, so a key may be quoted; a quoted value is not a number.
        guard scalar.style == .plain || !isNumber else {
            throw error(
                node, "\(what) is the text '\(Shown.excerpt(scalar.string))'", source,
                remedy: "write the number without quotes")
        }
        do {
            return try read(scalar.string)
        } catch let fault as InputFault {
            throw error(node, "\(what) \(fault.reason)", source, remedy: fault.remedy)
        }
    }

    private static func error(
        _ node: Node, _ what: String, _ source: String, remedy: String? = nil
    ) -> DeviceError {
        let line = node.mark.map { ", line \($0.line)" } ?? ""
        return DeviceError(.malformed, "\(source)\(line): \(what)", remedy: remedy)
    }

    /// Returns the entries of a file in exactly the published form, keys with three numbers below each; nil for any
    /// other YAML. A search reads thousands of keys, and this function is some twenty times faster than the YAML
    /// parser.
    private static func plainEntries(_ yaml: String) -> [String: LatencyEntry]? {
        var entries: [String: LatencyEntry] = [:]
        let lines = yaml.utf8.split(separator: UInt8(ascii: "\n"))
        guard lines.count.isMultiple(of: 4) else { return nil }
        for start in stride(from: 0, to: lines.count, by: 4) {
            guard let key = plainKey(lines[start]),
                let count = number(lines[start + 1], "  count: ").flatMap({ Int($0) }),
                let mean = number(lines[start + 2], "  mean: ").flatMap({ Double($0) }),
                let std = number(lines[start + 3], "  std: ").flatMap({ Double($0) }),
                TableNumber.count.contains(count), TableNumber.value.contains(mean),
                TableNumber.value.contains(std),
                entries.updateValue(LatencyEntry(count: count, mean: mean, std: std), forKey: key)
                    == nil
            else { return nil }
        }
        return entries
    }

    /// Returns a key of letters, digits, `-`, `_` and colons before the colon that ends the line; nil for other lines.
    private static func plainKey(_ line: Substring.UTF8View) -> String? {
        guard line.last == UInt8(ascii: ":"), let first = line.first,
            (UInt8(ascii: "A")...UInt8(ascii: "z")).contains(first)
        else { return nil }
        let key = line.dropLast()
        let isPlain = key.allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: ":")).contains($0)
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0)
                || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
        }
        return isPlain && key.count <= 200 ? String(Substring(key)) : nil
    }

    /// Returns the text after `label` if it has only the characters of a number; nil for other text or another label.
    private static func number(_ line: Substring.UTF8View, _ label: String) -> Substring? {
        guard line.starts(with: label.utf8) else { return nil }
        let digits = line.dropFirst(label.utf8.count)
        let isPlain = digits.allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || "+-.e".utf8.contains($0)
        }
        // Some YAML readers take `064` as octal; such numbers are left to the general parser, which rejects them.
        let isPadded =
            digits.first == UInt8(ascii: "0") && digits.dropFirst().first != nil
            && digits.dropFirst().first != UInt8(ascii: ".")
            && digits.dropFirst().first != UInt8(ascii: "e")
        return isPlain && !isPadded ? Substring(digits) : nil
    }

    /// Returns the entries at `resolution` as YAML in the published form, keys sorted; numbers survive a round trip
    /// exactly.
    public func yaml(resolution: Int) -> String {
        (entries[resolution] ?? [:]).sorted { $0.key < $1.key }.map { key, entry in
            "\(key):\n  count: \(entry.count)\n  mean: \(Self.number(entry.mean))\n"
                + "  std: \(Self.number(entry.std))\n"
        }.joined()
    }

    /// Formats a number for YAML 1.1, which reads `1e-05` as text, but `1.0e-05` as a number.
    private static func number(_ value: Double) -> String {
        let text = "\(value)"
        return text.contains(".") ? text : text.replacing("e", with: ".0e")
    }
}
