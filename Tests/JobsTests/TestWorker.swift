// Workers whose handler is a closure.
import Foundation
import TestSupport

@testable import Jobs

/// A handler made of a closure.
private struct Handler: JobHandler {
    let body: @Sendable (JobContext) throws -> JobOutput
    func run(_ context: JobContext) throws -> JobOutput { try body(context) }
}

/// A worker that ends when nothing is left to do.
func testWorker(
    _ url: String, ttlSeconds: Double = 30, name: String = "w", untilIdle: Bool = true,
    observer: (any AttemptObserver)? = nil,
    _ body: @escaping @Sendable (JobContext) throws -> JobOutput
) throws -> Worker {
    try Worker(
        databaseURL: url, registry: ["work": Handler(body: body)],
        options: WorkerOptions(
            threads: 1, ttlSeconds: ttlSeconds, name: name, untilIdle: untilIdle,
            report: { _ in }),
        observer: observer)
}

/// Waits until the job is asked to stop, as a handler does in its loop.
func waitForInterruption(_ context: JobContext) throws {
    while true {
        try context.stopIfCancelled()
        Thread.sleep(forTimeInterval: 0.005)
    }
}
