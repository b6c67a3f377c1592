// Tables for people, and numbers written for people. Scripts get JSON instead.
import Foundation
import Pipelines

/// Rows of text under a head; columns as wide as their widest cell.
struct Table {
    /// A column's title and on which side its cells stand.
    struct Column {
        /// What stands above the cells.
        let title: String
        /// Whether cells stand to the right, as numbers do.
        let isNumber: Bool

        /// A column of text, standing to the left.
        static func text(_ title: String) -> Column { Column(title: title, isNumber: false) }
        /// A column of numbers, standing to the right.
        static func number(_ title: String) -> Column { Column(title: title, isNumber: true) }
    }

    /// The columns, left to right.
    let columns: [Column]
    /// The cells; a row shorter than the head is filled with empty ones.
    var rows: [[String]] = []

    /// Makes a table of these columns, without rows.
    init(_ columns: Column...) {
        self.columns = columns
    }

    /// The head and the rows as lines without trailing spaces; the head in bold if wanted.
    func lines(bold: Bool = false) -> [String] {
        let widths = columns.indices.map { index in
            rows.reduce(columns[index].title.count) { max($0, cell($1, index).count) }
        }
        func line(_ cells: [String]) -> String {
            let padded = columns.indices.map { index in
                let fill = String(repeating: " ", count: widths[index] - cells[index].count)
                return columns[index].isNumber ? fill + cells[index] : cells[index] + fill
            }
            let text = padded.joined(separator: "  ")
            return String(text.reversed().drop { $0 == " " }.reversed())
        }
        let head = line(columns.map(\.title))
        return [bold ? "\u{1B}[1m\(head)\u{1B}[0m" : head]
            + rows.map { row in line(columns.indices.map { cell(row, $0) }) }
    }

    private func cell(_ row: [String], _ index: Int) -> String {
        index < row.count ? row[index] : ""
    }
}

/// Numbers as people read them.
enum Format {
    /// An integer with thousands separated by commas: `7,664,760`.
    static func grouped(_ value: Int) -> String {
        ReportText.grouped(value)
    }

    /// Bytes in the largest binary unit that leaves at least 1: `29.2 MiB`.
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

    /// A duration: `0.42 s`, `12.3 s`, `4 min 05 s`, `3 h 07 min`.
    static func duration(_ seconds: Double) -> String {
        if seconds < 1 { return "\(decimal(seconds, 2)) s" }
        if seconds < 59.95 { return "\(decimal(seconds, 1)) s" }
        let whole = Int(seconds.rounded())
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return whole < 3600
            ? "\(whole / 60) min \(two(whole % 60)) s"
            : "\(whole / 3600) h \(two(whole % 3600 / 60)) min"
    }

    /// A share in percent, with more digits the smaller it is: `45.2 %`, `0.412 %`.
    static func share(_ value: Double) -> String {
        decimal(100 * value, value >= 0.1 ? 1 : value >= 0.01 ? 2 : 3) + " %"
    }

    /// A number with this many digits after the point.
    static func decimal(_ value: Double, _ digits: Int) -> String {
        String(format: "%.\(digits)f", value)
    }
}
