// Every command that lists or shows something, in a terminal of 80 columns: no line is wider, and columns that have no room
// are named.
import Foundation
import Intake
import TestSupport
import Testing

@testable import ofa

/// A place where the tiny pipeline has run, with long names of wide and combining characters everywhere.
final class WidePlace: @unchecked Sendable {
    // Safe because it is not changed after it was made.
    let place: CommandPlace
    /// Fifty-seven terminal cells: wide characters, combining marks, and an emoji of several code points.
    static let name = "装置の訓練-e\u{301}te\u{301}-👩‍🔬-" + String(repeating: "長い名前", count: 4)

    init() throws {
        place = try CommandPlace(images: true)
        let run = try place.ofa("run", "tiny.yaml")
        try #require(run.status == 0, "\(run.errors)")
        for arguments in [
            ["enqueue", "tiny.yaml", "--name", Self.name],
            ["enqueue", "tiny.yaml", "--every", "1d", "--name", Self.name],
            ["queue", "limit", "gpu", "3"], ["queue", "pause"],
            ["budget", "set", "2", "--max-kwh", "0.5"],
            ["budget", "set", Self.name, "--max-kwh", "12.5", "--max-gco2e", "12000", "--soft"],
            [
                "device", "add", "a-device-with-a-long-name", "--kind", "phone", "--max-macs",
                "4000000",
            ],
        ] {
            let done = try place.ofa(arguments)
            try #require(done.status == 0, "\(arguments): \(done.errors)")
        }
        let connection = try place.database.connect()
        try connection.script(
            """
            set session_replication_role = replica;
            update ofa.run set name = '\(Self.name)';
            update ofa.artifact set name = '\(Self.name)' || id where kind <> 'predictor';
            update ofa.device set name = '\(Self.name)' || name;
            update ofa.progress set message = '\(Self.name) \(Self.name)';
            insert into ofa.job_log (job_id, token, logged_at, line)
              select 1, 1, now(), '\(Self.name) \(Self.name)' from generate_series(1, 3);
            """)
    }
}

@Suite(.serialized) struct EightyColumnsTests {
    static let wide = Result { try WidePlace() }

    /// The commands that read. `ofa job log`, `ofa db url`, and other languages such as DOT are for programs, and are
    /// not wrapped.
    static let commands: [[String]] =
        [
            ["status"], ["status", "1"], ["status", "--all"], ["jobs"], ["jobs", "--run", "1"],
            ["job", "show", "1"], ["report", "1"], ["actions"], ["doctor"],
            ["queue", "list"], ["queue", "permits"], ["queue", "recurring", "list"],
            ["queue", "history"], ["queue", "retention"], ["queue", "audit"], ["budget", "list"],
            ["device", "list"], ["device", "show", WidePlace.name + "this-machine"],
            ["host", "list"],
            ["host", "show"], ["predictor", "show", "predictor"], ["space", "list"],
            ["space", "show", "fashion-mbv3"], ["space", "count", "fashion-mbv3"],
            ["artifacts", "list"], ["artifacts", "show", "11"], ["artifacts", "verify"],
            ["dataset", "show", "1"], ["gc", "--dry-run"], ["gc", "--run", "1", "--dry-run"],
            ["factors", "list"], ["factors", "show"], ["factors", "forecasts"],
            ["lineage", "up", "11"], ["lineage", "down", "1"], ["lineage", "why", "1", "11"],
            ["lineage", "diff", "10", "11"], ["cost", "explain", "1"], ["cost", "amortise"],
            ["cost", "compare"], ["cost", "forecast", "1"],
            ["cost", "breakeven", "--fixed", "1240", "--alone", "150,180"],
            ["cost", "when", "2"], ["db", "status"], ["db", "store", "show"],
            ["run", "tiny.yaml", "--dry-run"],
            ["plot", "training", "1", "-o", "curves.svg", "--force"],
        ]
        + ["stage", "device", "attempt", "host", "kind", "day", "zone", "pipeline", "run"].map {
            ["cost", "show", "1", "--by", $0]
        }

    @Test("no line is wider than 80 cells, and columns without room are named", arguments: commands)
    func fits(command: [String]) throws {
        let place = try Self.wide.get().place
        let narrow = try place.ofa(command, environment: ["COLUMNS": "80"])
        #expect([0, 2].contains(narrow.status), "\(command): \(narrow.errors)")
        for line in narrow.output.split(separator: "\n") {
            #expect(Shown.cells(String(line)) <= 80, "\(line)")
        }
        let full = try place.ofa(command, environment: ["COLUMNS": "2000"])
        for title in Self.titles(full.output) {
            #expect(narrow.output.contains(title), "\(title) is neither shown nor named")
        }
    }

    /// The titles of the tables of an answer: lines of words in capitals, with two blanks between them.
    private static func titles(_ output: String) -> [String] {
        output.split(separator: "\n").flatMap { line -> [String] in
            let titles = line.split(separator: #/  +/#).map(String.init)
            let isHead =
                titles.count > 1
                && titles.allSatisfy { title in
                    title.contains(where: \.isUppercase)
                        && title.split(separator: " ").allSatisfy { word in
                            word.allSatisfy { $0.isUppercase || "0123456789/%₂().-".contains($0) }
                                || ["gCO2e", "kWh", "ms", "mJ", "kgCO2e"].contains(word)
                        }
                }
            return isHead ? titles : []
        }
    }

    @Test("every command named list or show is among them")
    func complete() throws {
        func leaves(_ command: CommandTree) -> [[String]] {
            command.shown.isEmpty
                ? [Array(command.words.dropFirst())] : command.shown.flatMap(leaves)
        }
        let tested = Self.commands.map { $0.joined(separator: " ") }
        for words in leaves(try CommandTree.ofa()) where ["list", "show"].contains(words.last) {
            let name = words.joined(separator: " ")
            #expect(tested.contains { $0 == name || $0.hasPrefix(name + " ") }, "\(name)")
        }
    }
}
