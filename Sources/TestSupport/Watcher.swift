// Watcher: cleans up after a test process, however it ended. A watcher process reads from a socket
// whose other end only the test process holds, and acts when that end is closed.
import Foundation
import Postgres

/// Processes that outlive a test process to clean up.
public enum Watcher {
    /// Runs `script` with `arguments` (`$1`, `$2` and so on) once this process has ended.
    public static func afterEnd(run script: String, _ arguments: [String]) throws {
        // Both ends are close-on-exec from the start, or a server that is started at the same time
        // would keep this process's end open.
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
        // ends[1] stays open while this process lives; its closing is the watcher's signal.
    }
}
