// Latency tables as the published YAML files: one file a resolution, `192_lookup_table.yaml`, with
// `count`, `mean` and `std` in milliseconds under every key.
import Foundation
import Yams

extension LatencyTable {
    private static let suffix = "_lookup_table.yaml"

    /// Reads one such file, or every one of a folder.
    ///
    /// Errors: `malformed` naming the file, and the line or key.
    public init(contentsOf path: String) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw SearchError(.malformed, "there is no latency table at \(path)")
        }
        var files = [URL(filePath: path)]
        if isFolder.boolValue {
            let names = try Self.reading(path) {
                try FileManager.default.contentsOfDirectory(atPath: path)
            }
            files = names.filter { $0.hasSuffix(Self.suffix) }.sorted()
                .map { URL(filePath: path).appending(path: $0) }
            guard !files.isEmpty else {
                throw SearchError(
                    .malformed,
                    "\(path) holds no latency table: files are named like 192\(Self.suffix)")
            }
        }
        self.init()
        for file in files {
            guard file.lastPathComponent.hasSuffix(Self.suffix),
                let resolution = Int(file.lastPathComponent.dropLast(Self.suffix.count))
            else {
                throw SearchError(
                    .malformed,
                    "\(file.path) does not say its resolution: name it like 192\(Self.suffix)")
            }
            let text = try Self.reading(file.path) { try String(contentsOf: file, encoding: .utf8) }
            try add(yaml: text, resolution: resolution, source: file.path)
        }
    }

    /// Adds the entries of one file's text; `source` names it in errors.
    public mutating func add(yaml: String, resolution: Int, source: String) throws {
        let table: [String: LatencyEntry]
        do {
            table = try YAMLDecoder().decode([String: LatencyEntry].self, from: yaml)
        } catch let error as DecodingError {
            throw SearchError(.malformed, "\(source): \(Self.describe(error))")
        } catch {
            throw SearchError(.malformed, "\(source): \(error)")
        }
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
