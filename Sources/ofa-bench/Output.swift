// The output of benchmarks: results on standard output (JSON or tables), everything else on
// standard error.
import Foundation

/// Writes results to standard output, and notes to standard error.
enum Output {
    /// Prints a line on standard output; throws if standard output is closed.
    static func line(_ text: String = "") throws {
        try FileHandle.standardOutput.write(contentsOf: Data((text + "\n").utf8))
    }

    /// Prints a headline and a report as one line of JSON.
    static func json(_ headline: Headline, _ report: some Encodable) throws {
        try line(encoded(headline, report))
    }

    /// Returns a headline and a report as one line of JSON with sorted keys.
    static func encoded(_ headline: Headline, _ report: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let answer = Answer(headline: headline, report: report)
        return String(decoding: try encoder.encode(answer), as: UTF8.self)
    }

    /// Prints a line on standard error: progress or errors.
    static func note(_ text: String) {
        do {
            try FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8))
        } catch {
            // Standard error is closed: continue silently, because the work matters more.
        }
    }
}

/// A text table: the first columns are left-aligned text, the others right-aligned numbers.
struct Table {
    /// The titles of the columns.
    let titles: [String]
    /// The number of text columns.
    let textColumns: Int
    /// The cells; short rows are padded with empty cells.
    var rows: [[String]] = []

    /// Makes a table without rows; the text columns come first, then the columns of numbers.
    init(text: [String], numbers: [String]) {
        titles = text + numbers
        textColumns = text.count
    }

    /// The head and the rows as lines without trailing spaces; columns are as wide as their widest cell.
    var lines: [String] {
        let all = [titles] + rows
        let widths = titles.indices.map { index in
            all.reduce(0) { max($0, index < $1.count ? $1[index].count : 0) }
        }
        return all.map { row in
            let cells = titles.indices.map { index -> String in
                let cell = index < row.count ? row[index] : ""
                let fill = String(repeating: " ", count: widths[index] - cell.count)
                return index < textColumns ? cell + fill : fill + cell
            }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }

    /// Prints the table on standard output.
    func print() throws { try Output.line(lines.joined(separator: "\n")) }
}

/// Formats a number with `digits` decimals.
func decimal(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

/// Formats a number of bytes in megabytes (1e6 bytes).
func megabytes(_ bytes: Int) -> String { "\(decimal(Double(bytes) / 1e6, 1)) MB" }
