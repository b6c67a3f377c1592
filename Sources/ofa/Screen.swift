// What the terminal can do: its width, whether it understands styles, whether a line may be rewritten.
import Foundation
import Intake

/// The terminal a command speaks to, if it speaks to one.
enum Screen {
    /// How many cells a line of a table may take: `COLUMNS` where it is set, else the terminal's width; nil where
    /// standard output is a file or a pipe, which get the full width.
    static var tableWidth: Int? { given ?? (isatty(1) == 1 ? width(of: 1) : nil) }

    /// How many cells the progress line may take.
    static var progressWidth: Int { given ?? width(of: 2) }

    /// Whether bold is wanted: standard output is a terminal that knows it, and `NO_COLOR` is not set.
    static var isStyled: Bool { environment("NO_COLOR").isEmpty && isatty(1) == 1 && isClever }

    /// Whether the progress line on standard error can be rewritten in place.
    static var rewritesProgress: Bool { isatty(2) == 1 && isClever }

    /// Whether standard output can be cleared.
    static var clears: Bool { isatty(1) == 1 && isClever }

    /// Whether the terminal understands control sequences: not with `TERM=dumb`, nor without a `TERM`.
    private static var isClever: Bool { !["", "dumb"].contains(environment("TERM")) }

    private static var given: Int? {
        do { return try DecimalNumber.whole(environment("COLUMNS"), in: 20...10_000) } catch {
            // Not a width: as if it were not set.
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
