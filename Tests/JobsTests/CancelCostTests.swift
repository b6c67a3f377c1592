// Tests of what it takes to cancel a large run: the cancel goes through its jobs once, the ends after it through their own.
import Foundation
import Postgres
import TestSupport
import Testing

@testable import Jobs

@Suite("Cancel: what it takes")
struct CancelCostTests {
    /// Jobs that wait, as many that are blocked behind them, and those that run.
    private static let waiting = 4000, running = 60

    @Test("an end in a cancelled run touches its own rows, however many jobs the run has")
    func ends() throws {
        let fixture = try QueueFixture()
        let queue = fixture.queue
        func jobs(_ count: Int) -> [JobSpec] {
            Array(repeating: JobSpec(kind: "work"), count: count)
        }
        let run = try fixture.enqueue([
            StageSpec(name: "first", jobs: jobs(Self.waiting + Self.running)),
            StageSpec(name: "second", jobs: jobs(Self.waiting), needs: ["first"]),
        ])
        let session = try queue.openSession(name: "w", ttlSeconds: 3000)
        var leases = try queue.claim(session, kinds: ["work"], limit: Self.running)
        try queue.cancel(run: run)
        #expect(try queue.jobs(state: .running).count == Self.running)

        // Alone, in batches, and those of a worker that is gone.
        func end(_ count: Int, _ kind: Ending.Kind) throws -> Int {
            let ending = leases.prefix(count).map { Ending($0, kind) }
            leases.removeFirst(count)
            return try queue.connection.blocks(
                JobQueue.request(ending: ending, session: session.uuid))
        }
        // Plans and catalogs are read with the first; dead rows of the cancelled jobs are noted as such then.
        _ = try end(1, .cancelled(reason: "asked to"))
        for count in [1, 1, 1, 10, 10] {
            let touched = try end(count, .cancelled(reason: "asked to"))
            #expect(touched <= 200 + 60 * count, "\(count) ends touch \(touched) blocks")
        }
        for _ in 0..<3 {
            let touched = try end(1, .failed(error: "too late", pauseSeconds: 1))
            #expect(touched <= 260, "an end that failed touches \(touched) blocks")
        }
        // One that adds children and a job after them: those end with it, and no other is looked for.
        let lease = leases.removeFirst()
        let fanOut = FanOut(children: [JobSpec(kind: "work")], then: JobSpec(kind: "work"))
        #expect(try queue.complete(lease, result: "{}", fanOut: fanOut) == .done)
        #expect(try queue.jobs(state: .blocked).isEmpty && queue.jobs(state: .available).isEmpty)
        _ = try queue.end(
            leases.map { Ending($0, .completed(result: "{}")) }, session: session.uuid)
        #expect(try queue.run(run).state == .cancelled)
        try fixture.expectSound()
    }
}
