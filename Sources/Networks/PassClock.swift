// Times the parts of a pass where they run: what a part takes depends on what ran before it, so a part is timed inside
// whole networks, not alone.

import Foundation

/// The moments between the parts of the last pass.
public final class PassClock {
    private let clock: clockid_t
    private var moments: [UInt64] = []
    /// What one reading takes, in nanoseconds.
    private var readingNanoseconds = 0.0

    /// A clock that goes on while something else has the processor, or one that `countsProcessorTime` of the calling
    /// thread only. Reading the second is a call to the kernel: up to a microsecond here, the first a tenth of it.
    public init(countsProcessorTime: Bool) {
        clock = countsProcessorTime ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC
        moments.reserveCapacity(256)
        begin()
        for _ in 0..<101 { mark() }
        let steps = zip(moments.dropFirst(), moments).map { Double($0 - $1) }.sorted()
        readingNanoseconds = steps[steps.count / 2]
    }

    /// Milliseconds of every part since the clock began: in a pass the stem, blocks, last convolution, pooling, feature
    /// mix, classifier. Together they are the whole; reading the clock is left out.
    public var milliseconds: [Double] {
        zip(moments.dropFirst(), moments).map {
            max(0, Double($0 - $1) - readingNanoseconds) * 1e-6
        }
    }

    /// Begins anew.
    public func begin() {
        moments.removeAll(keepingCapacity: true)
        mark()
    }

    /// Notes that a part has ended.
    public func mark() {
        var time = timespec()
        clock_gettime(clock, &time)
        moments.append(UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }
}
