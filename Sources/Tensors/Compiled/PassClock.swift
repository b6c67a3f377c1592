// Times the parts of a pass while the whole network runs: the time of a part depends on the parts before it, so a part
// that ran alone would take another time.

import Foundation

/// The clock readings between the parts of the last pass.
public final class PassClock {
    private let clock: clockid_t
    private var moments: [UInt64] = []
    /// The duration of one reading in nanoseconds.
    private var readingNanoseconds = 0.0

    /// Makes a wall clock or, if `countsProcessorTime`, a clock of the calling thread's CPU time.
    /// Reading the CPU clock is a system call of up to a microsecond; reading the wall clock takes
    /// a tenth of that.
    public init(countsProcessorTime: Bool) {
        clock = countsProcessorTime ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC
        moments.reserveCapacity(256)
        begin()
        for _ in 0..<101 { mark() }
        let steps = zip(moments.dropFirst(), moments).map { Double($0 - $1) }.sorted()
        readingNanoseconds = steps[steps.count / 2]
    }

    /// Milliseconds of every part since `begin`, without the time of the clock readings.
    public var milliseconds: [Double] {
        zip(moments.dropFirst(), moments).map {
            max(0, Double($0 - $1) - readingNanoseconds) * 1e-6
        }
    }

    /// Clears the readings and records the start.
    public func begin() {
        moments.removeAll(keepingCapacity: true)
        mark()
    }

    /// Records the end of a part.
    public func mark() {
        var time = timespec()
        clock_gettime(clock, &time)
        moments.append(UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }
}
