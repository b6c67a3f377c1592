// WakeSignal: wakes a thread that waits in poll, through a self-pipe.
import Foundation

/// A wake-up signal shared between threads.
public final class WakeSignal: Sendable {
    private let readEnd: Int32
    private let writeEnd: Int32

    /// A new signal is not set.
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

    /// Wakes the waiting thread, or the next one that waits.
    public func wake() {
        var byte: UInt8 = 1
        // A full pipe is set already.
        _ = write(writeEnd, &byte, 1)
    }

    /// Whether it was woken since the last call; clears it.
    public func take() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 64)
        var isWoken = false
        while read(readEnd, &bytes, bytes.count) > 0 { isWoken = true }
        return isWoken
    }

    /// Waits until it is woken, at most `seconds` on the monotonic clock.
    ///
    /// Condition variables and semaphores use the wall clock on Linux: set back by an hour, they
    /// would wait an hour longer.
    public func wait(seconds: Double) {
        var waiting = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
        _ = poll(&waiting, 1, Int32(max(0, min(seconds * 1000, 1e9)).rounded(.up)))
    }

    /// The descriptor to poll for reading.
    var descriptor: Int32 { readEnd }
}
