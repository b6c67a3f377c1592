// Pipeline: runs several statements in one round trip, through libpq's pipeline mode. With a single
// sync at the end, the statements are one transaction even without BEGIN: the first error rolls
// back all of them (https://www.postgresql.org/docs/15/libpq-pipeline-mode.html).
import CLibPQ

/// One statement with its values.
public struct Request: Sendable {
    /// The statement.
    public var statement: Statement
    /// The values of `$1`, `$2` and so on.
    public var binds: [SQLValue]

    /// `binds` are the values of `$1`, `$2` and so on.
    public init(_ statement: Statement, _ binds: [SQLValue] = []) {
        self.statement = statement
        self.binds = binds
    }

    /// Groups the requests by statement: the requests of a statement move to the place of its first
    /// request. If all binds of a statement are arrays, its requests are merged into one, with the
    /// arrays concatenated.
    public static func together(_ requests: [Request]) -> [Request] {
        var places: [String: Int] = [:]
        var groups: [[Request]] = []
        for request in requests {
            if let place = places[request.statement.name] {
                groups[place].append(request)
            } else {
                places[request.statement.name] = groups.count
                groups.append([request])
            }
        }
        return groups.flatMap { group in
            guard group.count > 1 else { return group }
            let columns = group[0].binds.indices.map { index in
                SQLValue.joined(group.map { $0.binds[index] })
            }
            guard !columns.isEmpty, !columns.contains(nil) else { return group }
            return [Request(group[0].statement, columns.compactMap(\.self))]
        }
    }
}

extension Connection {
    /// The number of buffered bytes after which the pipeline is flushed.
    private static let batchBytes = 1 << 18

    /// Runs all requests in one round trip and returns the rows of each.
    ///
    /// Outside `transaction`, the requests are one transaction. The first error is thrown with the
    /// name of its statement; then all requests are rolled back, and the connection stays usable.
    public func pipeline(_ requests: [Request]) throws -> [[Row]] {
        if requests.isEmpty { return [] }
        let opening = isPooled && !isInTransaction ? try limitsSteps() : []
        let results = try runPipeline(opening + steps(requests))
        return try results.suffix(requests.count).map { try $0.rows() }
    }

    /// Runs all requests as `pipeline` does, between BEGIN and COMMIT in the same round trip.
    ///
    /// After a lost connection, this throws an error with `isConnectionLoss`: it is then unknown
    /// whether the transaction was committed.
    public func transactionPipeline(_ requests: [Request]) throws -> [[Row]] {
        precondition(!isInTransaction, "a transaction inside a transaction")
        if requests.isEmpty { return [] }
        var all = [try Self.plainStep("BEGIN")]
        if isPooled { all += try limitsSteps() }
        all += try steps(requests) + [Self.plainStep("COMMIT")]
        do {
            let results = try runPipeline(all)
            return try results.dropLast().suffix(requests.count).map { try $0.rows() }
        } catch {
            try endFailedTransaction()
            throw error
        }
    }

    /// Rolls back if the server is still in the transaction.
    private func endFailedTransaction() throws {
        guard let handle = openHandle, PQtransactionStatus(handle) != PQTRANS_IDLE else { return }
        // If the rollback fails, the session is closed, and the server rolls back by itself.
        do { try rollBack() } catch _ as PostgresError { close() }
    }

    /// Returns the steps of requests: one execution for each request, after a prepare if the
    /// statement is not prepared yet. Throws if another text is prepared under the name of a statement: it would be run.
    func steps(_ requests: [Request]) throws -> [PipelineStep] {
        var steps: [PipelineStep] = []
        var preparing: [String: String] = [:]
        var last: Statement?
        for request in requests {
            let statement = request.statement
            let values = try BoundValues(request.binds, statement: statement.name)
            if isPooled {
                // The unnamed statement stays parsed for the next request in the same round trip.
                let kind: PipelineStep.Kind =
                    last == statement ? .again(statement, values) : .unnamed(statement, values)
                steps.append(PipelineStep(kind: kind))
                last = statement
                continue
            }
            if let known = preparedText(statement.name) ?? preparing[statement.name] {
                guard known == statement.sql else {
                    throw PostgresError(
                        "another text was prepared under this name",
                        remedy: "give each statement a name of its own", statement: statement.name)
                }
            } else {
                preparing[statement.name] = statement.sql
                steps.append(PipelineStep(kind: .prepare(statement)))
            }
            steps.append(PipelineStep(kind: .prepared(statement, values)))
        }
        return steps
    }

    /// Returns the steps that set the limits of one transaction, as needed behind a pooler.
    func limitsSteps() throws -> [PipelineStep] {
        [
            try Self.plainStep("SET TRANSACTION", sql: SessionLimits.isolation),
            try Self.plainStep("SET LOCAL", sql: "select " + limits.settingCalls(isLocal: true)),
        ]
    }

    /// Returns the step for a statement without binds, such as BEGIN.
    static func plainStep(_ name: String, sql: String? = nil) throws -> PipelineStep {
        PipelineStep(
            kind: .unnamed(
                Statement(name: name, sql: sql ?? name), try BoundValues([], statement: name)))
    }

    /// Runs the steps in one round trip; returns the results of all steps except prepares.
    func runPipeline(_ steps: [PipelineStep]) throws -> [ServerResult] {
        let name = steps.first?.name ?? "pipeline"
        let handle = try live(name)
        guard PQenterPipelineMode(handle) == 1 else { throw sendFailure(handle, name) }
        do {
            try send(steps, on: handle)
            let results = try receive(steps, on: handle)
            guard PQexitPipelineMode(handle) == 1 else { throw sendFailure(handle, name) }
            return try results.get()
        } catch {
            // After an error of a statement, pipeline mode has ended and the connection stays usable. After any other
            // error, results may be outstanding, so the connection is closed.
            if let handle = openHandle, PQpipelineStatus(handle) != PQ_PIPELINE_OFF { close() }
            throw error
        }
    }

    private func send(_ steps: [PipelineStep], on handle: OpaquePointer) throws {
        var waiting = 0
        for step in steps {
            guard step.send(on: handle) == 1 else { throw sendFailure(handle, step.name) }
            waiting += step.byteCount
            if waiting > Self.batchBytes {
                try flush(handle, step.name)
                waiting = 0
            }
        }
        let last = steps.last?.name ?? "pipeline"
        guard PQpipelineSync(handle) == 1 else { throw sendFailure(handle, last) }
        try flush(handle, last)
    }

    /// Receives the results up to the sync. Returns the first error of a statement; throws if the
    /// connection is lost.
    private func receive(
        _ steps: [PipelineStep], on handle: OpaquePointer
    ) throws -> Result<[ServerResult], PostgresError> {
        var results: [ServerResult] = []
        var failure: PostgresError?
        for step in steps {
            guard let result = try nextResult(handle, step.name) else {
                throw PostgresError("no result", statement: step.name, isConnectionLoss: true)
            }
            if result.status == PGRES_PIPELINE_ABORTED {
                // An earlier statement failed, so this statement was not executed.
            } else if let error = result.error(libpqMessage: Self.message(handle)) {
                if error.isConnectionLoss { throw error }
                failure = failure ?? error
            } else if case .prepare(let statement) = step.kind {
                notePrepared(statement)
            } else {
                results.append(result)
            }
            guard try nextResult(handle, step.name) == nil else {
                throw PostgresError(
                    "a second answer came", statement: step.name, isConnectionLoss: true)
            }
        }
        // An error of the commit at the sync arrives before the result of the sync itself.
        var sync = try nextResult(handle, "sync")
        if let error = sync?.error(libpqMessage: Self.message(handle)), !error.isConnectionLoss {
            failure = failure ?? error
            sync = try nextResult(handle, "sync") ?? nextResult(handle, "sync")
        }
        guard sync?.status == PGRES_PIPELINE_SYNC else {
            throw PostgresError(
                Self.message(handle), statement: steps.last?.name, isConnectionLoss: true)
        }
        return failure.map { .failure($0) } ?? .success(results)
    }
}

/// The messages for one step of a pipeline.
struct PipelineStep {
    /// The kinds of steps.
    enum Kind {
        /// Prepares a statement under its name.
        case prepare(Statement)
        /// Executes a prepared statement.
        case prepared(Statement, BoundValues)
        /// Parses and executes a statement without naming it.
        case unnamed(Statement, BoundValues)
        /// Executes the unnamed statement of the previous step again.
        case again(Statement, BoundValues)
    }

    /// What the step does.
    let kind: Kind

    /// The name of the statement, for errors.
    var name: String {
        switch kind {
        case .prepare(let statement), .prepared(let statement, _), .unnamed(let statement, _),
            .again(let statement, _):
            statement.name
        }
    }

    /// The approximate number of bytes that the step sends.
    var byteCount: Int {
        switch kind {
        case .prepare(let statement): statement.sql.utf8.count
        case .prepared(_, let values), .again(_, let values): values.byteCount + 64
        case .unnamed(let statement, let values): values.byteCount + statement.sql.utf8.count + 64
        }
    }

    /// Passes the step to libpq; returns 1 on success.
    func send(on handle: OpaquePointer) -> Int32 {
        switch kind {
        case .prepare(let statement):
            PQsendPrepare(handle, statement.name, statement.sql, 0, nil)
        case .prepared(let statement, let values):
            Self.sendPrepared(statement.name, values, handle)
        case .again(_, let values): Self.sendPrepared("", values, handle)
        case .unnamed(let statement, let values):
            values.withPointers { count, pointers, lengths, formats in
                PQsendQueryParams(
                    handle, statement.sql, count, nil, pointers, lengths, formats, 1)
            }
        }
    }

    private static func sendPrepared(
        _ name: String, _ values: BoundValues, _ handle: OpaquePointer
    ) -> Int32 {
        values.withPointers { count, pointers, lengths, formats in
            PQsendQueryPrepared(handle, name, count, pointers, lengths, formats, 1)
        }
    }
}
