// StopSignals: SIGTERM and Ctrl-C ask a command to end in good order; the second one ends it at once. The first takes away
// its own handler, so the second is the kernel's affair: it needs no thread of this process, and works where one hangs, the
// disk is full or the database is away.

import Foundation
import Synchronization

/// The signals that ask this process to end.
enum StopSignals {
    private static let numbers = [SIGTERM, SIGINT]
    /// Where the handler writes; -1 while no thread reads.
    private static let pipe = Atomic<Int32>(-1)

    /// Calls `asked` once, on a thread of its own, when the first signal comes while `body` works. Before and after, a
    /// signal ends the process as it does without this.
    static func whileWorking<Result>(
        _ asked: @escaping @Sendable () -> Void, _ body: () throws -> Result
    ) rethrows -> Result {
        var ends: [Int32] = [0, 0]
        // Without a pipe nothing can be asked: then the first signal ends the process.
        guard Foundation.pipe(&ends) == 0 else { return try body() }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let (reading, writing) = (ends[0], ends[1])
        pipe.store(writing, ordering: .sequentiallyConsistent)
        Thread.detachNewThread {
            var byte: UInt8 = 0
            // A signal writes; the end of the work closes.
            if read(reading, &byte, 1) == 1 { asked() }
            close(reading)
        }
        // A parent may have started this process with the signals blocked.
        var heard = sigset_t()
        sigemptyset(&heard)
        for number in numbers { sigaddset(&heard, number) }
        pthread_sigmask(SIG_UNBLOCK, &heard, nil)
        for number in numbers {
            signal(number) { _ in
                // Only calls that signal-safety(7) allows.
                signal(SIGTERM, SIG_DFL)
                signal(SIGINT, SIG_DFL)
                var byte: UInt8 = 1
                _ = write(StopSignals.pipe.load(ordering: .relaxed), &byte, 1)
            }
        }
        defer {
            for number in numbers { signal(number, SIG_DFL) }
            pipe.store(-1, ordering: .sequentiallyConsistent)
            close(writing)
        }
        return try body()
    }
}
