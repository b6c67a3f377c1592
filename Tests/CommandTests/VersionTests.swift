// `ofa --version`.
import Foundation
import TestSupport
import Testing

@Suite struct VersionTests {
    @Test("the version names a commit or that it is unknown, and the kernels in use")
    func version() throws {
        let run = try CommandRun(["--version"], environment: ["OFA_ISA": "scalar"])
        #expect(run.status == 0 && run.errors.isEmpty)
        let form =
            /ofa [0-9]+\.[0-9]+\.[0-9]+, commit (unknown|[0-9a-f]{12}( \(with changes\))?), scalar\n/
        #expect(run.output.wholeMatch(of: form) != nil, "\(run.output)")
        for arguments in [["--version", "--json"], ["--json", "--version"]] {
            let answer = try CommandRun(arguments, environment: ["OFA_ISA": "scalar"])
            let document = try #require(
                JSONSerialization.jsonObject(with: Data(answer.output.utf8)) as? [String: Any])
            #expect(Set(document.keys) == ["version", "commit", "dirty", "instruction_set"])
            #expect(document["instruction_set"] as? String == "scalar")
        }
    }

    @Test(
        "help for scripts is one document",
        arguments: [
            ["--json"], ["help", "jobs", "--json"], ["lineage", "--json"],
            ["jobs", "--help", "--json"],
            ["help", "--json", "device", "add"],
        ])
    func help(arguments: [String]) throws {
        let run = try CommandRun(arguments)
        #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
        let document = try #require(
            JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        #expect(Array(document.keys) == ["help"])
        #expect((document["help"] as? String)?.contains("USAGE: ofa") == true)
    }

    @Test("where the sources lie in git, the commit is the one that git names")
    func commit() throws {
        var folder = URL(filePath: #filePath)
        for _ in 0..<3 { folder.deleteLastPathComponent() }
        let header = folder.appending(path: "Sources/CBuild/commit.h")
        guard FileManager.default.fileExists(atPath: header.path) else {
            print("skipped: the sources are elsewhere than when they were built")
            return
        }
        let text = try String(contentsOf: header, encoding: .utf8)
        let commit = try #require(text.split(separator: "\"").dropFirst().first)
        let output = try CommandRun(["--version"]).output
        #expect(output.contains("commit \(commit.replacing("-dirty", with: " (with changes)"))"))
    }
}
