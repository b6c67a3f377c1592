// A finished run as every command prints it: stored names cannot deceive, absent values are null, files and
// completions.
import Foundation
import Intake
import Postgres
import TestSupport
import Testing

@testable import ofa

/// A place where the tiny pipeline has run, its names then made hostile as an older version might have stored them.
final class HostilePlace: @unchecked Sendable {
    // Safe because it is not changed after it was made.
    let place: CommandPlace
    static let name = "na\u{1B}[2Jme\u{9B}31m\u{202E}\u{7}\r\n<script>\"'"

    init() throws {
        place = try CommandPlace(images: true)
        let run = try place.ofa("run", "tiny.yaml")
        try #require(run.status == 0, "\(run.errors)")
        let connection = try place.database.connect()
        let quoted = "'" + Self.name.replacing("'", with: "''") + "'"
        try connection.script(
            """
            set session_replication_role = replica;
            update ofa.run set name = \(quoted);
            update ofa.artifact set name = \(quoted) || id, stage = \(quoted);
            update ofa.artifact_input set role = \(quoted);
            update ofa.device set name = \(quoted) || name;
            update ofa.attempt set error = \(quoted) where outcome <> 'failed';
            update ofa.progress set message = \(quoted);
            insert into ofa.job_log (job_id, token, logged_at, line)
              select 1, 1, now(), \(quoted) || i from generate_series(1, 1050) as i;
            """)
    }
}

@Suite(.serialized) struct StoredTextTests {
    static let hostile = Result { try HostilePlace() }

    static let commands: [[String]] = [
        ["status"], ["status", "--all"], ["jobs"], ["job", "show", "1"], ["job", "log", "1"],
        ["report"], ["cost"], ["cost", "--by", "device"], ["cost", "explain"],
        ["cost", "amortise"], ["cost", "compare"], ["cost", "forecast"],
        ["artifacts", "list"], ["artifacts", "show", "11"], ["artifacts", "verify"],
        ["lineage", "up", "11"], ["lineage", "up", "11", "--format", "dot"],
        ["lineage", "up", "11", "--format", "mermaid"], ["lineage", "down", "1"],
        ["lineage", "graph", "11", "--format", "svg"], ["lineage", "why", "1", "11"],
        ["lineage", "graph", "11", "--format", "openlineage"],
        ["device", "list"], ["queue"], ["queue", "history"], ["queue", "permits"],
        ["queue", "recurring"], ["queue", "audit"], ["space", "list"], ["db", "status"],
    ]

    private static func hasForm(_ command: [String]) -> Bool { command.contains("--format") }

    @Test("no stored name reaches the terminal as a control character", arguments: commands)
    func escaped(command: [String]) throws {
        let place = try Self.hostile.get().place
        // A command with --format refuses another form.
        for arguments in [command] + (Self.hasForm(command) ? [] : [command + ["--json"]]) {
            let run = try place.ofa(arguments)
            #expect(run.status == 0, "\(arguments): \(run.errors)")
            for text in [run.output, run.errors] {
                let found = text.unicodeScalars.filter { $0 != "\n" && Shown.isUnprintable($0) }
                #expect(found.isEmpty, "\(arguments) prints \(found.map(Shown.codePoint))")
            }
        }
    }

    /// Commands whose answers hold paths, lists and JSON, beside those of which stored names are part; PREDICTOR stands for
    /// the number of the run's.
    static let wide: [[String]] = [
        ["device", "show", "watch"], ["predictor", "show", "PREDICTOR"], ["doctor"],
        ["space", "show", "ofa-mbv3-w1.0"], ["space", "count", "fashion-mbv3"], ["db", "migrate"],
        ["search", "--space", "fashion-mbv3", "--predictor", "PREDICTOR", "--max-macs", "3000000"],
        [
            "search", "--space", "fashion-mbv3", "--predictor", "PREDICTOR", "--front",
            "--front-evaluations", "2000",
        ],
        ["job", "show", "10"], ["status", "1"], ["artifacts", "show", "1"],
        ["queue", "limit", String(repeating: "装", count: 200), "1"],
    ]

    @Test("with COLUMNS=80 nothing that people read is wider", arguments: [80, 60])
    func narrow(width: Int) throws {
        let place = try Self.hostile.get().place
        _ = try place.document(
            "device", "add", "watch", "--kind", "phone", "--max-macs", "3e6", "--max-flash-kb",
            "900.125", "--max-peak-memory-kb", "400.25", "--max-params", "900000")
        let predictor = try place.list("artifacts", "list").first {
            $0["kind"] as? String == "predictor"
        }
        let number = "\(try #require(predictor?["id"] as? Int))"
        for command in Self.commands + Self.wide {
            // What other programs read and the lines of a log stay whole.
            if command.contains("--format") || command.contains("log") { continue }
            let run = try place.ofa(
                command.map { $0 == "PREDICTOR" ? number : $0 },
                environment: ["COLUMNS": "\(width)"])
            #expect(run.output.contains("\n"), "\(command): \(run.errors)")
            for line in run.lines { #expect(Shown.cells(line) <= width, "\(command): \(line)") }
        }
    }

    @Test("progress of a search is a line now and then where it is no terminal")
    func progress() throws {
        let place = try Self.hostile.get().place
        let predictor = try place.list("artifacts", "list").first {
            $0["kind"] as? String == "predictor"
        }
        let run = try place.ofa(
            "search", "--space", "fashion-mbv3", "--predictor",
            "\(try #require(predictor?["id"] as? Int))", "--front", "--front-evaluations", "5000",
            "--json")
        let document = try #require(
            JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        let seconds = try #require(document["seconds"] as? Double)
        let told = run.errors.split(separator: "\n").count
        #expect(Double(told) <= 1 + seconds / 10, "\(told) lines in \(seconds) s")
    }

    @Test(
        "an absent value is null: the objects of a list have the same fields",
        arguments: commands.filter { !hasForm($0) })
    func nulls(command: [String]) throws {
        let place = try Self.hostile.get().place
        let run = try place.ofa(command + ["--json"])
        func check(_ value: Any, _ path: String) {
            if let list = value as? [Any] {
                let objects = list.compactMap { $0 as? [String: Any] }
                for object in objects {
                    #expect(
                        Set(object.keys) == Set(objects[0].keys), "\(command): \(path) differs")
                }
                for item in list { check(item, path + "[]") }
            }
            // What stages and makers say is theirs.
            for (key, item) in value as? [String: Any] ?? [:]
            where !["args", "metadata", "result", "counts"].contains(key) {
                check(item, "\(path).\(key)")
            }
        }
        check(try JSONSerialization.jsonObject(with: Data(run.output.utf8)), "")
    }

    @Test("optional fields of every answer are there though they hold nothing")
    func absent() throws {
        let place = try Self.hostile.get().place
        let job = try place.document("job", "show", "1")
        for field in ["key", "timeout_seconds", "reason", "due_at"] {
            #expect(job[field] is NSNull, "\(field) is \(job[field] ?? "absent")")
        }
        let status = try place.document("status")
        let stage = try #require((status["stages"] as? [[String: Any]])?.first)
        #expect(stage["seconds_left"] is NSNull && stage["problem"] is NSNull)
    }

    @Test(
        "a page of hostile names holds no markup of theirs; it and an artifact go to standard output"
    )
    func standardOutput() throws {
        let place = try Self.hostile.get().place
        let page = try place.ofa("report", "--html", "-")
        #expect(page.output.hasPrefix("<!doctype html>") && !page.output.contains("<script"))
        #expect(page.output.hasSuffix("</html>\n"))
        let bytes = try place.ofa("artifacts", "get", "14", "-o", "-")
        let listed = try place.list("artifacts", "list").first { $0["id"] as? Int == 14 }
        #expect(bytes.status == (listed == nil ? 2 : 0))
        #expect(try place.ofa("artifacts", "get", "11", "-o", "-", "--json").status == 64)
        #expect(try place.ofa("artifacts", "get", "11", "-o", "net").status == 0)
        let again = try place.ofa("artifacts", "get", "11", "-o", "net")
        #expect(again.status == 1 && again.errors.contains("give --force"))
        #expect(try place.ofa("artifacts", "get", "11", "-o", "net", "--force").status == 0)
        #expect(try place.ofa("report", "--html", "net").status == 1)
    }

    @Test(
        "a log shows its newest lines and counts the rest; --all leaves none out; -f ends with the job"
    )
    func log() throws {
        let place = try Self.hostile.get().place
        let newest = try place.ofa("job", "log", "1")
        #expect(newest.lines.count == 1000 && newest.lines.last?.hasSuffix("1050") == true)
        #expect(newest.errors == "50 earlier lines are omitted: --all prints them\n")
        #expect(try place.ofa("job", "log", "1", "-n", "3").lines.count == 3)
        let all = try place.ofa("job", "log", "1", "--all")
        #expect(all.lines.count == 1050 && all.errors.isEmpty)
        let followed = try place.ofa("job", "log", "1", "-n", "2", "-f", "--json")
        #expect(followed.lines.count == 2 && followed.lines.allSatisfy { $0.hasPrefix("{") })
        #expect(try place.ofa("job", "log", "1", "-n", "0").status == 64)
    }

    @Test("the shell is offered runs, jobs, devices, artifacts, queues, spaces and kinds")
    func completions() throws {
        let place = try Self.hostile.get().place
        _ = try place.ofa("device", "add", "watch", "--kind", "phone")
        func offered(_ words: String..., argument: String, prefix: String = "") throws -> [String] {
            try place.ofa(
                ["---completion"] + words + ["--", argument, "0", "\(prefix.count)", prefix]
            ).lines
        }
        #expect(try offered("status", argument: "positional@0") == ["1"])
        #expect(try offered("job", "show", argument: "positional@0").count >= 9)
        #expect(
            try offered("device", "show", argument: "positional@0") == ["this-machine", "watch"])
        #expect(try offered("device", "show", argument: "positional@0", prefix: "w") == ["watch"])
        #expect(try offered("specialize", argument: "--device").contains("watch"))
        #expect(try offered("queue", "pause", argument: "positional@0").contains("default"))
        #expect(try offered("artifacts", "show", argument: "positional@0").contains("11"))
        let script = try CommandRun(["--generate-completion-script", "bash"])
        #expect(script.output.contains("ofa-mbv3-w1.2") && script.output.contains("fit-predictor"))
    }

    @Test("bash completes commands, options, devices, spaces and numbers with the script")
    func bash() throws {
        let place = try Self.hostile.get().place
        _ = try place.ofa("device", "add", "watch", "--kind", "phone")
        let script = place.folder.appending(path: "ofa.bash")
        try CommandRun(["--generate-completion-script", "bash"]).output.write(
            to: script, atomically: true, encoding: .utf8)
        for (words, expected) in [
            (["sta"], "status"), (["jobs", "--kind", "t"], "train"),
            (["specialize", "--device", "w"], "watch"), (["device", "show", "w"], "watch"),
            (["arch", "cost", "--device", "w"], "watch"), (["status", ""], "1"),
            (["search", "--space", "f"], "fashion-mbv3"), (["run", "tiny.y"], "tiny.yaml"),
            (["lineage", "up", "--format", "m"], "mermaid"),
        ] {
            let process = Process(), pipe = Pipe()
            process.executableURL = URL(filePath: "/bin/bash")
            process.arguments =
                [
                    "-c",
                    """
                    source "$1"; shift
                    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
                    _ofa "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
                    echo "${COMPREPLY[*]}"
                    """, "bash", script.path, CommandRun.binary.path,
                ] + words
            process.currentDirectoryURL = place.folder
            process.environment = ProcessInfo.processInfo.environment.merging(place.environment) {
                $1
            }
            process.standardOutput = pipe
            try process.run()
            let answer = String(
                decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(answer == expected + "\n", "\(words)")
        }
    }

    @Test("without a database the shell is offered nothing, says nothing, and nothing is started")
    func noDatabase() throws {
        let home = FileManager.default.temporaryDirectory.appending(
            path: "ofa-\(UUID().uuidString)")
        for environment in [
            ["OFA_HOME": home.path, "OFA_DATABASE_URL": ""],
            ["OFA_DATABASE_URL": "postgresql:///x?host=/nowhere"],
        ] {
            let run = try CommandRun(
                ["---completion", "status", "--", "positional@0", "0", "0", ""],
                environment: environment)
            #expect(run.output.allSatisfy(\.isWhitespace) && run.errors.isEmpty && run.status == 0)
        }
        #expect(!FileManager.default.fileExists(atPath: home.path))
    }
}
