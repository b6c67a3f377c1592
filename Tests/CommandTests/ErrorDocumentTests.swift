// Errors as scripts read them: a code, a message and a remedy, the last line of standard error.
import Foundation
import Postgres
import TestSupport
import Testing

@testable import ofa

@Suite struct ErrorDocumentTests {
    /// The error in the last line of standard error, which must be all that is there.
    private func error(_ run: CommandRun) throws -> [String: Any] {
        let last = try #require(run.errors.split(separator: "\n").last)
        let document = try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any]
        let error = try #require(document?["error"] as? [String: Any])
        #expect(Set(error.keys) == ["code", "message", "remedy"])
        #expect(run.output.isEmpty)
        return error
    }

    @Test(
        "an error under --json is a document on standard error, whatever kind it is",
        arguments: [
            (["jobs", "--limit", "0"], "usage", 64, "it must lie in 1...1000000"),
            (
                ["job", "show", "x"], "usage", 64,
                "write a whole number in decimal digits, such as 64"
            ),
            (["jobs", "--all", "--databas"], "usage", 64, "see ofa jobs --help"),
            (
                ["space", "show", "nowhere"], "not_found", 2,
                "known are ofa-mbv3-w1.0, ofa-mbv3-w1.2, compofa-mbv3-w1.0, compofa-mbv3-w1.2, ofa-proxyless-w1.3, ofa-resnet50, fashion-mbv3"
            ),
            (["enqueue", "/nowhere.yaml"], "unreadable", 1, "give the path of a pipeline file"),
            (
                ["status", "--database", "postgresql:///x?host=/nowhere"], "database_unreachable",
                1,
                "Is the server running and is the database URL right?"
            ),
            (["db", "restore", "/nowhere"], "not_found", 2, nil),
        ] as [([String], String, Int32, String?)])
    func document(arguments: [String], code: String, status: Int32, remedy: String?) throws {
        let run = try CommandRun(arguments + ["--json"])
        let found = try error(run)
        #expect(run.status == status)
        #expect(found["code"] as? String == code)
        #expect(found["remedy"] as? String == remedy)
        #expect((found["message"] as? String)?.isEmpty == false)
    }

    @Test("what follows -- is no option: the error is for people")
    func terminator() throws {
        let run = try CommandRun(["space", "show", "--", "--json"])
        #expect(run.status == 2 && run.errors.hasPrefix("Error: "))
    }

    @Test(
        "message and remedy are parted where the error parts them, whatever words they hold",
        arguments: [
            (
                "name: \"a\\uFFFE\"", [], "p.yaml:1: name holds the invisible character U+FFFE",
                "remove it"
            ),
            ("name: a", ["--set", "name=a: b"], "--set: name must be text, not a mapping", nil),
            (
                "name: did", ["--set", "sede=1"], "--set: sede is not a known key here",
                "did you mean 'seed'? known are deadline, deferrable, devices, duration, earliest, epoch_scale, name, seed, seeds, space, stages"
            ),
            (
                "name: \"use: give\\n\"", [], "p.yaml:1: name holds the control character U+000A",
                "remove it"
            ),
        ] as [(String, [String], String, String?)])
    func parted(line: String, more: [String], message: String, remedy: String?) throws {
        let place = try CommandPlace()
        let file = place.folder.appending(path: "p.yaml")
        try CommandPlace.tiny.replacing("name: tiny", with: line).write(
            to: file, atomically: true, encoding: .utf8)
        let run = try place.ofa(["enqueue", "p.yaml", "--json"] + more)
        let found = try error(run)
        #expect(run.status == 1)
        #expect(found["message"] as? String == message)
        #expect(found["remedy"] as? String == remedy)
    }

    @Test("a value of --set that is no YAML is one message")
    func parser() throws {
        let place = try CommandPlace()
        let found = try error(try place.ofa("enqueue", "tiny.yaml", "--set", "name=[a", "--json"))
        let message = try #require(found["message"] as? String)
        #expect(
            message.hasPrefix("--set name: the value is not YAML: ")
                && message.contains("did not find"))
        #expect(found["remedy"] is NSNull)
    }

    @Test(
        "no password is in an error, in either form",
        arguments: [
            ["jobs", "--databas", "postgresql://u:s3cret@127.0.0.1:1/x"],
            ["status", "x=postgresql://u:s3cret@127.0.0.1:1/x"],
            ["status", "--database=postgresql://u:s3cret\u{1}@127.0.0.1:1/x"],
            ["status", "--database", "postgresql://u:s3cret%23@127.0.0.1:1/x"],
            ["status", "--database", "host=127.0.0.1 port=1 user=u password='s3cret 1' dbname=x"],
            ["status", "host=h password=s3cret"], ["db", "status", "--database", "//u:s3cret@h/x"],
            ["enqueue", "x.yaml", "--set", "postgresql://u:s3cret@h/x"],
        ])
    func passwords(arguments: [String]) throws {
        for more in [[], ["--json"]] {
            let run = try CommandRun(arguments + more)
            #expect(run.status != 0)
            #expect(
                !run.errors.contains("s3cret") && !run.output.contains("s3cret"), "\(run.errors)")
        }
    }

    @Test("a disk that is full is told in the system's words, on standard output too")
    func full() throws {
        let place = try CommandPlace()
        let text = "cannot write standard output: No space left on device"
        let list = try CommandRun(["space", "list"], outputTo: "/dev/full")
        #expect(list.status == 1 && list.errors == "Error: \(text)\n")
        let json = try error(try CommandRun(["space", "list", "--json"], outputTo: "/dev/full"))
        #expect(json["code"] as? String == "file" && json["message"] as? String == text)
        let cost = [
            "arch", "cost", "--space", "fashion-mbv3", "--arch",
            #"{"ks":[3,3,3,3,3,3,3,3,3],"e":[3,3,3,3,3,3,3,3,3],"d":[2,2,2],"r":28}"#,
            "--predictor",
        ]
        for (file, why) in [
            (place.folder.path, "is a folder: name a file"),
            ("/dev/zero", "is no regular file: name a file: pipes and devices are not read"),
        ] {
            let run = try CommandRun(cost + [file])
            #expect(run.status == 1 && run.errors == "Error: \(file) \(why)\n", "\(run.errors)")
        }
    }

    @Test(
        "a setting that cannot be is a bad setting, whichever it is",
        arguments: [("OFA_HOME", "a\nb"), ("OFA_DATABASE_URL", "a\u{1}"), ("OFA_TDP_WATTS", "x")])
    func settings(name: String, value: String) throws {
        let run = try CommandRun(["jobs", "--json"], environment: [name: value])
        #expect(run.status == 1)
        let found = try error(run)
        #expect(found["code"] as? String == "bad_setting")
        #expect((found["remedy"] as? String)?.hasSuffix("unset it") == true)
    }

    @Test("a queue without a name is a usage error, wherever it is named")
    func queues() throws {
        for arguments in [["pause", ""], ["resume", " "], ["limit", "", "1"]] {
            #expect(try CommandRun(["queue"] + arguments).status == 64)
        }
    }

    @Test(
        "a database or a user that is missing comes with what makes one, a foreign schema with a way out"
    )
    func database() throws {
        let place = try CommandPlace()
        let target = URL(string: place.database.url)
        let missing = place.database.url.replacing(
            try #require(target?.path.dropFirst().description), with: "nowhere_at_all")
        let none = try error(try CommandRun(["jobs", "--json", "--database", missing]))
        #expect(none["code"] as? String == "database_unreachable")
        #expect((none["remedy"] as? String)?.contains("createdb") == true, "\(none)")
        let mark = place.database.url.contains("?") ? "&" : "?"
        let stranger = try error(
            try CommandRun([
                "jobs", "--json", "--database", place.database.url + mark + "user=nobody_here",
            ]))
        #expect((stranger["remedy"] as? String)?.contains("createuser") == true, "\(stranger)")

        let foreign = try TemporaryDatabase(migrated: false)
        try foreign.connect().script("create schema ofa; create table ofa.run (id int);")
        for arguments in [["jobs"], ["db", "migrate"], ["enqueue", place.pipeline]] {
            let run = try CommandRun(arguments + ["--json", "--database", foreign.url])
            let found = try error(run)
            #expect(run.status == 1 && found["code"] as? String == "foreign_schema")
            #expect((found["message"] as? String)?.contains("it holds run") == true, "\(found)")
            #expect((found["remedy"] as? String)?.contains("rename that schema") == true)
        }
        let tables = try foreign.connect().queryOne(
            Statement(
                name: "Tables",
                sql: "select count(*) from pg_class where relnamespace = 'ofa'::regnamespace"))
        #expect(try tables.int("count") == 1)
    }

    @Test("a database that does not run is an error of one line behind the answer")
    func status() throws {
        let run = try CommandRun([
            "db", "status", "--json", "--database", "postgresql:///x?host=/nowhere",
        ])
        #expect(run.status == 2 && run.output.contains("\"unreachable\""))
        let last = try #require(run.errors.split(separator: "\n").last)
        #expect(last.contains("\"not_true\"") && last.contains("the database is unreachable"))
    }

    @Test("the error type of every room has a word, and a field for the remedy")
    func everyRoom() throws {
        var folder = URL(filePath: #filePath)
        for _ in 0..<3 { folder.deleteLastPathComponent() }
        let own = try String(
            contentsOf: folder.appending(path: "Sources/ofa/CommandFailure.swift"), encoding: .utf8)
        let sources = folder.appending(path: "Sources")
        var count = 0
        for name in FileManager.default.enumerator(atPath: sources.path) ?? NSEnumerator() {
            guard let name = name as? String, name.hasSuffix("Error.swift"), !name.hasPrefix("ofa-")
            else { continue }
            let type = URL(filePath: name).deletingPathExtension().lastPathComponent
            let text = try String(contentsOf: sources.appending(path: name), encoding: .utf8)
            #expect(
                text.contains("struct \(type): Remedied"),
                "Sources/\(name) has no field for a remedy")
            #expect(own.contains("as \(type):"), "Sources/\(name) has no word in ErrorDocument")
            count += 1
        }
        #expect(count > 10)
    }
}
