// Watcher: cleans up after a test process, even after a kill. A watcher process and the test process hold a pair of
// sockets. When the test process dies, its socket closes, and the watcher cleans up.
import Foundation
import Postgres

/// Starts processes that clean up after a test process has ended.
public enum Watcher {
    /// Runs `script` with `arguments` (`$1`, `$2` and so on) once this process has ended.
    public static func afterEnd(run script: String, _ arguments: [String]) throws {
        // Both sockets are close-on-exec from the start. Otherwise a server that another thread starts at the same time
        // would inherit this process's socket and keep it open.
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
        // ends[1] stays open while this process lives; the watcher cleans up when ends[1] closes.
    }
}
