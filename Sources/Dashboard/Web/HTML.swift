// HTML: markup that escapes every value put into it.

import Charts
import Intake

/// Markup. A literal is markup; every interpolated text is escaped, and shown without control characters, on one line.
/// So text from the database cannot become markup: `"<td>\(job.error)</td>"` is safe whatever the error says.
public struct HTML: ExpressibleByStringInterpolation, Sendable, Equatable {
    /// The markup.
    public let text: String

    /// Makes markup of a literal of the program.
    public init(stringLiteral value: String) { text = value }

    /// Makes markup of a literal with interpolated values.
    public init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }

    private init(trusted: String) { text = trusted }

    /// Markup of nothing.
    public static let empty: HTML = ""

    /// Takes text as markup. Only for markup that this program made with every value escaped.
    public static func trusted(_ markup: String) -> HTML { HTML(trusted: markup) }

    /// Returns a chart in both sizes; `id` is unique in the page.
    public static func chart(_ chart: some Chart, id: String) -> HTML {
        HTML(trusted: "<figure>\(chart.pair(id: id))</figure>")
    }

    /// Returns text of several lines, escaped; line feeds and tabs stay.
    public static func lines(_ text: String) -> HTML { HTML(trusted: escaped(Shown.lines(text))) }

    /// Returns the parts one after the other.
    public static func joined(_ parts: [HTML], separator: HTML = "") -> HTML {
        HTML(trusted: parts.map(\.text).joined(separator: separator.text))
    }

    /// Returns a path with each part percent-encoded, such as `/runs/3`. For links.
    public static func path(_ parts: String...) -> String {
        parts.reduce("") { $0 + "/" + encoded($1) }
    }

    /// Percent-encodes one part of a path or one value of a query.
    public static func encoded(_ part: String) -> String {
        part.utf8.reduce(into: "") { text, byte in
            let scalar = Unicode.Scalar(byte)
            let isPlain =
                ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)
                || ("0"..."9").contains(scalar) || "-_.~".unicodeScalars.contains(scalar)
            if isPlain {
                text.unicodeScalars.append(scalar)
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                text += "%" + (digits.count < 2 ? "0" : "") + digits
            }
        }
    }

    /// Escapes what is special in markup and in quoted attributes.
    static func escaped(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Collects the parts of an interpolated literal.
    public struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var text = ""

        /// Starts with room for a typical literal.
        public init(literalCapacity: Int, interpolationCount: Int) {
            text.reserveCapacity(literalCapacity + 16 * interpolationCount)
        }

        /// Appends markup of the program.
        public mutating func appendLiteral(_ literal: String) { text += literal }

        /// Appends markup.
        public mutating func appendInterpolation(_ markup: HTML) { text += markup.text }

        /// Appends parts of markup.
        public mutating func appendInterpolation(_ markup: [HTML]) {
            for part in markup { text += part.text }
        }

        /// Appends escaped text.
        public mutating func appendInterpolation(_ value: String) {
            text += HTML.escaped(Shown.line(value))
        }

        /// Appends escaped text; nil appends nothing.
        public mutating func appendInterpolation(_ value: String?) {
            if let value { appendInterpolation(value) }
        }

        /// Appends a whole number.
        public mutating func appendInterpolation(_ value: some BinaryInteger) {
            text += String(value)
        }
    }
}
