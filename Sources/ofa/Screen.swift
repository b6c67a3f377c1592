// Capabilities of the terminal: width, styles, and rewriting of lines.
import Foundation
import Intake

/// The size of a terminal in cells.
struct ScreenSize: Equatable {
    /// The number of columns and of rows.
    let columns, rows: Int
}

/// The terminal of a command, if the command has one.
enum Screen {
    /// The width of tables in terminal cells: `COLUMNS` if set, else the terminal's width; nil (unlimited) if standard
    /// output is a file or a pipe.
    static var tableWidth: Int? { given ?? (isatty(1) == 1 ? width(of: 1) : nil) }

    /// The width of the progress line in terminal cells.
    static var progressWidth: Int { given ?? width(of: 2) }

    /// Whether to use bold: standard output is a terminal that supports styles, and `NO_COLOR` is not set.
    static var isStyled: Bool { environment("NO_COLOR").isEmpty && isatty(1) == 1 && isClever }

    /// Whether the progress line on standard error can be rewritten in place.
    static var rewritesProgress: Bool { isatty(2) == 1 && isClever }

    /// Whether standard output can show a live view.
    static var isLive: Bool { isatty(1) == 1 && isClever }

    /// The size of the terminal of standard output; 80 columns and 24 rows if it is unknown.
    static var window: ScreenSize {
        var size = winsize()
        guard ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return ScreenSize(columns: 80, rows: 24)
        }
        return ScreenSize(columns: Int(size.ws_col), rows: Int(size.ws_row))
    }

    /// Whether the terminal supports control sequences: `TERM` is set and is not `dumb`.
    private static var isClever: Bool { !["", "dumb"].contains(environment("TERM")) }

    private static var given: Int? {
        do { return try DecimalNumber.whole(environment("COLUMNS"), in: 20...10_000) } catch {
            // A value of COLUMNS that is not a valid width is ignored.
            return nil
        }
    }

    private static func environment(_ name: String) -> String {
        ProcessInfo.processInfo.environment[name] ?? ""
    }

    private static func width(of stream: Int32) -> Int {
        var size = winsize()
        return ioctl(stream, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
            ? Int(size.ws_col) : 80
    }
}
