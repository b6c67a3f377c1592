// WakeSignal: wakes a thread that waits in poll, through a pipe within the process.
import Foundation

/// A wake-up signal that threads share.
public final class WakeSignal: Sendable {
    private let readEnd: Int32
    private let writeEnd: Int32

    /// Makes a signal that is not set.
    public init() throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw PostgresError.system("cannot make a pipe", errno) }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        (readEnd, writeEnd) = (ends[0], ends[1])
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    /// Sets the signal: wakes the thread that waits, or the next thread that waits.
    public func wake() {
        var byte: UInt8 = 1
        // If the pipe is full, the signal is set already.
        _ = write(writeEnd, &byte, 1)
    }

    /// Returns whether the signal was set after the last call, and resets the signal.
    public func take() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 64)
        var isWoken = false
        while read(readEnd, &bytes, bytes.count) > 0 { isWoken = true }
        return isWoken
    }

    /// Waits until the signal is set, at most `seconds` on the monotonic clock.
    ///
    /// Condition variables and semaphores use the wall clock on Linux: if that clock were set back
    /// by an hour, they would wait an hour longer.
    public func wait(seconds: Double) {
        var waiting = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
        _ = poll(&waiting, 1, Int32(max(0, min(seconds * 1000, 1e9)).rounded(.up)))
    }

    /// The descriptor that is readable while the signal is set.
    var descriptor: Int32 { readEnd }
}
