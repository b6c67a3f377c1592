// Errors as scripts read them: a code, a message and a remedy, the last line of standard error.
import Foundation
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
            (["jobs", "--limit", "0"], "usage", 64, "see ofa jobs --help"),
            (
                ["job", "show", "x"], "usage", 64,
                "write a whole number in decimal digits, such as 64"
            ),
            (["space", "show", "nowhere"], "not_found", 2, nil),
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
        "a message is parted from its remedy where a verb or a command follows, and nowhere else",
        arguments: [
            ("there is no run yet: start one with ofa run a.yaml", "start one with ofa run a.yaml"),
            ("there is no job 99: `ofa jobs` lists the jobs", "`ofa jobs` lists the jobs"),
            ("a.yaml:7: stages.x is 'y'; did you mean 'z'?", "did you mean 'z'?"),
            ("there is no artifact 'x'. Give its number.", "Give its number."),
            ("the disk is full\nFree some space.", "Free some space."),
            ("a.csv, line 3: 12:30 is no number", nil), ("", nil), (": ", nil), ("a.use", nil),
        ] as [(String, String?)])
    func split(text: String, remedy: String?) {
        let (message, found) = ErrorDocument.split(text)
        #expect(found == remedy)
        #expect(remedy == nil ? message == text : text.hasPrefix(message))
    }

    @Test("the error type of every room has a word")
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
            #expect(own.contains("as \(type):"), "Sources/\(name) has no word in ErrorDocument")
            count += 1
        }
        #expect(count > 10)
    }
}
