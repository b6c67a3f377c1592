// LiveScreen: the whole terminal as a screen that a command redraws. It uses the alternate screen of the terminal, so that
// the former screen and its scroll-back are back at the end, and writes only the rows that have changed, in one write.

import Foundation
import Intake
import Synchronization

/// One row of the screen.
struct ScreenLine: Equatable {
    /// How a row stands out.
    enum Style: String {
        /// As other text.
        case plain = ""
        /// Bold.
        case strong = "1"
        /// Faint: it waits or is done.
        case faint = "2"
        /// Yellow: it needs attention.
        case warning = "33"
        /// Red: it failed.
        case bad = "31"
    }

    /// The text, without control characters.
    let text: String
    /// How the row stands out.
    var style = Style.plain

    /// Takes a text.
    init(_ text: String, _ style: Style = .plain) {
        self.text = text
        self.style = style
    }
}

/// The terminal while a command has it for itself.
final class LiveScreen {
    /// What the command waits for.
    enum Event: Equatable {
        /// The user pressed a key.
        case key(UInt8)
        /// The process received SIGINT or SIGTERM.
        case stop(Int32)
        /// `wake` was called, the size of the window has changed, or the process goes on after Ctrl-Z.
        case change
    }

    private static let signals = [SIGWINCH, SIGINT, SIGTERM, SIGTSTP]
    /// The pipe into which signal handlers and `wake` write; -1 while there is no screen.
    private static let pipe = Atomic<Int32>(-1)

    /// Enters the alternate screen, hides the cursor and stops the wrapping of long lines.
    private static let entering = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[H\u{1B}[2J"
    private static let leaving = "\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"

    private let reading: Int32
    /// The settings of the terminal before; nil if standard input is no terminal.
    private var before: termios?
    private var hasKeys = true
    /// The rows on the screen, and the size that they were drawn for.
    private var shown: [String] = []
    private var size: ScreenSize?

    /// Calls `body` with the terminal as a screen. The former screen is back when this function returns or throws.
    static func whileShown<Result>(_ body: (LiveScreen) throws -> Result) throws -> Result {
        let screen = try LiveScreen()
        do {
            try screen.enter()
            let result = try body(screen)
            try screen.leave()
            return result
        } catch {
            // The first error tells what happened; a terminal that cannot be written needs no repair.
            do { try screen.leave() } catch {}
            throw error
        }
    }

    private init() throws {
        var ends: [Int32] = [0, 0]
        guard Foundation.pipe(&ends) == 0 else {
            throw CommandFailure.failed(
                "the live view gets no pipe: \(FileBytes.reason(errno))",
                remedy: "ofa status without --watch", code: "file")
        }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        reading = ends[0]
        // Both ends stay open until the process ends: a thread may still wake the screen.
        Self.pipe.store(ends[1], ordering: .sequentiallyConsistent)
    }

    /// Makes `wait` return; may be called on any thread.
    static func wake() {
        var byte: UInt8 = 0
        _ = write(pipe.load(ordering: .relaxed), &byte, 1)
    }

    private func enter() throws {
        for number in Self.signals {
            signal(number) { number in
                // The handler makes only async-signal-safe calls, see signal-safety(7).
                let kept = errno
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(LiveScreen.pipe.load(ordering: .relaxed), &byte, 1)
                errno = kept
            }
        }
        var heard = sigset_t()
        sigemptyset(&heard)
        for number in Self.signals { sigaddset(&heard, number) }
        pthread_sigmask(SIG_UNBLOCK, &heard, nil)
        var settings = termios()
        if isatty(0) == 1, tcgetattr(0, &settings) == 0 {
            before = settings
            // Keys arrive at once and are not echoed; Ctrl-C and Ctrl-Z stay signals.
            settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
            _ = tcsetattr(0, TCSADRAIN, &settings)
        }
        hasKeys = before != nil
        (shown, size) = ([], nil)
        try Output.bytes(Data(Self.entering.utf8))
    }

    private func leave() throws {
        if var before { _ = tcsetattr(0, TCSADRAIN, &before) }
        for number in Self.signals { signal(number, SIG_DFL) }
        try Output.bytes(Data(Self.leaving.utf8))
    }

    /// Draws the rows for a terminal of `window`: rows that are on the screen already are not written again.
    func draw(_ lines: [ScreenLine], for window: ScreenSize) throws {
        var text = ""
        if window != size {
            text = "\u{1B}[H\u{1B}[2J"
            (shown, size) = ([], window)
        }
        var rows: [String] = []
        for row in 0..<window.rows {
            let line = row < lines.count ? rendered(lines[row], window.columns) : ""
            rows.append(line)
            if line == (row < shown.count ? shown[row] : "") { continue }
            text += "\u{1B}[\(row + 1);1H\(line)"
            // In the last column this would erase the last character.
            let cells = row < lines.count ? Shown.cells(lines[row].text) : 0
            if cells < window.columns { text += "\u{1B}[K" }
        }
        shown = rows
        if !text.isEmpty { try Output.bytes(Data(text.utf8)) }
    }

    private func rendered(_ line: ScreenLine, _ columns: Int) -> String {
        let text = Shown.cut(line.text, to: columns)
        guard Screen.isStyled, line.style != .plain, !text.isEmpty else { return text }
        return "\u{1B}[\(line.style.rawValue)m\(text)\u{1B}[0m"
    }

    /// Waits until something happens, at most `seconds`; the result may be empty.
    func wait(seconds: Double) throws -> [Event] {
        var sources = [pollfd(fd: reading, events: Int16(POLLIN), revents: 0)]
        if hasKeys { sources.append(pollfd(fd: 0, events: Int16(POLLIN), revents: 0)) }
        guard poll(&sources, nfds_t(sources.count), Int32(seconds * 1000)) > 0 else { return [] }
        var events: [Event] = []
        for byte in Self.bytes(of: reading) {
            switch Int32(byte) {
            case SIGINT, SIGTERM: events.append(.stop(Int32(byte)))
            case SIGTSTP:
                try suspend()
                events.append(.change)
            default: events.append(.change)
            }
        }
        if hasKeys, sources[1].revents != 0 {
            let keys = Self.bytes(of: 0)
            // The terminal has gone; signals still end the view.
            if keys.isEmpty { hasKeys = false }
            events += keys.map { .key($0) }
        }
        return events
    }

    private static func bytes(of descriptor: Int32) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = read(descriptor, &buffer, buffer.count)
        return Array(buffer.prefix(max(0, count)))
    }

    /// Gives the terminal back, stops as Ctrl-Z does, and takes the terminal again when the process goes on.
    private func suspend() throws {
        try leave()
        kill(getpid(), SIGSTOP)
        try enter()
    }
}
