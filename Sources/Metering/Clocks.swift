// The clocks that metering reads: monotonic time, and the processor time of this process and of a
// thread.

import Foundation

/// The clocks of the operating system, in nanoseconds.
public enum Clocks {
    /// Returns the time of the monotonic clock in nanoseconds. Errors: `unreadable`.
    public static func monotonicNanoseconds() throws(MeteringError) -> Int64 {
        try read(CLOCK_MONOTONIC, "CLOCK_MONOTONIC")
    }

    /// Returns the processor time of this process so far (all threads, user and system), in
    /// nanoseconds. Errors: `unreadable`.
    public static func processCPUNanoseconds() throws(MeteringError) -> Int64 {
        try read(CLOCK_PROCESS_CPUTIME_ID, "CLOCK_PROCESS_CPUTIME_ID")
    }

    /// Returns the processor time of the calling thread so far, in nanoseconds. Errors:
    /// `unreadable`.
    public static func threadCPUNanoseconds() throws(MeteringError) -> Int64 {
        try read(CLOCK_THREAD_CPUTIME_ID, "CLOCK_THREAD_CPUTIME_ID")
    }

    /// Returns the time of the machine's clock in microseconds since the begin of 1970 (UTC). It may be set back. Errors:
    /// `unreadable`.
    public static func epochMicroseconds() throws(MeteringError) -> Int64 {
        try read(CLOCK_REALTIME, "CLOCK_REALTIME") / 1000
    }

    private static func read(_ clock: clockid_t, _ name: String) throws(MeteringError) -> Int64 {
        var time = timespec()
        guard clock_gettime(clock, &time) == 0 else {
            throw MeteringError(
                .unreadable,
                "the clock \(name) cannot be read (errno \(errno)): nothing can be metered here"
            )
        }
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
