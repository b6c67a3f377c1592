// Appending events to a file: whole lines only.
import Foundation
import Testing

@testable import Pipelines

@Suite struct EventFileTests {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "ofa-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    @Test("events are lines; after half a line, which a crash left, a new line begins")
    func lines() throws {
        defer { removeFolder() }
        let file = folder.appending(path: "events.jsonl")
        try EventFile(file.path).append(["{1}", "{2}"])
        try EventFile(file.path).append(["{3}"])
        #expect(try String(contentsOf: file, encoding: .utf8) == "{1}\n{2}\n{3}\n")
        try Data("{1}\n{\"eventT".utf8).write(to: file)
        try EventFile(file.path).append(["{2}"])
        #expect(try String(contentsOf: file, encoding: .utf8) == "{1}\n{\"eventT\n{2}\n")
    }

    @Test("a pipe and a folder are refused, not waited for; a full device is an error")
    func refused() throws {
        defer { removeFolder() }
        let pipe = folder.appending(path: "pipe").path
        try #require(mkfifo(pipe, 0o600) == 0)
        for (path, problem) in [
            (pipe, "no regular file"), (folder.path, "Is a directory"),
            ("/dev/full", "No space left"),
        ] {
            let error = #expect(throws: PipelineError.self) { try EventFile(path).append(["{}"]) }
            #expect(
                error?.code == .unreachable && error?.message.contains(problem) == true,
                "\(path): \(error?.message ?? "")")
        }
        try EventFile("/dev/null").append(["{}"])
    }

    private func removeFolder() {
        do { try FileManager.default.removeItem(at: folder) } catch { print("stays: \(error)") }
    }
}
