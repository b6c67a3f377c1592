// A request whose rows are taken later: the server works on it while this process does something else. The connection
// may be used meanwhile; then it first receives the answer.
import CLibPQ

/// The answer to a request that was sent before its rows are needed.
public final class LaterAnswer {
    private enum State {
        /// The request is sent, or it is executed when its rows are taken.
        case sent, deferred(Request)
        case ended(Result<[Row], any Error>)
    }

    private weak var connection: Connection?
    private var state: State

    fileprivate init(_ connection: Connection, _ request: Request?) {
        self.connection = connection
        state = request.map { .deferred($0) } ?? .sent
    }

    /// Waits for the rows. Errors: those of the request; if the session ended meanwhile, one with `isConnectionLoss`.
    public func rows() throws -> [Row] {
        if let connection {
            if case .deferred(let request) = state { end { try connection.query(request) } }
            if case .sent = state { connection.settle() }
        }
        guard case .ended(let result) = state else {
            throw PostgresError(
                "the session ended before the answer", statement: "later answer",
                isConnectionLoss: true)
        }
        return try result.get()
    }

    /// Records the answer.
    func end(_ body: () throws -> [Row]) { state = .ended(Result(catching: body)) }
}

extension Connection {
    /// Sends a request, and returns before the answer is here. Behind a pooler the request is executed when its rows are
    /// taken. Errors: if the request cannot be sent.
    public func ask(_ request: Request) throws -> LaterAnswer {
        guard !isPooled else { return LaterAnswer(self, request) }
        var steps = try steps([request])
        guard let last = steps.popLast() else {
            throw PostgresError("no result", statement: request.statement.name)
        }
        for step in steps {
            _ = try exchange(step.name) { step.send(on: $0) }
            notePrepared(request.statement)
        }
        let handle = try live(last.name)
        guard last.send(on: handle) == 1 else { throw sendFailure(handle, last.name) }
        let answer = LaterAnswer(self, nil)
        // From now on the answer is received whatever happens.
        outstanding = (answer, last.name)
        try flush(handle, last.name)
        return answer
    }

    /// Receives the outstanding answer, if there is one. Its errors are those of that answer's rows.
    func settle() {
        guard let (answer, name) = outstanding else { return }
        outstanding = nil
        answer.end {
            guard let handle = openHandle else {
                throw PostgresError(
                    "the connection was closed before the answer", statement: name,
                    isConnectionLoss: true)
            }
            return try lastResult(handle, name).rows()
        }
    }
}
