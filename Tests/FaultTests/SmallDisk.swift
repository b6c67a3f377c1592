// SmallDisk: a file system of a few megabytes in memory, which a test can fill and free.
import Foundation
import Postgres
import TestSupport

/// A small file system; gone with the test.
final class SmallDisk {
    /// Where it is mounted.
    let path: String
    private var filler: String { path + "/filler" }

    private init(mountedAt path: String) { self.path = path }

    /// Mounts one; nil where this process may not.
    static func mount(megabytes: Int) throws -> SmallDisk? {
        guard geteuid() == 0 else { return nil }
        let path = try TemporaryFolder.make(prefix: "ofa-disk")
        guard run(["mount", "-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", path]) else {
            rmdir(path)
            return nil
        }
        return SmallDisk(mountedAt: path)
    }

    deinit {
        if !Self.run(["umount", "--lazy", path]) { print("\(path) stays mounted") }
        rmdir(path)
    }

    /// Makes a folder `space` in it for a user.
    func give(to user: String) throws {
        try FileManager.default.createDirectory(
            atPath: path + "/space", withIntermediateDirectories: true)
        guard let user = SystemUser(named: user) else { return }
        _ = chown(path + "/space", user.id, user.groupID)
    }

    /// Fills it to the last page.
    func fill() throws {
        try Data().write(to: URL(filePath: filler))
        let file = open(filler, O_WRONLY)
        defer { close(file) }
        let page = [UInt8](repeating: 1, count: 4096)
        while write(file, page, page.count) == page.count {}
    }

    /// Gives the room back.
    func free() throws { try FileManager.default.removeItem(atPath: filler) }

    private static func run(_ command: [String]) -> Bool {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        process.standardError = FileHandle.nullDevice
        do { try process.run() } catch { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
