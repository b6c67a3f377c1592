// Latency tables as the published YAML files: one file a resolution, `192_lookup_table.yaml`, with
// `count`, `mean` and `std` in milliseconds under every key; and as plain comma-separated text.
import Foundation
import Yams

extension LatencyTable {
    private static let suffix = "_lookup_table.yaml"

    /// Reads one file, or every one of a folder; with `resolutions` only those of a folder's files that hold one.
    ///
    /// A `.csv` file may hold several resolutions in a column of their own, or one that its name begins with; a column
    /// named by a unit must be of `unit`, `ms` or `mj`. Errors: `malformed` naming the file, and the line or key.
    public init(contentsOf path: String, resolutions: [Int]? = nil, unit: String = "ms") throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw SearchError(.malformed, "there is no latency table at \(path)")
        }
        var files = [URL(filePath: path)]
        if isFolder.boolValue {
            let names = try Self.reading(path) {
                try FileManager.default.contentsOfDirectory(atPath: path)
            }
            let tables = names.filter { $0.hasSuffix(Self.suffix) || $0.hasSuffix(".csv") }
            guard !tables.isEmpty else {
                throw SearchError(
                    .malformed,
                    "\(path) holds no latency table: files are named like 192\(Self.suffix) or 192.csv"
                )
            }
            files = tables.sorted().map { URL(filePath: path).appending(path: $0) }
            if let resolutions {
                files = files.filter { file in
                    Self.resolution(of: file).map(resolutions.contains) ?? true
                }
            }
        }
        self.init()
        for file in files {
            let resolution = Self.resolution(of: file)
            let isCSV = file.pathExtension == "csv"
            guard isCSV || resolution != nil else {
                throw SearchError(
                    .malformed,
                    "\(file.path) does not say its resolution: name it like 192\(Self.suffix)")
            }
            let text = try Self.reading(file.path) { try String(contentsOf: file, encoding: .utf8) }
            if isCSV {
                try add(csv: text, resolution: resolution, unit: unit, source: file.path)
            } else {
                try add(yaml: text, resolution: resolution ?? 0, source: file.path)
            }
        }
    }

    /// The resolution that a file's name begins with.
    private static func resolution(of file: URL) -> Int? {
        let name = file.lastPathComponent
        if name.hasSuffix(suffix) { return Int(name.dropLast(suffix.count)) }
        return name.hasSuffix(".csv") ? Int(name.prefix { $0.isASCII && $0.isNumber }) : nil
    }

    /// Adds the entries of one file's text; `source` names it in errors.
    public mutating func add(yaml: String, resolution: Int, source: String) throws {
        let table: [String: LatencyEntry]
        do {
            table =
                try Self.plainEntries(yaml)
                ?? YAMLDecoder().decode([String: LatencyEntry].self, from: yaml)
        } catch let error as DecodingError {
            throw SearchError(.malformed, "\(source): \(Self.describe(error))")
        } catch {
            throw SearchError(.malformed, "\(source): \(error)")
        }
        try add(table, resolution: resolution, source: source)
    }

    /// The entries of a file in exactly the published form, a key and then three numbers below it; nil for any other
    /// YAML. Thousands of keys are read on the way to every search: this is some twenty times faster.
    private static func plainEntries(_ yaml: String) -> [String: LatencyEntry]? {
        var entries: [String: LatencyEntry] = [:]
        let lines = yaml.utf8.split(separator: UInt8(ascii: "\n"))
        guard lines.count.isMultiple(of: 4) else { return nil }
        for start in stride(from: 0, to: lines.count, by: 4) {
            guard let key = plainKey(lines[start]),
                let count = number(lines[start + 1], "  count: ").flatMap({ Int($0) }),
                let mean = number(lines[start + 2], "  mean: ").flatMap({ Double($0) }),
                let std = number(lines[start + 3], "  std: ").flatMap({ Double($0) }),
                entries.updateValue(LatencyEntry(count: count, mean: mean, std: std), forKey: key)
                    == nil
            else { return nil }
        }
        return entries
    }

    /// A key of letters, digits, `-`, `_` and single colons, before the line's own colon.
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
        return isPlain ? String(Substring(key)) : nil
    }

    /// The digits behind a label; nil for another label or what is no plain number.
    private static func number(_ line: Substring.UTF8View, _ label: String) -> Substring? {
        guard line.starts(with: label.utf8) else { return nil }
        let digits = line.dropFirst(label.utf8.count)
        let isPlain = digits.allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || "+-.e".utf8.contains($0)
        }
        return isPlain ? Substring(digits) : nil
    }

    /// Adds the rows of a comma-separated text: a head naming `key`, `mean` (or `unit`) and optionally
    /// `resolution`, `count` and `std`; then a row a part. Without a `resolution` column all are of `resolution`.
    public mutating func add(
        csv: String, resolution: Int?, unit: String = "ms", source: String
    ) throws {
        let lines = csv.split(whereSeparator: \.isNewline).enumerated()
            .filter { !$0.element.allSatisfy(\.isWhitespace) && !$0.element.hasPrefix("#") }
        func cells(_ line: Substring) -> [String] {
            line.split(separator: ",", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
        }
        guard let head = lines.first.map({ cells($0.element) }),
            let keyColumn = head.firstIndex(of: "key"),
            let meanColumn = head.firstIndex(where: { ["mean", unit].contains($0) }),
            resolution != nil || head.contains("resolution")
        else {
            throw SearchError(
                .malformed,
                "\(source): the first line must name the columns key, mean (or \(unit)) and, where the file's name"
                    + " does not say it, resolution; it is '\(lines.first?.element ?? "")'")
        }
        var tables: [Int: [String: LatencyEntry]] = [:]
        for (number, line) in lines.dropFirst() {
            let row = cells(line)
            func value<T: LosslessStringConvertible>(_ name: String, or fallback: T) throws -> T {
                guard let column = head.firstIndex(of: name) else { return fallback }
                guard column < row.count, let value = T(row[column]) else {
                    throw SearchError(
                        .malformed, "\(source), line \(number + 1): \(name) is no number")
                }
                return value
            }
            func malformed(_ what: String) -> SearchError {
                SearchError(.malformed, "\(source), line \(number + 1): \(what)")
            }
            guard row.count == head.count, !row[keyColumn].isEmpty else {
                throw malformed("a row has \(head.count) cells, a key among them")
            }
            guard let mean = Double(row[meanColumn]) else {
                throw malformed("'\(row[meanColumn])' is no number of \(unit)")
            }
            let entry = LatencyEntry(
                count: try value("count", or: 1), mean: mean, std: try value("std", or: 0))
            let size = try value("resolution", or: resolution ?? 0)
            let known = tables[size, default: [:]].updateValue(entry, forKey: row[keyColumn])
            guard known == nil else {
                throw malformed("\(row[keyColumn]) stands twice at resolution \(size)")
            }
        }
        for (size, table) in tables { try add(table, resolution: size, source: source) }
    }

    private mutating func add(_ table: [String: LatencyEntry], resolution: Int, source: String)
        throws
    {
        for (key, entry) in table.sorted(by: { $0.key < $1.key }) {
            guard entry.mean >= 0, entry.mean.isFinite, entry.std.isFinite, entry.count > 0 else {
                throw SearchError(
                    .malformed,
                    "\(source): \(key) has count \(entry.count) and mean \(entry.mean) ms")
            }
        }
        var all = entries
        all[resolution, default: [:]].merge(table) { $1 }
        self = LatencyTable(entries: all)
    }

    /// The text of one resolution's file, keys sorted; numbers are written to be read back exactly.
    public func yaml(resolution: Int) -> String {
        (entries[resolution] ?? [:]).sorted { $0.key < $1.key }.map { key, entry in
            "\(key):\n  count: \(entry.count)\n  mean: \(Self.number(entry.mean))\n"
                + "  std: \(Self.number(entry.std))\n"
        }.joined()
    }

    /// YAML 1.1 reads `1e-05` as text, `1.0e-05` as a number.
    private static func number(_ value: Double) -> String {
        let text = "\(value)"
        return text.contains(".") ? text : text.replacing("e", with: ".0e")
    }

    private static func reading<Result>(_ path: String, _ body: () throws -> Result) throws
        -> Result
    {
        do {
            return try body()
        } catch {
            throw SearchError(.malformed, "cannot read \(path): \(error.localizedDescription)")
        }
    }

    private static func describe(_ error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, let context):
            return "\(path(context)) has no \(key.stringValue)"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            return "\(path(context)): \(context.debugDescription)"
        case .dataCorrupted(let context):
            return context.underlyingError.map { "\($0)" } ?? context.debugDescription
        @unknown default:
            return "\(error)"
        }
    }

    private static func path(_ context: DecodingError.Context) -> String {
        context.codingPath.map(\.stringValue).joined(separator: " ")
    }
}
