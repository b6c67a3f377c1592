// Exchange: sends commands to the server and receives results over a non-blocking socket. This code
// waits only in `poll`, with a limit on the silence of the server, so that a vanished server is
// noticed. It also reads while it writes, so that neither side can block the other forever.
import CLibPQ
import Foundation

extension Connection {
    /// Sends a command and returns its last result; throws the first error.
    func exchange(_ statement: String, send: (OpaquePointer) -> Int32) throws -> ServerResult {
        let handle = try live(statement)
        guard send(handle) == 1 else { throw sendFailure(handle, statement) }
        try flush(handle, statement)
        return try lastResult(handle, statement)
    }

    /// Waits for all results of a command and returns the last; throws the first error.
    func lastResult(_ handle: OpaquePointer, _ statement: String) throws -> ServerResult {
        var last: ServerResult?
        var failure: PostgresError?
        while let result = try nextResult(handle, statement) {
            last = result
            guard let error = result.error(libpqMessage: Self.message(handle)) else { continue }
            failure = failure ?? error
            if error.isConnectionLoss {
                // The rest of the exchange will never arrive, so the connection is closed.
                close()
                break
            }
        }
        if let failure { throw failure }
        guard let last else { throw PostgresError("no result", statement: statement) }
        return last
    }

    /// Sends the content of libpq's buffer, and reads input meanwhile.
    func flush(_ handle: OpaquePointer, _ statement: String) throws {
        while PQflush(handle) == 1 {
            let events = try waitForSocket(
                handle, Int16(POLLIN | POLLOUT), statement: statement)
            // If reading fails, the next result contains the error.
            if events & ~Int16(POLLOUT) != 0, PQconsumeInput(handle) == 0 { return }
        }
    }

    /// Waits for the next result and returns it; nil after the last result of a statement.
    func nextResult(_ handle: OpaquePointer, _ statement: String) throws -> ServerResult? {
        while PQisBusy(handle) == 1 {
            _ = try waitForSocket(handle, Int16(POLLIN), statement: statement)
            // After a failure PQgetResult returns the error without waiting.
            if PQconsumeInput(handle) == 0 { break }
        }
        return PQgetResult(handle).map { ServerResult($0, statement: statement) }
    }

    /// Waits until the socket is ready for one of `events`; returns the events that occurred.
    ///
    /// Closes the connection and throws an error with `isConnectionLoss` if the server is silent
    /// for longer than `patience`.
    private func waitForSocket(
        _ handle: OpaquePointer, _ events: Int16, statement: String
    ) throws -> Int16 {
        let limit = patience
        var sockets = [pollfd(fd: PQsocket(handle), events: events, revents: 0)]
        guard try Self.poll(&sockets, limit: limit) else {
            close()
            throw PostgresError(
                "no answer and no byte for \(limit ?? .zero): the connection counts as lost",
                remedy: "The server or the network is gone or stands still; run it again.",
                statement: statement, isConnectionLoss: true)
        }
        return sockets[0].revents
    }

    /// Waits until one of the sockets is ready; returns false after `limit` (nil: no limit).
    static func poll(_ sockets: inout [pollfd], limit: Duration?) throws -> Bool {
        let clock = ContinuousClock()
        let deadline = limit.map { clock.now + $0 }
        while true {
            var waitMs: Int32 = -1
            if let deadline {
                let left = clock.now.duration(to: deadline) / .milliseconds(1)
                waitMs = Int32(max(0, min(left.rounded(.up), 1e9)))
            }
            let ready = Foundation.poll(&sockets, nfds_t(sockets.count), waitMs)
            if ready > 0 { return true }
            if ready < 0, errno != EINTR {
                throw PostgresError.system("poll failed", errno)
            }
            if let deadline, clock.now >= deadline { return false }
        }
    }

    /// Returns the error of a libpq call that failed itself, without a result from the server.
    func sendFailure(_ handle: OpaquePointer, _ statement: String) -> PostgresError {
        PostgresError(
            Self.message(handle), statement: statement,
            isConnectionLoss: PQstatus(handle) != CONNECTION_OK)
    }

    /// Returns libpq's error message for a connection, on one line.
    static func message(_ handle: OpaquePointer) -> String {
        guard let text = PQerrorMessage(handle) else { return "" }
        return oneLine(String(cString: text))
    }

    /// Joins the lines of a message.
    static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline)
            .map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: "; ")
    }
}
