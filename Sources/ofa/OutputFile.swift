// Files that commands write: `-` is standard output, a file that exists stays unless --force says otherwise, and a
// failure leaves no half of one.
import ArgumentParser
import Foundation
import Intake

/// The option of every command that writes a file.
struct FileOptions: ParsableArguments {
    /// Whether a file that exists is replaced.
    @Flag(help: "Replace the file if there is one already.") var force = false
}

/// One file to write.
struct OutputFile {
    /// The path as it was given.
    let path: String
    private let replaces: Bool

    /// Whether it goes to standard output.
    var isStandardOutput: Bool { path == "-" }
    /// What people call it.
    var name: String { isStandardOutput ? "standard output" : path }

    /// Checks at once that the file may be written, before any work is done for it.
    init(_ path: String, _ options: FileOptions, _ output: OutputOptions) throws {
        do { self.path = try TextRule.path.checked(path) } catch {
            throw ValidationError("the file to write \(error.reason)", remedy: error.remedy)
        }
        replaces = options.force
        if isStandardOutput {
            guard !output.json else {
                throw ValidationError(
                    "--json and the file '-' both want standard output",
                    remedy: "leave one of them out")
            }
            return
        }
        try checkFree()
    }

    /// Writes what `body` gives to the function it gets. The file appears when all of it is there.
    func write(_ body: ((Data) throws -> Void) throws -> Void) throws {
        if isStandardOutput {
            return try body(Output.bytes)
        }
        // A device or a pipe is written to, not replaced.
        guard !isStream else { return try fill(path, body) }
        let unfinished = "\(path).unfinished-\(getpid())"
        do {
            guard FileManager.default.createFile(atPath: unfinished, contents: nil) else {
                throw Self.failure(path, errno)
            }
            try fill(unfinished, body)
            if !replaces { try checkFree() }
            guard rename(unfinished, path) == 0 else {
                throw Self.failure(path, errno)
            }
        } catch {
            // What went wrong first is what to report; the part is only in the way.
            unlink(unfinished)
            throw error
        }
    }

    /// Writes a text.
    func write(_ text: String) throws { try write { try $0(Data(text.utf8)) } }

    private var isStream: Bool {
        let type: FileAttributeType?
        do {
            let found = URL(filePath: path).resolvingSymlinksInPath().path
            type =
                try FileManager.default.attributesOfItem(atPath: found)[.type]
                as? FileAttributeType
        } catch {
            // There is none: a file is made.
            return false
        }
        return type == .typeCharacterSpecial || type == .typeSocket || type == .typeUnknown
    }

    private func checkFree() throws {
        let folder = URL(filePath: path).deletingLastPathComponent().path
        guard FileManager.default.fileExists(atPath: folder) else {
            throw CommandFailure.failed(
                "cannot write \(path): there is no folder \(folder)",
                remedy: "make it, or name another file")
        }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return }
        guard !isFolder.boolValue else {
            throw CommandFailure.failed("\(path) is a folder", remedy: "name a file in it")
        }
        guard replaces || isStream else {
            throw CommandFailure.failed(
                "\(path) exists", remedy: "name another file, or give --force")
        }
    }

    private func fill(_ path: String, _ body: ((Data) throws -> Void) throws -> Void) throws {
        guard let file = FileHandle(forWritingAtPath: path) else {
            throw Self.failure(path, errno)
        }
        try body { bytes in
            do { try file.write(contentsOf: bytes) } catch {
                throw Self.failure(self.path, FileBytes.reason(error))
            }
        }
        do { try file.close() } catch { throw Self.failure(self.path, FileBytes.reason(error)) }
    }

    private static func failure(_ path: String, _ code: Int32) -> CommandFailure {
        failure(path, FileBytes.reason(code))
    }

    private static func failure(_ path: String, _ why: String) -> CommandFailure {
        CommandFailure.failed("cannot write \(path): \(why)", code: "file")
    }
}
