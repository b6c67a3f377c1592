// WorkerCrew: a few workers on threads of the test, for faults that come from the database: what they say
// is kept, and what ends one early is a failure of the test.
import Foundation
import Postgres
import Synchronization

@testable import Jobs

/// A handler made of a closure.
struct ClosureHandler: JobHandler {
    let body: @Sendable (JobContext) throws -> JobOutput

    func run(_ context: JobContext) throws -> JobOutput { try body(context) }
}

/// Workers that work until nothing is left.
final class WorkerCrew: Sendable {
    private let threads = Mutex<[JoinableThread]>([])
    private let said = Mutex<[String]>([])

    /// Starts `count` workers of the kinds in `registry`.
    init(
        _ url: String, count: Int, ttlSeconds: Double = 10, prefetch: Int = 16,
        policy: ReconnectPolicy = ReconnectPolicy(maxDelaySeconds: 0.2, limitSeconds: 60),
        _ registry: [String: @Sendable (JobContext) throws -> JobOutput]
    ) throws {
        for index in 0..<count {
            let worker = try Worker(
                databaseURL: url, registry: registry.mapValues { ClosureHandler(body: $0) },
                options: WorkerOptions(
                    prefetch: prefetch, pollSeconds: 0.05, ttlSeconds: ttlSeconds,
                    name: "w\(index)", untilIdle: true, reconnectPolicy: policy,
                    report: { [self] line in said.withLock { $0.append(line) } }))
            let thread = JoinableThread(name: "w\(index)", stackBytes: 1 << 20) {
                try worker.run()
            }
            threads.withLock { $0.append(thread) }
        }
    }

    /// Waits for all of them; throws what ended one.
    func join() throws { for thread in threads.withLock({ $0 }) { try thread.join() } }

    /// What they reported so far.
    var reports: [String] { said.withLock { $0 } }
}

extension RunSpec {
    /// A run of one stage for a fault test.
    static func flat(_ name: String, _ jobs: [JobSpec]) -> RunSpec {
        RunSpec(
            name: name, definition: "", definitionHash: name,
            stages: [StageSpec(name: "a", jobs: jobs)])
    }
}
