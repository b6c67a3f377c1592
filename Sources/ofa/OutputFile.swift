// The files that commands write. `-` is standard output; an existing file is replaced only with --force; symbolic links
// are followed. A failure leaves no partial file. `ofa db backup` uses only the checks here, and renames its dump
// itself.
import ArgumentParser
import Foundation
import Intake

/// The option of every command that writes a file.
struct FileOptions: ParsableArguments {
    /// Whether to replace an existing file.
    @Flag(help: "Replace an existing file.") var force = false
}

/// One file to write.
struct OutputFile {
    /// The path as given.
    let path: String
    private let replaces: Bool

    /// The path after following symbolic links.
    let target: String

    /// Whether the path stands for standard output.
    var isStandardOutput: Bool {
        ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].contains(path)
    }
    /// Whether bytes are written directly to the target, because it is standard output, a device or a pipe. A regular
    /// file is written beside its target first and then renamed.
    var isWrittenInPlace: Bool { isStandardOutput || isStream }
    /// The file's name in messages.
    var name: String { isStandardOutput ? "standard output" : path }

    /// Checks that the file can be written, before any work is done.
    init(_ path: String, _ options: FileOptions, _ output: OutputOptions) throws {
        do { self.path = try TextRule.path.checked(path) } catch {
            throw ValidationError("the file to write \(error.reason)", remedy: error.remedy)
        }
        replaces = options.force
        target = Self.target(of: self.path)
        if isStandardOutput {
            guard !output.json else {
                throw ValidationError(
                    "--json and the file '\(self.path)' both want standard output",
                    remedy: "omit one of them")
            }
            return
        }
        try checkFree()
    }

    /// Calls `body` with a function that writes bytes. A regular file appears, or is replaced, only after all bytes are
    /// written.
    func write(_ body: ((Data) throws -> Void) throws -> Void) throws {
        if isStandardOutput {
            return try body(Output.bytes)
        }
        // A device or a pipe is written to, not replaced.
        guard !isStream else { return try fill(path, body) }
        let unfinished = "\(target).unfinished-\(getpid())"
        do {
            guard FileManager.default.createFile(atPath: unfinished, contents: nil) else {
                throw Self.failure(path, errno)
            }
            // The new file gets the permissions of the file that it replaces.
            var before = stat()
            if stat(target, &before) == 0, chmod(unfinished, before.st_mode & 0o7777) != 0 {
                throw Self.failure(path, errno)
            }
            try fill(unfinished, body)
            if !replaces { try checkFree() }
            guard rename(unfinished, target) == 0 else {
                throw Self.failure(path, errno)
            }
        } catch {
            // The first error is reported; an error while removing the partial file is ignored.
            unlink(unfinished)
            throw error
        }
    }

    /// Writes a text.
    func write(_ text: String) throws { try write { try $0(Data(text.utf8)) } }

    /// Whether the target is a device, a pipe, or below /dev or /proc; such a target is written to, never replaced.
    private var isStream: Bool {
        if ["/dev/", "/proc/"].contains(where: { target.hasPrefix($0) }) { return true }
        var status = stat()
        guard stat(target, &status) == 0 else { return false }  // An absent file is created.
        return ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT)
    }

    /// Returns the path after following symbolic links, even dangling links. Links below /dev and /proc are not
    /// followed: the file behind /dev/stdout must not be replaced.
    private static func target(of path: String) -> String {
        var place = path
        for _ in 0..<40 where !place.hasPrefix("/dev/") && !place.hasPrefix("/proc/") {
            var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
            let count = readlink(place, &bytes, bytes.count)
            guard count > 0 else { return place }
            let link = String(
                decoding: bytes.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
            let folder = (place as NSString).deletingLastPathComponent
            place = link.hasPrefix("/") ? link : (folder as NSString).appendingPathComponent(link)
        }
        return place
    }

    private func checkFree() throws {
        let folder = URL(filePath: target).deletingLastPathComponent().path
        guard FileManager.default.fileExists(atPath: folder) else {
            throw CommandFailure.failed(
                "cannot write \(path): there is no folder \(folder)",
                remedy: "create it, or give another file")
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
