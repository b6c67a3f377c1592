// Manual pages and completions, as ops/install.sh installs them.
import Foundation
import TestSupport
import Testing

@testable import ofa

@Suite(.serialized) struct ManualTests {
    private static let root: URL = {
        var folder = URL(filePath: #filePath)
        for _ in 0..<3 { folder.deleteLastPathComponent() }
        return folder
    }()

    /// Runs a program; its exit code and what it prints.
    private func run(
        _ arguments: [String], environment: [String: String] = [:]
    ) throws -> (status: Int32, text: String) {
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = pipe
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(
            decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }

    private func has(_ program: String) throws -> Bool {
        let found = try run(["sh", "-c", "command -v \(program)"]).status == 0
        if !found { print("skipped: there is no \(program)") }
        return found
    }

    private func files(_ folder: URL) -> [String] {
        let names = FileManager.default.enumerator(atPath: folder.path)?.compactMap {
            $0 as? String
        }
        return (names ?? []).sorted()
    }

    /// Calls `body` with a folder into which ofa was installed.
    private func installed(_ body: (URL, [String]) throws -> Void) throws {
        let prefix = FileManager.default.temporaryDirectory.appending(
            path: "ofa-prefix-\(UUID().uuidString)")
        let install = [
            "bash", Self.root.appending(path: "ops/install.sh").path, "--prefix", prefix.path,
        ]
        let done = try run(install + ["--program", CommandRun.binary.path])
        try #require(done.status == 0, "\(done.text)")
        try body(prefix, install)
        if FileManager.default.fileExists(atPath: prefix.path) {
            try FileManager.default.removeItem(at: prefix)
        }
    }

    @Test(
        "the script installs a program, a page for each command and completions, and removes them")
    func installs() throws {
        try installed { prefix, install in
            let found = files(prefix)
            let commands = try CommandTree.ofa().shown.map {
                "share/man/man1/ofa-\($0.commandName).1"
            }
            #expect(commands.count > 30)
            for file in [
                "bin/ofa", "share/man/man1/ofa.1", "share/bash-completion/completions/ofa",
                "share/zsh/site-functions/_ofa", "share/fish/vendor_completions.d/ofa.fish",
            ] + commands {
                #expect(found.contains(file), "\(file)")
            }
            #expect(!found.contains("share/man/man1/ofa-manual.1"))
            // What others have installed stays.
            let other = prefix.appending(path: "share/man/man1/ofaq.1")
            try "x".write(to: other, atomically: true, encoding: .utf8)
            #expect(try run(install + ["--uninstall"]).status == 0)
            #expect(
                files(prefix).filter { !$0.hasSuffix("ofaq.1") } == [
                    "share", "share/man", "share/man/man1",
                ])
        }
        #expect(
            try run(["bash", Self.root.appending(path: "ops/install.sh").path, "-x"]).status == 64)
    }

    @Test("manual pages have no errors and no lines that are too long")
    func pages() throws {
        try installed { prefix, _ in
            let folder = prefix.appending(path: "share/man/man1")
            let pages = files(folder).map { folder.appending(path: $0).path }
            for page in pages {
                let text = try String(contentsOfFile: page, encoding: .utf8)
                #expect(text.utf8.allSatisfy { $0 < 0x80 }, "\(page)")
            }
            if try has("mandoc") {
                let lint = try run(["mandoc", "-T", "lint", "-W", "style"] + pages)
                #expect(lint.text.isEmpty, "\(lint.text)")
            }
            if try has("man") {
                for page in pages {
                    let shown = try run(
                        ["man", "-l", "--warnings", page],
                        environment: [
                            "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": "",
                        ])
                    #expect(shown.status == 0 && !shown.text.contains("warning"), "\(shown.text)")
                    for line in shown.text.split(separator: "\n") {
                        #expect(line.count <= 80, "\(page): \(line)")
                    }
                }
            }
        }
    }

    @Test("a page says what help says")
    func content() throws {
        let pages = ManualPage.all(of: try CommandTree.ofa(), version: "ofa 1", day: "2026-12-01")
        let job = try #require(pages.first { $0.name == "ofa-job" }).text
        #expect(job.contains(#".TH "OFA\-JOB" 1 "2026-12-01" "ofa 1" "ofa""#))
        #expect(job.contains(".SS ofa job log"))
        #expect(job.contains("\\fB\\-n\\fR, \\fB\\-\\-lines\\fR \\fIlines\\fR"))
        #expect(job.contains("ofa job log 12 \\-f"))
        let run = try #require(pages.first { $0.name == "ofa-run" }).text
        #expect(run.contains(".SH EXAMPLES"))
        #expect(run.contains("\\fB\\-\\-workers\\fR \\fIworkers\\fR"))
    }

    @Test("completions are valid scripts of their shells", arguments: ["bash", "zsh", "fish"])
    func completions(shell: String) throws {
        guard try has(shell) else { return }
        let script = try CommandRun(["--generate-completion-script", shell])
        #expect(script.status == 0)
        let file = FileManager.default.temporaryDirectory.appending(
            path: "ofa-\(UUID().uuidString)")
        try script.output.write(to: file, atomically: true, encoding: .utf8)
        let checked = try run([shell, "-n", file.path])
        #expect(checked.status == 0, "\(checked.text)")
        try FileManager.default.removeItem(at: file)
    }
}
