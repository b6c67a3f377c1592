// A terminal for tests: a tmux server of its own with one window, in which a shell runs.
import Foundation
import Postgres
import Testing

/// A tmux server with one window.
final class Tmux {
    /// Whether tmux is installed.
    static let isInstalled = (ProcessInfo.processInfo.environment["PATH"] ?? "")
        .split(separator: ":").contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/tmux")
        }

    /// What the shell's commands need for as long as the terminal is there, such as their database.
    var keeps: AnyObject?
    private let socket: URL
    private let environment: [String: String]

    /// Starts a shell in a window of this size, with a short prompt.
    init(columns: Int, rows: Int, environment: [String: String]) throws {
        socket = FileManager.default.temporaryDirectory.appending(
            path: "ofa-tmux-\(UUID().uuidString.prefix(8))")
        self.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }.merging([
            "PS1": "ready> ", "ENV": "", "LC_ALL": "C.UTF-8", "TERM": "xterm-256color",
        ]) { $1 }
        try run([
            "new-session", "-d", "-x", "\(columns)", "-y", "\(rows)", "env PS1='ready> ' sh",
        ])
        try run(["set-option", "-g", "status", "off"])
        try run(["resize-window", "-x", "\(columns)", "-y", "\(rows)"])
    }

    deinit {
        do { try run(["kill-server"]) } catch { print("a tmux server stays: \(error)") }
    }

    /// Types a line into the window.
    func type(_ text: String) throws { try run(["send-keys", "-l", text]); try key("Enter") }

    /// Presses a key, such as `q` or `C-c`.
    func key(_ name: String) throws { try run(["send-keys", name]) }

    /// Gives the window another size.
    func resize(columns: Int, rows: Int) throws {
        try run(["resize-window", "-x", "\(columns)", "-y", "\(rows)"])
    }

    /// What the window shows; with `history`, also what has scrolled out of it.
    func screen(history: Bool = false) throws -> [String] {
        try run(["capture-pane", "-p"] + (history ? ["-S", "-"] : []))
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// What the window shows, with the control sequences of its styles.
    func styled() throws -> String { try run(["capture-pane", "-p", "-e"]) }

    /// A property of the window, such as `alternate_on` or `cursor_flag`.
    func property(_ name: String) throws -> String {
        try run(["display-message", "-p", "#{\(name)}"]).trimmingCharacters(in: .newlines)
    }

    /// Waits until the window shows what `isThere` looks for, and returns its lines.
    @discardableResult
    func wait(
        _ what: String, history: Bool = false, until isThere: ([String]) throws -> Bool
    ) throws -> [String] {
        var lines: [String] = []
        // Each look takes some milliseconds; the bound ends a test that waits in vain.
        for _ in 0..<6000 {
            lines = try screen(history: history)
            if try isThere(lines) { return lines }
        }
        Issue.record("\(what) did not come:\n\(lines.joined(separator: "\n"))")
        throw CancellationError()
    }

    /// ChildProcess, because the server that the first call leaves behind would keep Foundation's Process waiting.
    @discardableResult
    private func run(_ arguments: [String]) throws -> String {
        let outcome = try ChildProcess(environment: environment).run(
            ["tmux", "-S", socket.path, "-f", "/dev/null"] + arguments)
        try #require(outcome.exitCode == 0, "tmux \(arguments): \(outcome.output)")
        return outcome.output
    }
}
