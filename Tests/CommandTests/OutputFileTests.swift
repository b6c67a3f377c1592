// Files that commands write.
import ArgumentParser
import Foundation
import TestSupport
import Testing

@testable import ofa

@Suite final class OutputFileTests {
    private let folder = FileManager.default.temporaryDirectory.appending(
        path: "ofa-output-\(UUID().uuidString)")
    private var path: String { folder.appending(path: "file").path }

    init() throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit {
        do { try FileManager.default.removeItem(at: folder) } catch { print("\(error)") }
    }

    private func file(force: Bool = false) throws -> OutputFile {
        try OutputFile(
            path, try FileOptions.parse(force ? ["--force"] : []), try OutputOptions.parse([]))
    }

    private var entries: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: folder.path) }
    }

    @Test("a file is written whole; one that exists stays, unless it may be replaced")
    func overwrite() throws {
        try file().write("one")
        #expect(throws: CommandFailure.self) { try file() }
        try file(force: true).write("two")
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "two")
        #expect(try entries == ["file"])
    }

    @Test("a file that appears meanwhile is not replaced")
    func meanwhile() throws {
        let target = try file()
        try "theirs".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: CommandFailure.self) { try target.write("ours") }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "theirs")
        #expect(try entries == ["file"])
    }

    @Test("a failure half-way leaves no file, and an old one as it was")
    func halfway() throws {
        struct Stop: Error {}
        try "old".write(toFile: path, atomically: true, encoding: .utf8)
        let target = try file(force: true)
        #expect(throws: Stop.self) {
            try target.write { write in
                try write(Data("half".utf8))
                throw Stop()
            }
        }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
        #expect(try entries == ["file"])
    }

    @Test(
        "a link is written through, also to where nothing is yet; who may read the file stays as it was"
    )
    func links() throws {
        let aim = folder.appending(path: "aim").path
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "aim")
        try file().write("one")
        #expect(try String(contentsOfFile: aim, encoding: .utf8) == "one")
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: aim)
        #expect(throws: CommandFailure.self) { try file() }
        try file(force: true).write("two")
        #expect(try String(contentsOfFile: aim, encoding: .utf8) == "two")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path) == "aim")
        let mode = try FileManager.default.attributesOfItem(atPath: aim)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(try entries.sorted() == ["aim", "file"])
    }

    @Test("standard output by its name in /dev is standard output, wherever that leads")
    func devices() throws {
        let (options, plain) = (try FileOptions.parse(["--force"]), try OutputOptions.parse([]))
        for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
            #expect(try OutputFile(name, options, plain).isStandardOutput)
        }
        // A link to a descriptor leads to a file here, which must be written to and stay the same file.
        let kept = folder.appending(path: "kept").path
        try "old".write(toFile: kept, atomically: true, encoding: .utf8)
        let opened = try #require(FileHandle(forUpdatingAtPath: kept))
        try FileManager.default.createSymbolicLink(
            atPath: path, withDestinationPath: "/proc/self/fd/\(opened.fileDescriptor)")
        try file(force: true).write("new")
        #expect(try opened.readToEnd() == Data("new".utf8))
    }

    @Test("folders, no name, and JSON beside the bytes on standard output are refused")
    func refused() throws {
        let options = try FileOptions.parse([])
        let plain = try OutputOptions.parse([])
        #expect(throws: CommandFailure.self) { try OutputFile(folder.path, options, plain) }
        for path in ["", "  ", "a\u{0}b"] {
            #expect(throws: ValidationError.self) { try OutputFile(path, options, plain) }
        }
        #expect(throws: ValidationError.self) {
            try OutputFile("-", options, try OutputOptions.parse(["--json"]))
        }
        #expect(try OutputFile("-", options, plain).isStandardOutput)
        // A device is written to, not replaced.
        try OutputFile("/dev/null", options, plain).write("x")
    }
}
