// StopSignals: on the first SIGTERM or Ctrl-C, the signal handler asks the command to end gracefully and restores the
// default action of both signals, so that a second signal kills the process. The kill needs no thread and works even if
// threads hang, the disk is full or the database is unreachable.

import Foundation
import Synchronization

/// The termination signals of this process.
enum StopSignals {
    private static let numbers = [SIGTERM, SIGINT]
    /// The pipe into which the signal handler writes; -1 while no thread reads from the pipe.
    private static let pipe = Atomic<Int32>(-1)

    /// Calls `body`. On the first signal during `body`, calls `asked` on a separate thread. Before and after `body`,
    /// signals have their default effect.
    static func whileWorking<Result>(
        _ asked: @escaping @Sendable () -> Void, _ body: () throws -> Result
    ) rethrows -> Result {
        var ends: [Int32] = [0, 0]
        // Without a pipe the first signal kills the process.
        guard Foundation.pipe(&ends) == 0 else { return try body() }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let (reading, writing) = (ends[0], ends[1])
        pipe.store(writing, ordering: .sequentiallyConsistent)
        Thread.detachNewThread {
            var byte: UInt8 = 0
            // A byte means a signal; end of file means that `body` has returned.
            if read(reading, &byte, 1) == 1 { asked() }
            close(reading)
        }
        // The parent may have started this process with the signals blocked.
        var heard = sigset_t()
        sigemptyset(&heard)
        for number in numbers { sigaddset(&heard, number) }
        pthread_sigmask(SIG_UNBLOCK, &heard, nil)
        for number in numbers {
            signal(number) { _ in
                // The handler makes only async-signal-safe calls, see signal-safety(7).
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
