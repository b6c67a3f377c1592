// `ofa status --watch` in a real terminal: tmux shows what a person sees. Skipped where there is no tmux.
import Foundation
import Intake
import Postgres
import TestSupport
import Testing

@Suite(.enabled(if: Tmux.isInstalled, "there is no tmux")) struct LiveStatusTests {
    /// A run whose first stage has ended and whose second one trains, as rows of the database: no worker is needed.
    private func place() throws -> CommandPlace {
        let place = try CommandPlace()
        try #require(try place.ofa("enqueue", "tiny.yaml").status == 0)
        return place
    }

    private func terminal(_ place: CommandPlace, columns: Int, rows: Int) throws -> Tmux {
        let terminal = try Tmux(columns: columns, rows: rows, environment: place.environment)
        terminal.keeps = place
        try terminal.wait("the prompt") { $0.contains { $0.hasPrefix("ready>") } }
        try terminal.type("echo before")
        try terminal.wait("the echo") { $0.contains("before") }
        return terminal
    }

    @discardableResult
    private func watch(_ terminal: Tmux, before: String = "") throws -> [String] {
        try terminal.type("\(before)'\(CommandRun.binary.path)' status --watch")
        return try terminal.wait("the view") {
            $0.first?.hasPrefix("run 1 tiny: running") == true
                && $0.contains { $0.hasPrefix("q leaves") }
        }
    }

    @Test(
        "the view fills the terminal, and after q the former screen is back with the last state",
        arguments: [[80, 24], [200, 60]])
    func leaves(size: [Int]) throws {
        let place = try place()
        let terminal = try terminal(place, columns: size[0], rows: size[1])
        let shown = try watch(terminal)
        #expect(try terminal.property("alternate_on") == "1")
        #expect(try terminal.property("cursor_flag") == "0")
        #expect(shown[1].hasPrefix("0 of 9 stages done"))
        for name in ["data", "full", "accuracy", "predictor", "search", "network", "smallest"] {
            #expect(shown.contains { $0.hasPrefix(name + " ") }, "\(name)")
        }
        #expect(shown.contains { $0.hasPrefix("no worker is alive") })
        #expect(shown.allSatisfy { Shown.cells($0) <= size[0] })
        // The last row of the window.
        #expect(shown[size[1] - 1].hasPrefix("q leaves"))
        try terminal.key("q")
        let after = try terminal.wait("the prompt", history: true) {
            $0.last { !$0.isEmpty } == "ready>"
                && $0.contains { $0.hasPrefix("run 1 tiny: running") }
        }
        #expect(try terminal.property("alternate_on") == "0")
        #expect(try terminal.property("cursor_flag") == "1")
        #expect(after.contains("before"))
        // One status in plain lines, and nothing of the frames.
        #expect(after.count { $0.hasPrefix("run 1 tiny: running") } == 1)
        #expect(after.count { $0.hasPrefix("STAGE ") } == 1)
        #expect(!after.contains { $0.hasPrefix("q leaves") })
        // The shell echoes what is typed again.
        try terminal.type("echo a''fter $?")
        try terminal.wait("the echo") { $0.contains("after 0") }
        #expect(try terminal.screen().contains { $0.contains("echo a''fter") })
    }

    @Test("the view follows the size of the window, down to one row")
    func resizes() throws {
        let terminal = try terminal(try place(), columns: 80, rows: 24)
        try watch(terminal)
        for size in [[200, 60], [60, 10], [100, 30], [20, 3]] {
            try terminal.resize(columns: size[0], rows: size[1])
            // tmux moves the former rows until the view is drawn in the new size.
            try terminal.wait("the view in \(size[1]) rows") { shown in
                shown.count >= size[1] && shown[size[1] - 1].hasPrefix("q leaves")
                    && shown.prefix(size[1] - 1).allSatisfy { !$0.hasPrefix("q leaves") }
                    && shown[0].hasPrefix("run 1 tiny: run")
                    && (size != [60, 10] || shown.contains { $0.contains(" more stages: ") })
            }
        }
        try terminal.key("q")
        try terminal.wait("the prompt") { $0.last { !$0.isEmpty } == "ready>" }
    }

    @Test("Ctrl-C, SIGTERM and Ctrl-Z give the terminal back; after fg the view is there again")
    func signals() throws {
        let place = try place()
        let terminal = try terminal(place, columns: 80, rows: 24)
        func isBack(code: Int) throws {
            try terminal.wait("the prompt") { $0.last { !$0.isEmpty } == "ready>" }
            #expect(try terminal.property("cursor_flag") == "1")
            #expect(try terminal.property("alternate_on") == "0")
            try terminal.type("echo co''de $?")
            try terminal.wait("code \(code)") { $0.contains("code \(code)") }
            try terminal.type("clear")
            try terminal.wait("a cleared screen") { $0.first == "ready>" }
        }
        try watch(terminal)
        try terminal.key("C-c")
        try isBack(code: 128 + Int(SIGINT))
        let file = place.folder.appending(path: "pid").path
        try terminal.type("cd '\(place.folder.path)'; clear")
        try watch(terminal, before: "sh -c 'echo $$ > pid; exec \"$@\"' - ")
        let pid = try #require(
            Int32(
                String(contentsOfFile: file, encoding: .utf8)
                    .trimmingCharacters(in: .whitespacesAndNewlines)))
        try terminal.key("C-z")
        try terminal.wait("the prompt") { $0.last { !$0.isEmpty } == "ready>" }
        #expect(try terminal.property("cursor_flag") == "1")
        try terminal.type("fg")
        try terminal.wait("the view") { $0.contains { $0.hasPrefix("q leaves") } }
        #expect(try terminal.property("alternate_on") == "1")
        kill(pid, SIGTERM)
        try isBack(code: 128 + Int(SIGTERM))
    }

    @Test("new states are shown as they come, and the view ends with its run")
    func follows() throws {
        let place = try place()
        let terminal = try terminal(place, columns: 80, rows: 24)
        try watch(terminal)
        #expect(try place.ofa("cancel", "1").status == 0)
        let after = try terminal.wait("the end") { lines in
            lines.last { !$0.isEmpty } == "ready>"
                && lines.contains { $0.hasPrefix("run 1 tiny: cancelled") }
        }
        #expect(after.contains("before"))
    }

    @Test("an error gives the terminal back, and is printed after the last state")
    func errors() throws {
        let place = try place()
        let terminal = try terminal(place, columns: 80, rows: 24)
        try watch(terminal)
        let connection = try place.database.connect()
        try connection.script("alter table ofa.live rename to hidden")
        let after = try terminal.wait("the error") { lines in
            lines.last { !$0.isEmpty } == "ready>" && lines.contains { $0.hasPrefix("Error: ") }
        }
        #expect(after.contains { $0.hasPrefix("run 1 tiny: running") })
        #expect(try terminal.property("cursor_flag") == "1")
        #expect(try terminal.property("alternate_on") == "0")
    }

    @Test("without colours nothing is bold; a dumb terminal and a pipe get plain lines")
    func plain() throws {
        let place = try place()
        let terminal = try terminal(place, columns: 80, rows: 24)
        try terminal.type("export NO_COLOR=1")
        try watch(terminal)
        #expect(try !terminal.styled().contains("\u{1B}["))
        try terminal.key("q")
        try terminal.wait("the prompt") { $0.last { !$0.isEmpty } == "ready>" }
        try terminal.type("clear; TERM=dumb '\(CommandRun.binary.path)' status --watch")
        try terminal.wait("plain lines") { $0.contains { $0.hasPrefix("STAGE ") } }
        #expect(try terminal.property("alternate_on") == "0")
        try terminal.key("C-c")
        #expect(try place.ofa("cancel", "1").status == 0)
        let piped = try place.ofa("status", "--watch")
        #expect(piped.status == 0 && !piped.output.contains("\u{1B}"))
        #expect(piped.output.hasPrefix("run 1 tiny: cancelled"))
    }
}
