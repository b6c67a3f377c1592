// WakeSignal: how one thread ends the waiting of another that sits in poll: a pipe with at most a
// few bytes in it.
import Foundation

/// Wakes whoever waits for it; may be shared by threads.
public final class WakeSignal: Sendable {
    private let readEnd: Int32
    private let writeEnd: Int32

    /// Makes a signal that nobody has woken.
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

    /// Wakes the waiting thread, or the next that would wait.
    public func wake() {
        var byte: UInt8 = 1
        // A full pipe is as awake as can be.
        _ = write(writeEnd, &byte, 1)
    }

    /// True when it was woken since the last time it was asked.
    public func take() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 64)
        var isWoken = false
        while read(readEnd, &bytes, bytes.count) > 0 { isWoken = true }
        return isWoken
    }

    /// Waits until it is woken, at most so many seconds of a clock that is never set.
    ///
    /// Condition variables and semaphores wait for a time of day here: set the clock back by an hour,
    /// and they wait an hour longer.
    public func wait(seconds: Double) {
        var waiting = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
        _ = poll(&waiting, 1, Int32(max(0, min(seconds * 1000, 1e9)).rounded(.up)))
    }

    /// What to poll for reading.
    var descriptor: Int32 { readEnd }
}
