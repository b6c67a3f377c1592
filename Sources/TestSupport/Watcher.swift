// Watcher: cleans up after a test process however it went. It is a process that reads from a socket
// whose other end only the test process holds, and acts at its end.
import Foundation
import Postgres

/// Processes that outlive a test process for as long as it takes to tidy up.
public enum Watcher {
    /// Runs `script` with these arguments (`$1`, `$2` and so on) once this process has ended.
    public static func afterEnd(run script: String, _ arguments: [String]) throws {
        // Closed on exec from the first instant, or a server started just now would keep our end
        // open.
        var ends: [Int32] = [0, 0]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw PostgresError("no socket pair: \(String(cString: strerror(errno)))")
        }
        let waiting = "trap '' INT TERM HUP\ncat > /dev/null\n"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setsid")
        process.arguments = ["sh", "-c", waiting + script, "watcher"] + arguments
        process.standardInput = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        // ends[1] stays open for as long as this process lives: its end is the watcher's signal.
    }
}
