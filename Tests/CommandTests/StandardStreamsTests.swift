// A command whose standard streams are closed, as a daemon or cron starts it: nothing that it prints may go into what was
// opened in their place.
import Foundation
import TestSupport
import Testing

@Suite struct StandardStreamsTests {
    /// Runs `ofa` in a shell that closes some of its streams; the exit code and what was printed on the others.
    private func run(_ arguments: String, _ place: CommandPlace) throws -> (
        status: Int32, text: String
    ) {
        let shell = Process(), pipe = Pipe()
        shell.executableURL = URL(filePath: "/bin/sh")
        shell.arguments = ["-c", "exec '\(CommandRun.binary.path)' \(arguments)"]
        shell.environment = ProcessInfo.processInfo.environment.merging(place.environment) { $1 }
        shell.currentDirectoryURL = place.folder
        shell.standardOutput = pipe
        shell.standardError = pipe
        try shell.run()
        let text = String(
            decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        shell.waitUntilExit()
        return (shell.terminationStatus, text)
    }

    @Test("without standard output an answer is an error, and nothing of it reaches the database")
    func output() throws {
        let place = try CommandPlace()
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        for arguments in ["status", "status --json", "jobs --json", "artifacts list --json"] {
            let (status, text) = try run("\(arguments) >&-", place)
            #expect(status == 1, "\(arguments): \(text)")
            #expect(text.contains("cannot write standard output: Bad file descriptor"), "\(text)")
        }
    }

    @Test("without standard error a command does its work, without its words")
    func errors() throws {
        let place = try CommandPlace()
        let (status, text) = try run("enqueue tiny.yaml 2>&-", place)
        #expect(status == 0 && text == "1\n", "\(text)")
        #expect(try run("enqueue nothing.yaml 2>&- <&-", place).status == 1)
        #expect(try run("cancel 1 >&- 2>&- <&-", place).status == 1)
        #expect(try place.document("status", "1")["state"] as? String == "cancelled")
    }

    @Test("help and the version on a full disk are errors")
    func full() throws {
        let place = try CommandPlace()
        for arguments in ["--version", "--help", "status --help", "--version --json"] {
            #expect(try run("\(arguments) >/dev/full", place).status == 1, "\(arguments)")
        }
    }
}
