// Exchange: how bytes go to the server and answers come back. The socket never blocks: everything
// waits in poll, with a limit on how long nothing may move, so that a server that has vanished
// without a word is noticed, and reads while it writes, so that neither side waits for the other.
import CLibPQ
import Foundation

extension Connection {
    /// Sends something and returns the last answer; throws the first that is an error.
    func exchange(_ statement: String, send: (OpaquePointer) -> Int32) throws -> ServerResult {
        let handle = try live(statement)
        guard send(handle) == 1 else { throw sendFailure(handle, statement) }
        try flush(handle, statement)
        var last: ServerResult?
        var failure: PostgresError?
        while let result = try nextResult(handle, statement) {
            last = result
            guard let error = result.error(libpqMessage: Self.message(handle)) else { continue }
            failure = failure ?? error
            if error.isConnectionLoss {
                // Half of the exchange is still due and will never come: nothing can follow it.
                close()
                break
            }
        }
        if let failure { throw failure }
        guard let last else { throw PostgresError("no result", statement: statement) }
        return last
    }

    /// Writes everything that libpq holds back, reading what comes meanwhile.
    func flush(_ handle: OpaquePointer, _ statement: String) throws {
        while PQflush(handle) == 1 {
            let events = try waitForSocket(
                handle, Int16(POLLIN | POLLOUT), statement: statement)
            // What went wrong is told by the next result.
            if events & ~Int16(POLLOUT) != 0, PQconsumeInput(handle) == 0 { return }
        }
    }

    /// Waits for the next answer; nil at the end of a statement's answers.
    func nextResult(_ handle: OpaquePointer, _ statement: String) throws -> ServerResult? {
        while PQisBusy(handle) == 1 {
            _ = try waitForSocket(handle, Int16(POLLIN), statement: statement)
            // After a failure PQgetResult does not wait but tells what it was.
            if PQconsumeInput(handle) == 0 { break }
        }
        return PQgetResult(handle).map { ServerResult($0, statement: statement) }
    }

    /// Waits until the socket is ready for one of `events`; returns which.
    ///
    /// When nothing moves for as long as the limits allow, closes the connection and throws.
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

    /// Polls until something is ready or the limit is over, which it tells by false.
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

    /// The error of a call that libpq refused to begin.
    func sendFailure(_ handle: OpaquePointer, _ statement: String) -> PostgresError {
        PostgresError(
            Self.message(handle), statement: statement,
            isConnectionLoss: PQstatus(handle) != CONNECTION_OK)
    }

    /// What libpq says of a connection, in one line.
    static func message(_ handle: OpaquePointer) -> String {
        guard let text = PQerrorMessage(handle) else { return "" }
        return String(cString: text).split(whereSeparator: \.isNewline)
            .map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: "; ")
    }
}
