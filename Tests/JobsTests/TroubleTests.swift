// What a producer does about a database that cannot be worked with.
import Foundation
import Postgres
import Synchronization
import Testing

@testable import Jobs

@Suite("Trouble with the database") struct TroubleTests {
    /// A clock that a test sets.
    private final class Clock: Sendable {
        private let seconds = Mutex(0.0)
        var now: Double { seconds.withLock { $0 } }
        func pass(_ time: Double) { seconds.withLock { $0 += time } }
    }

    @Test(
        "a worker that was asked to go waits half a minute for a full database, then ends with its error"
    )
    func draining() throws {
        let clock = Clock(), board = try WorkerBoard(clock: { clock.now })
        let said = Mutex<[String]>([])
        let options = WorkerOptions(
            reconnectPolicy: ReconnectPolicy(
                firstDelaySeconds: 0.001, maxDelaySeconds: 0.001, limitSeconds: .infinity),
            report: { line in said.withLock { $0.append(line) } })
        var trouble = Trouble(options: options, board: board)
        let full = PostgresError("no space left on device", sqlState: "53100")
        for _ in 0..<10 {
            clock.pass(3600)
            try trouble.wait(after: full, unwritten: 1)
        }
        board.drain()
        try trouble.wait(after: full, unwritten: 1)
        clock.pass(29)
        // Asked again, it has no more time.
        board.drain()
        try trouble.wait(after: full, unwritten: 1)
        clock.pass(2)
        let error = #expect(throws: PostgresError.self) {
            try trouble.wait(after: full, unwritten: 1)
        }
        #expect(error?.sqlState == "53100")
        #expect(said.withLock { $0 }.count == 1)
    }
}
