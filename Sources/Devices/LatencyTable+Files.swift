// Reads latency tables from files. If a file states no image size, its name gives the size of the entries, as in
// `192_lookup_table.yaml` or `192.csv`; files of other names must state the size. All tables of a folder are read; a
// part that two tables have at the same image size is an error.
import Foundation
import Intake

extension LatencyTable {
    /// The largest file accepted, in bytes: a hundred times the size of a table of all image sizes.
    private static let mostBytes = 64 << 20
    /// The file name extensions of tables.
    private static let endings = ["csv", "yaml", "yml", "json"]

    /// Reads the file at `path`, or all tables of the folder at `path`; with `resolutions`, a folder's files that are
    /// named after another image size are skipped.
    ///
    /// `unit`, `ms` or `mj`, may name the column of means in CSV files. Errors: `malformed`, naming the file and, where
    /// there is one, the line or key.
    public init(contentsOf path: String, resolutions: [Int]? = nil, unit: String = "ms") throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw DeviceError(.malformed, "there is no latency table at \(path)")
        }
        var files = [URL(filePath: path)]
        if isFolder.boolValue {
            files = try Self.tables(of: path).filter { file in
                guard let resolutions, let size = Self.resolution(of: file.lastPathComponent)
                else { return true }
                return resolutions.contains(size)
            }
        }
        self.init()
        var origins: [Int: [String: String]] = [:]
        for file in files {
            let table = try Self.read(file, unit: unit)
            for size in table.resolutions {
                for key in (table.entries[size] ?? [:]).keys.sorted() {
                    let other = origins[size, default: [:]].updateValue(file.path, forKey: key)
                    guard let other else { continue }
                    throw DeviceError(
                        .malformed,
                        "\(Shown.excerpt(key)) at image size \(size) stands in \(other) and in"
                            + " \(file.path)", remedy: "keep one of them in the folder")
                }
            }
            merge(table)
        }
    }

    /// Returns the table files of a folder, sorted by name: its files with one of `endings`, hidden files excepted.
    /// Errors: `malformed` if there are none.
    private static func tables(of folder: String) throws -> [URL] {
        let names = try reading(folder) {
            try FileManager.default.contentsOfDirectory(atPath: folder)
        }.filter { !$0.hasPrefix(".") }.sorted()
        let files = names.map { URL(filePath: folder).appending(path: $0) }.filter { file in
            var isFolder: ObjCBool = false
            return endings.contains(file.pathExtension.lowercased())
                && FileManager.default.fileExists(atPath: file.path, isDirectory: &isFolder)
                && !isFolder.boolValue
        }
        guard files.isEmpty else { return files }
        let held = names.prefix(8).map { Shown.excerpt($0, 40) }.joined(separator: ", ")
        throw DeviceError(
            .malformed,
            "\(folder) holds no latency table, "
                + (names.isEmpty ? "it is empty" : "only \(held)\(names.count > 8 ? ", …" : "")"),
            remedy: "name files like 192_lookup_table.yaml, 192.csv or 192.json")
    }

    /// Returns the image size in a file's name, as in `192.csv` or `192_lookup_table.yaml`; nil for other names.
    static func resolution(of name: String) -> Int? {
        let form = /([1-9][0-9]{0,3})(_lookup_table)?\.(csv|yaml|yml|json)/.ignoresCase()
        guard let match = name.wholeMatch(of: form), let size = Int(match.1), size <= 4096 else {
            return nil
        }
        return size
    }

    /// Reads the table of one file.
    private static func read(_ file: URL, unit: String) throws -> LatencyTable {
        let path = file.path
        let bytes: [UInt8]
        do throws(InputFault) {
            bytes = try FileBytes.read(path, atMost: mostBytes)
        } catch {
            throw DeviceError(
                .malformed, "\(path) \(error.reason)",
                remedy: error.remedy.map { _ in "name a table or a folder of tables" })
        }
        return try LatencyTable(
            bytes: bytes, name: file.lastPathComponent, unit: unit, source: path)
    }

    /// Reads `bytes`, a table in the format of the extension of `name`; errors name `source`.
    init(bytes: [UInt8], name: String, unit: String = "ms", source: String) throws {
        let text = try Self.text(bytes, source: source)
        let size = Self.resolution(of: name)
        self.init()
        switch name.lowercased().split(separator: ".").last.map(String.init) {
        case "csv": try add(csv: text, resolution: size, unit: unit, source: source)
        case "yaml", "yml", "json": try add(yaml: text, resolution: size, source: source)
        default:
            throw DeviceError(
                .malformed,
                "\(source) is named like no table",
                remedy: "name it with .csv, .yaml, .yml or .json at its end, as in 192.csv"
            )
        }
        guard !entries.values.allSatisfy(\.isEmpty) else {
            throw DeviceError(.malformed, "\(source) has no entries")
        }
    }

    /// Returns the text of UTF-8 `bytes` without a byte order mark. Errors: `malformed`, naming `source`, for another
    /// encoding or an invisible character.
    public static func text(_ bytes: [UInt8], source: String) throws -> String {
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
            || bytes.prefix(64).dropFirst().prefix(1) == [0]
        {
            throw DeviceError(.malformed, "\(source) is UTF-16", remedy: "save it as UTF-8")
        }
        let body = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
        func line(_ count: Int) -> Int {
            1 + body.prefix(count).count { $0 == UInt8(ascii: "\n") }
        }
        guard let text = String(validating: body, as: UTF8.self) else {
            var decoder = UTF8(), place = 0
            var input = body.makeIterator()
            reading: while true {
                switch decoder.decode(&input) {
                case .scalarValue(let scalar): place += UTF8.width(scalar)
                default: break reading
                }
            }
            throw DeviceError(
                .malformed, "\(source), line \(line(place)): is not UTF-8",
                remedy: "save it as UTF-8")
        }
        let isPlain = body.allSatisfy {
            (0x20...0x7E).contains($0) || $0 == 0x0A || $0 == 0x0D || $0 == 0x09
        }
        guard !isPlain else { return text }
        var place = 0
        for scalar in text.unicodeScalars {
            if Shown.isUnprintable(scalar), !["\n", "\r", "\t"].contains(scalar) {
                throw DeviceError(
                    .malformed,
                    "\(source), line \(line(place)): holds the invisible character"
                        + " \(Shown.codePoint(scalar))", remedy: "remove it")
            }
            place += UTF8.width(scalar)
        }
        return text
    }

    private static func reading<Result>(_ path: String, _ body: () throws -> Result) throws
        -> Result
    {
        do {
            return try body()
        } catch {
            throw DeviceError(.malformed, "cannot read \(path): \(FileBytes.reason(error))")
        }
    }

    /// The mean that all entries have; nil if their means differ or there are fewer than two entries. A constant table
    /// distinguishes networks only by their number of parts.
    public var constant: Double? {
        let all = entries.values.flatMap { $0.values.map(\.mean) }
        guard let first = all.first, all.count > 1, all.allSatisfy({ $0 == first }) else {
            return nil
        }
        return first
    }
}

/// The ranges of an entry's numbers.
enum TableNumber {
    /// Milliseconds (up to eleven days) or millijoules.
    static let value = 0.0...1e9
    /// Number of measurements.
    static let count = 1...Int(Int32.max)
    /// Image sizes.
    static let size = 1...4096
}
