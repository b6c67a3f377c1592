// PostmasterFile: reads the file postmaster.pid of a data folder, and finds out whether the server
// that wrote it runs.
import Foundation
import Intake

/// The lock file that a running server keeps in its data folder.
struct PostmasterFile: Equatable {
    /// The process number of the server that wrote the file.
    let process: pid_t
    /// The folder of the server's socket.
    let socketFolder: String

    /// Reads the file; returns nil if there is none. A missing process number counts as 0.
    static func read(dataFolder: String) throws -> PostmasterFile? {
        let path = dataFolder + "/postmaster.pid"
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            // A server that stops between the two calls removes the file.
            if !FileManager.default.fileExists(atPath: path) { return nil }
            throw PostgresError("cannot read \(path): \(FileBytes.reason(error))")
        }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
        let process = lines.first.flatMap { pid_t($0.trimmingCharacters(in: .whitespaces)) } ?? 0
        return PostmasterFile(process: process, socketFolder: lines.count > 4 ? lines[4] : "")
    }

    /// Returns whether the process is alive and is the server of `dataFolder`.
    ///
    /// A living process is not enough: after a crash or a reboot another process may have the same
    /// number. On systems with /proc, the working directory of the process must be the data folder;
    /// without /proc, any living process counts.
    func isServing(dataFolder: String) -> Bool {
        guard process > 1 else { return false }
        if kill(process, 0) != 0 && errno == ESRCH { return false }
        guard FileManager.default.fileExists(atPath: "/proc/self/cwd") else { return true }
        guard let workingFolder = Self.link("/proc/\(process)/cwd") else {
            // If the link cannot be read (another user's process in a container), the name of the
            // process decides.
            guard errno == EACCES || errno == EPERM,
                let name = FileManager.default.contents(atPath: "/proc/\(process)/comm")
            else { return false }
            return String(decoding: name, as: UTF8.self).hasPrefix("postgres")
        }
        return Self.isSameFolder(workingFolder, dataFolder)
    }

    private static func link(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { raw -> Int in
            guard let start = raw.baseAddress?.assumingMemoryBound(to: CChar.self) else { return 0 }
            return readlink(path, start, raw.count)
        }
        return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
    }

    private static func isSameFolder(_ one: String, _ other: String) -> Bool {
        var first = stat()
        var second = stat()
        guard stat(one, &first) == 0, stat(other, &second) == 0 else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }
}
