// OwnThread: runs the body of a test on a thread of its own. Tests run on the cooperative pool, which has as many threads
// as cores: bodies that wait there for a server that needs the pool wait for ever.

import Foundation

/// Runs `body` on a thread of its own, as part of the same test.
public func onOwnThread<T: Sendable>(_ body: () throws -> T) async throws -> T {
    try await withTaskExecutorPreference(OwnThread()) { try body() }
}

/// Runs each job on a new thread.
private final class OwnThread: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let thread = Thread { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
        thread.stackSize = 8 << 20
        thread.start()
    }
}
