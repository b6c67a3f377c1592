// Text tables for people, fitted to the terminal's width. Scripts use JSON.
import Foundation
import Intake
import Pipelines

/// Rows of text below a head; columns are as wide as their widest cell.
struct Table {
    /// The importance of a column, which decides which columns are dropped if not all fit.
    enum Importance: Int, Comparable {
        /// The column is dropped first.
        case low
        /// The column is dropped after all columns of low importance.
        case medium
        /// The column is dropped last.
        case high

        /// Compares by importance.
        static func < (a: Importance, b: Importance) -> Bool { a.rawValue < b.rawValue }
    }

    /// A column's title and alignment.
    struct Column {
        /// The title above the cells.
        let title: String
        /// Whether cells are right-aligned numbers. Numbers are truncated only if no other column is left.
        let isNumber: Bool
        /// The importance of the column.
        let importance: Importance
        /// The minimum width, in terminal cells, to which text is truncated.
        let least: Int
        /// Whether long text wraps instead of being truncated.
        var wraps = false

        /// Returns a left-aligned text column, whose cells may be truncated to `least`.
        static func text(
            _ title: String, _ importance: Importance = .high, least: Int = 20
        ) -> Column {
            Column(title: title, isNumber: false, importance: importance, least: least)
        }
        /// Returns a text column whose long cells wrap.
        static func wrapping(_ title: String) -> Column {
            Column(title: title, isNumber: false, importance: .high, least: 24, wraps: true)
        }
        /// Returns a right-aligned column of numbers.
        static func number(_ title: String, _ importance: Importance = .high) -> Column {
            Column(title: title, isNumber: true, importance: importance, least: 0)
        }
    }

    /// Lines ready to print, and the titles of dropped columns.
    struct Layout: Equatable {
        /// The head and the rows, without trailing spaces.
        var lines: [String]
        /// The titles of dropped columns.
        var leftOut: [String]
    }

    /// The columns, left to right.
    let columns: [Column]
    /// The cells; short rows are padded with empty cells.
    var rows: [[String]] = []

    private static let gap = 2
    /// The minimum width of text columns, used instead of `least` if only columns of high importance remain and these
    /// do not fit.
    private static let tightest = 8

    /// Makes a table without rows.
    init(_ columns: Column...) { self.init(columns: columns) }

    /// Makes a table without rows.
    init(columns: [Column]) { self.columns = columns }

    /// Returns the head and the rows as lines without trailing spaces; `bold` applies to the head.
    func lines(bold: Bool = false, width: Int? = nil) -> [String] {
        layout(bold: bold, width: width).lines
    }

    /// Lays out the table in at most `limit` terminal cells per line, if possible. Drops the least important columns;
    /// truncates long text with `…`, or wraps it.
    func layout(bold: Bool = false, width limit: Int? = nil) -> Layout {
        let cells = rows.map { row in
            columns.indices.map { $0 < row.count ? Shown.line(row[$0]) : "" }
        }
        let natural = columns.indices.map { index in
            cells.reduce(Shown.cells(columns[index].title)) { max($0, Shown.cells($1[index])) }
        }
        let (shown, widths) = Self.fit(columns, natural, into: limit ?? Int.max)
        func line(_ row: [String]) -> String {
            let padded = shown.map { index in
                let text = Shown.cut(row[index], to: widths[index])
                let fill = String(repeating: " ", count: widths[index] - Shown.cells(text))
                return columns[index].isNumber ? fill + text : text + fill
            }
            let text = padded.joined(separator: String(repeating: " ", count: Self.gap))
            return String(text.reversed().drop { $0 == " " }.reversed())
        }
        func wrapped(_ row: [String]) -> [String] {
            let parts = columns.indices.map {
                columns[$0].wraps && shown.contains($0)
                    ? Shown.wrapped(row[$0], to: widths[$0]) : [row[$0]]
            }
            return (0..<(parts.map(\.count).max() ?? 1)).map { place in
                line(parts.map { place < $0.count ? $0[place] : "" })
            }
        }
        let head = line(columns.map(\.title))
        return Layout(
            lines: [bold ? "\u{1B}[1m\(head)\u{1B}[0m" : head] + cells.flatMap(wrapped),
            leftOut: columns.indices.filter { !shown.contains($0) }.map { columns[$0].title })
    }

    /// Returns the columns that fit, and the width of every column.
    private static func fit(_ columns: [Column], _ natural: [Int], into limit: Int) -> (
        shown: [Int], widths: [Int]
    ) {
        var isTight = false
        func floor(_ index: Int) -> Int {
            let column = columns[index]
            guard !column.isNumber else { return natural[index] }
            let least = isTight ? tightest : column.least
            return min(natural[index], max(least, Shown.cells(column.title)))
        }
        func total(_ shown: [Int], _ width: (Int) -> Int) -> Int {
            shown.reduce(gap * (shown.count - 1)) { $0 + width($1) }
        }
        var shown = Array(columns.indices)
        while shown.count > 1, total(shown, floor) > limit {
            // Important columns are dropped only after texts are as short as possible.
            if !isTight, shown.allSatisfy({ columns[$0].importance == .high }) {
                isTight = true
                continue
            }
            // Of equally important columns the rightmost is dropped.
            let weakest = shown.reversed().min { columns[$0].importance < columns[$1].importance }
            shown.removeAll { $0 == weakest }
        }
        guard total(shown, { natural[$0] }) > limit else { return (shown, natural) }
        var widths = natural
        var spare = limit - total(shown, floor)
        // Short texts get their full width; long texts share the rest.
        let wanting = shown.sorted { natural[$0] - floor($0) < natural[$1] - floor($1) }
        for (place, index) in wanting.enumerated() {
            let given = max(0, min(natural[index] - floor(index), spare / (wanting.count - place)))
            widths[index] = floor(index) + given
            spare -= given
        }
        if shown.count == 1, let only = shown.first { widths[only] = min(natural[only], limit) }
        return (shown, widths)
    }
}

/// Formats numbers for people.
enum Format {
    /// Formats an integer with thousands separated by commas: `7,664,760`.
    static func grouped(_ value: Int) -> String {
        ReportText.grouped(value)
    }

    /// Formats a number of bytes in the largest binary unit of which there is at least 1: `29.2 MiB`.
    static func bytes(_ count: Int) -> String {
        guard count >= 1024 else { return "\(count) B" }
        var value = Double(count) / 1024
        var unit = "KiB"
        for next in ["MiB", "GiB", "TiB"] where value >= 1024 {
            value /= 1024
            unit = next
        }
        return "\(decimal(value, 1)) \(unit)"
    }

    /// Formats a duration: `0.42 s`, `12.3 s`, `4 min 05 s`, `3 h 07 min`.
    static func duration(_ seconds: Double) -> String {
        guard seconds < 1e12 else { return "an unknown time" }
        if seconds < 1 { return "\(decimal(seconds, 2)) s" }
        if seconds < 59.95 { return "\(decimal(seconds, 1)) s" }
        let whole = Int(seconds.rounded())
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return whole < 3600
            ? "\(whole / 60) min \(two(whole % 60)) s"
            : "\(whole / 3600) h \(two(whole % 3600 / 60)) min"
    }

    /// Formats the ratios of one column in percent, all with the same number of decimals, such as `45.20 %` and
    /// `0.41 %`.
    static func shares(_ values: [Double?]) -> [String] {
        ReportText.column(values.map { $0.map { 100 * $0 } }, unit: "%", atLeast: 1)
    }

    /// Formats a number with `digits` decimals.
    static func decimal(_ value: Double, _ digits: Int) -> String {
        String(format: "%.\(digits)f", value)
    }
}
