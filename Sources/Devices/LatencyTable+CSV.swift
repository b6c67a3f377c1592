// Latency tables as CSV: a header row that names the columns, then one row per part.
import Intake

extension LatencyTable {
    /// Adds the rows of `csv`, whose header names the columns `key`, `mean` (or instead the value of `unit`) and
    /// optionally `resolution`, `count` and `std`. Without a column `resolution`, all rows are at the argument
    /// `resolution`.
    ///
    /// Errors: `malformed`, naming `source` and, where there is one, the line and the column.
    public mutating func add(
        csv: String, resolution: Int?, unit: String = "ms", source: String
    ) throws {
        let rows = try CSVRows.read(csv, source: source)
        guard let head = rows.first else {
            throw DeviceError(
                .malformed, "\(source) is empty",
                remedy: "name the columns key and \(unit) in its first line")
        }
        let columns = try Columns(head, hasSize: resolution != nil, unit: unit, source: source)
        var tables: [Int: [String: LatencyEntry]] = [:]
        for row in rows.dropFirst() {
            let (key, size, entry) = try columns.entry(row, resolution)
            guard tables[size, default: [:]].updateValue(entry, forKey: key) == nil else {
                throw columns.error(
                    row, "\(Shown.excerpt(key)) stands twice at resolution \(size)")
            }
        }
        merge(LatencyTable(entries: tables))
    }

    /// The positions of the columns.
    private struct Columns {
        let key, mean: Int
        let size, count, std: Int?
        let names: [String]
        let source: String

        init(_ head: CSVRows.Row, hasSize: Bool, unit: String, source: String) throws {
            names = head.cells
            self.source = source
            func malformed(_ what: String, remedy: String? = nil) -> DeviceError {
                DeviceError(.malformed, "\(source), line \(head.line): \(what)", remedy: remedy)
            }
            let known = ["key", "resolution", "mean", unit, "count", "std"]
            if names.count == 1, let mark = names[0].first(where: { $0 == ";" || $0 == "\t" }) {
                throw malformed(
                    "the columns are separated by \(mark == ";" ? "semicolons" : "tabs")",
                    remedy: "separate them by commas, and write decimals with points")
            }
            for (place, name) in names.enumerated() {
                guard known.contains(name) else {
                    throw malformed(
                        "column '\(Shown.excerpt(name))' is not known; a table of \(unit) has key, mean (or"
                            + " \(unit)), resolution, count and std",
                        remedy: NearestName.remedy(name, among: known))
                }
                guard !names[..<place].contains(name) else {
                    throw malformed("column \(name) stands twice")
                }
            }
            guard !(names.contains("mean") && names.contains(unit)) else {
                throw malformed("both mean and \(unit) are there", remedy: "keep one")
            }
            guard let key = names.firstIndex(of: "key"),
                let mean = names.firstIndex(where: { ["mean", unit].contains($0) }),
                hasSize || names.contains("resolution")
            else {
                throw malformed(
                    "the head must name the columns key, mean (or \(unit)) and, where the file's name does not"
                        + " say the image size as in 192.csv, resolution; it is"
                        + " '\(Shown.excerpt(names.joined(separator: ",")))'")
            }
            (self.key, self.mean) = (key, mean)
            size = names.firstIndex(of: "resolution")
            count = names.firstIndex(of: "count")
            std = names.firstIndex(of: "std")
        }

        /// Returns the key, image size and entry of one row.
        func entry(_ row: CSVRows.Row, _ resolution: Int?) throws -> (String, Int, LatencyEntry) {
            guard row.cells.count == names.count else {
                throw error(
                    row,
                    "a row has \(names.count) cells, and this has \(row.cells.count)",
                    remedy: "quote cells that hold"
                        + " commas, and write decimals with points")
            }
            func gate<Value>(_ column: Int, _ read: (String) throws -> Value) throws
                -> Value
            {
                do {
                    return try read(row.cells[column])
                } catch let fault as InputFault {
                    throw error(row, "\(names[column]) \(fault.reason)", remedy: fault.remedy)
                }
            }
            let key = try gate(key) { try TextRule.name.checked($0) }
            let mean = try gate(mean) {
                try DecimalNumber.real($0, in: TableNumber.value)
            }
            let std = try std.map { column in
                try gate(column) {
                    try DecimalNumber.real($0, in: TableNumber.value)
                }
            }
            let count = try count.map { column in
                try gate(column) {
                    try DecimalNumber.whole($0, in: TableNumber.count)
                }
            }
            let size = try size.map { column in
                try gate(column) {
                    try DecimalNumber.whole($0, in: TableNumber.size)
                }
            }
            return (
                key, size ?? resolution ?? 0,
                LatencyEntry(count: count ?? 1, mean: mean, std: std ?? 0)
            )
        }

        func error(_ row: CSVRows.Row, _ what: String, remedy: String? = nil) -> DeviceError {
            DeviceError(.malformed, "\(source), line \(row.line): \(what)", remedy: remedy)
        }
    }
}
