// ReaderPool: connections that read for the pages, each on a thread of its own, so that libpq never blocks the
// cooperative pool.

import Foundation
import Postgres
import Synchronization

/// A pool of connections for readers. Each has its own thread and is opened when it is first needed.
public final class ReaderPool: Sendable {
    /// A question, to be answered with a connection; nil if there is none and the error says why.
    private typealias Work = @Sendable (Result<Connection, any Error>) -> Void

    private struct State {
        var work: [Work] = []
        var isOpen = true
    }

    private let url: String
    private let limits: SessionLimits
    private let state = Mutex(State())
    private let waiting = DispatchSemaphore(value: 0)
    private let ended = DispatchGroup()
    /// Questions that wait; more are refused.
    private static let most = 512

    /// Makes a pool. `seconds` is the longest time of a statement.
    public init(url: String, connections: Int = 3, seconds: Double = 10) {
        self.url = url
        limits = SessionLimits(
            statementTimeoutSeconds: seconds, lockTimeoutSeconds: 5, connectTimeoutSeconds: 5)
        for number in 1...max(1, connections) {
            ended.enter()
            let thread = Thread { [self] in
                serve()
                ended.leave()
            }
            thread.name = "ofa-reader-\(number)"
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    /// Runs `body` with a connection on one of the pool's threads. A lost connection is opened again once, so `body`
    /// only reads. Errors: those of `body`, `busy`, and those of connecting.
    public func read<T: Sendable>(
        _ body: @escaping @Sendable (Connection) throws -> T
    ) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            let work: Work = { connection in
                continuation.resume(with: Result { try body(connection.get()) })
            }
            let isTaken = state.withLock { state in
                guard state.isOpen, state.work.count < Self.most else { return false }
                state.work.append(work)
                return true
            }
            if isTaken {
                waiting.signal()
            } else {
                continuation.resume(
                    throwing: DashboardError(
                        .busy, "too many pages wait for the database", remedy: "try again"))
            }
        }
    }

    /// Answers what waits and ends the threads. No question may follow.
    public func close() {
        state.withLock { $0.isOpen = false }
        for _ in 0..<64 { waiting.signal() }
    }

    /// Takes questions until the pool is closed.
    private func serve() {
        var connection: Connection?
        while true {
            waiting.wait()
            let (work, isOpen) = state.withLock { state in
                (state.work.isEmpty ? nil : state.work.removeFirst(), state.isOpen)
            }
            guard let work else {
                if isOpen { continue }
                break
            }
            do {
                let usable = try connected(connection)
                connection = usable
                work(.success(usable))
            } catch {
                connection?.close()
                connection = nil
                work(.failure(error))
            }
        }
        connection?.close()
    }

    /// Returns an open connection: the known one if its server still answers, else a new one.
    private func connected(_ known: Connection?) throws -> Connection {
        if let known {
            do {
                try known.ping(timeoutSeconds: 5)
                return known
            } catch let error as PostgresError where error.isConnectionLoss {
                known.close()
            }
        }
        return try Connection(url: url, applicationName: "ofa serve", limits: limits)
    }
}
