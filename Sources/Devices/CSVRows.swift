// CSV by RFC 4180: cells may be quoted and then contain commas, line breaks and doubled quotes;
// lines end in LF, CR LF or CR. Blanks around cells are trimmed; empty lines and lines starting
// with # are skipped.

import Intake

/// Reads rows of comma-separated text.
package enum CSVRows {
    /// The cells of one row, and the number of the line on which the row begins.
    package struct Row: Equatable {
        package let line: Int
        package let cells: [String]
    }

    /// Reads the rows of `text`. Errors: `malformed`, naming `source` and the line, for a quote that is unclosed or
    /// misplaced, and for text behind a closing quote.
    package static func read(_ text: String, source: String) throws -> [Row] {
        var reader = Reader(bytes: Array(text.utf8), source: source)
        var rows: [Row] = []
        while let row = try reader.next() { rows.append(row) }
        return rows
    }

    private struct Reader {
        let bytes: [UInt8]
        let source: String
        var at = 0
        var line = 1

        init(bytes: [UInt8], source: String) {
            self.bytes = bytes
            self.source = source
        }

        private var byte: UInt8? { at < bytes.count ? bytes[at] : nil }

        /// Returns the next row that is neither empty nor a comment; nil at the end.
        mutating func next() throws -> Row? {
            while let first = byte {
                let begin = line
                if first == UInt8(ascii: "#") {
                    while let byte, !isLineEnd(byte) { at += 1 }
                    skipLineEnd()
                    continue
                }
                let cells = try row()
                if cells.count > 1 || cells[0].wasQuoted || !cells[0].text.isEmpty {
                    return Row(line: begin, cells: cells.map(\.text))
                }
            }
            return nil
        }

        private mutating func row() throws -> [(text: String, wasQuoted: Bool)] {
            var cells: [(text: String, wasQuoted: Bool)] = []
            while true {
                skipBlanks()
                if byte == UInt8(ascii: "\"") {
                    cells.append((try quoted(), true))
                } else {
                    cells.append((try plain(), false))
                }
                if byte == UInt8(ascii: ",") {
                    at += 1
                } else {
                    skipLineEnd()
                    return cells
                }
            }
        }

        private mutating func plain() throws -> String {
            let start = at
            while let byte, byte != UInt8(ascii: ","), !isLineEnd(byte) {
                guard byte != UInt8(ascii: "\"") else {
                    throw error(
                        line, "a quote stands within a cell", remedy: "quote the whole cell")
                }
                at += 1
            }
            var end = at
            while end > start, isBlank(bytes[end - 1]) { end -= 1 }
            return String(decoding: bytes[start..<end], as: UTF8.self)
        }

        private mutating func quoted() throws -> String {
            let begin = line
            var text: [UInt8] = []
            at += 1
            while let byte {
                at += 1
                if byte == UInt8(ascii: "\"") {
                    guard self.byte == byte else {
                        skipBlanks()
                        if let next = self.byte, next != UInt8(ascii: ","), !isLineEnd(next) {
                            throw error(line, "text stands behind a closing quote")
                        }
                        return String(decoding: text, as: UTF8.self)
                    }
                    at += 1
                } else if byte == UInt8(ascii: "\n") {
                    line += 1
                }
                text.append(byte)
            }
            throw error(begin, "a quote is not closed")
        }

        private mutating func skipBlanks() {
            while let byte, isBlank(byte) { at += 1 }
        }

        private mutating func skipLineEnd() {
            guard let byte else { return }
            at += 1
            line += 1
            if byte == UInt8(ascii: "\r"), self.byte == UInt8(ascii: "\n") { at += 1 }
        }

        private func isBlank(_ byte: UInt8) -> Bool {
            byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
        }

        private func isLineEnd(_ byte: UInt8) -> Bool {
            byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
        }

        private func error(_ line: Int, _ what: String, remedy: String? = nil) -> DeviceError {
            DeviceError(.malformed, "\(source), line \(line): \(what)", remedy: remedy)
        }
    }
}
