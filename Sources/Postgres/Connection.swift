// Connection: one session with PostgreSQL through libpq. Statements are prepared at their first use, and results are in
// the binary format, so that bytes, doubles and timestamps are exact. A connection belongs to the thread that uses it,
// so it is not Sendable. Behind a pooler in transaction mode (pgbouncer), this program stores no state in the session
// (see Opening.swift).
import CLibPQ
import Foundation

/// One connection to a database, used by one thread at a time.
public final class Connection {
    /// The URL of the database.
    public let url: String
    /// The name of the session in pg_stat_activity.
    public let applicationName: String
    /// The time limits of the session.
    public private(set) var limits: SessionLimits
    /// The longest time that a statement may run, in seconds; 0 means no limit.
    public var statementTimeoutSeconds: Double { limits.statementTimeoutSeconds }

    private var handle: OpaquePointer?
    /// The texts of the statements that are prepared in this session, by name.
    private var preparedTexts: [String: String] = [:]
    /// True between BEGIN and COMMIT of `transaction`.
    public private(set) var isInTransaction = false
    /// True behind a pooler. Then statements are unnamed, every transaction sets its own time
    /// limits, and LISTEN is refused.
    public internal(set) var isPooled = false
    /// The channels that the session listens to, also after a reconnect.
    public internal(set) var channels: [String] = []
    /// How long the client waits for a silent server; nil means forever.
    var patience: Duration?
    /// A request that was sent and whose answer is not received yet, with the name of its statement.
    var outstanding: (answer: LaterAnswer, statement: String)?

    /// Connects. Throws `PostgresError` with `isConnectionLoss` if the server is unreachable or
    /// refuses the connection.
    ///
    /// The URL may contain `ofa_pooled=1` (there is a pooler in transaction mode) or `ofa_pooled=0`
    /// (there is none); otherwise a pooler is detected.
    public init(url: String, applicationName: String = "ofa", limits: SessionLimits) throws {
        self.url = url
        self.applicationName = applicationName
        self.limits = limits
        patience = limits.patience
        try open()
    }

    /// Connects with the default limits, except for the statement timeout.
    public convenience init(
        url: String, applicationName: String = "ofa", statementTimeoutSeconds: Double = 60
    ) throws {
        try self.init(
            url: url, applicationName: applicationName,
            limits: SessionLimits(statementTimeoutSeconds: statementTimeoutSeconds))
    }

    deinit { close() }

    /// Ends the session. Later statements fail until `reconnect` is called.
    public func close() {
        if let handle { PQfinish(handle) }
        handle = nil
        preparedTexts = [:]
        settle()
    }

    /// Ends the session and opens a new session to the same database. The new session listens to
    /// the same channels.
    public func reconnect() throws {
        precondition(
            !isInTransaction, "reconnecting inside a transaction would lose its first half")
        close()
        try open()
    }

    /// The number of the server process for this session; 0 if the session is closed. Behind a
    /// pooler, this is a number that the pooler invented.
    public var backendProcess: Int { handle.map { Int(PQbackendPID($0)) } ?? 0 }
    /// The server's version, such as 150020 for 15.20; 0 if the session is closed.
    public var serverVersion: Int { handle.map { Int(PQserverVersion($0)) } ?? 0 }

    /// Whether the server is reached over a unix socket or the loopback interface. Such a server is
    /// assumed to run on this machine and to use its processors.
    public var isOnThisMachine: Bool {
        guard let handle, let host = PQhost(handle).map({ String(cString: $0) }) else {
            return false
        }
        return host.isEmpty || host.hasPrefix("/") || host.hasPrefix("@")
            || ["localhost", "127.0.0.1", "::1"].contains(host)
    }

    // MARK: Statements

    /// Runs a statement and returns its rows.
    public func query(_ statement: Statement, _ binds: [SQLValue] = []) throws -> [Row] {
        try run(statement, binds).rows()
    }

    /// Runs a statement that must return exactly one row, and returns that row.
    public func queryOne(_ statement: Statement, _ binds: [SQLValue] = []) throws -> Row {
        let rows = try query(statement, binds)
        guard rows.count == 1 else {
            throw PostgresError("one row expected, \(rows.count) came", statement: statement.name)
        }
        return rows[0]
    }

    /// Runs a statement and returns how many rows it affected.
    @discardableResult
    public func execute(_ statement: Statement, _ binds: [SQLValue] = []) throws -> Int {
        try run(statement, binds).affectedRows
    }

    /// Runs a request and returns its rows.
    public func query(_ request: Request) throws -> [Row] {
        try query(request.statement, request.binds)
    }

    /// Runs a request that must return exactly one row, and returns that row.
    public func queryOne(_ request: Request) throws -> Row {
        try queryOne(request.statement, request.binds)
    }

    /// Runs a request and returns how many rows it affected.
    @discardableResult
    public func execute(_ request: Request) throws -> Int {
        try execute(request.statement, request.binds)
    }

    /// Runs one or more statements without binds, such as a migration or SET.
    ///
    /// Behind a pooler the whole text is one transaction, and later statements cannot rely on
    /// session settings in the text.
    public func script(_ sql: String, name: String = "script") throws {
        let opening =
            isPooled && !isInTransaction
            ? "\(SessionLimits.isolation); select \(limits.settingCalls(isLocal: true));\n" : ""
        _ = try exchange(name) { PQsendQuery($0, opening + sql) }
    }

    /// Sends an empty query. If no answer comes within `timeoutSeconds`, the connection counts as
    /// lost.
    public func ping(timeoutSeconds: Double) throws {
        let usual = patience
        patience = .seconds(timeoutSeconds)
        defer { patience = usual }
        _ = try exchange("ping") { PQsendQuery($0, "") }
    }

    /// Runs `body` with other time limits, then sets the previous limits again.
    public func under<T>(_ other: SessionLimits, _ body: () throws -> T) throws -> T {
        let usual = limits
        try set(other)
        let outcome = Result(catching: body)
        // If this fails, the session is lost; `reconnect` sets the previous limits.
        do { try set(usual) } catch let error as PostgresError {
            (limits, patience) = (usual, usual.patience)
            if case .success = outcome { throw error }
        }
        return try outcome.get()
    }

    private func set(_ other: SessionLimits) throws {
        // Behind a pooler every transaction sets its own limits.
        if !isPooled { try script("select " + other.settingCalls(isLocal: false), name: "SET") }
        limits = other
        patience = other.patience
    }

    // MARK: Transactions

    /// Runs `body` in one transaction, which is committed when `body` returns and rolled back when
    /// it throws. If the response to COMMIT is lost, this throws an error with `isConnectionLoss`:
    /// it is then unknown whether the transaction was committed.
    public func transaction<T>(_ body: (Connection) throws -> T) throws -> T {
        precondition(!isInTransaction, "a transaction inside a transaction")
        try begin()
        isInTransaction = true
        defer { isInTransaction = false }
        let value: T
        do {
            value = try body(self)
        } catch {
            // If the rollback fails, the session is closed, and the server rolls back by itself.
            do { try rollBack() } catch _ as PostgresError { close() }
            throw error
        }
        let result = try exchange("COMMIT") { PQsendQuery($0, "COMMIT") }
        guard result.command == "COMMIT" else {
            throw PostgresError(
                "the transaction was rolled back because a statement in it had failed",
                statement: "COMMIT", sqlState: "25P02")
        }
        return value
    }

    private func begin() throws {
        if isPooled {
            _ = try runPipeline([Self.plainStep("BEGIN")] + limitsSteps())
        } else {
            _ = try exchange("BEGIN") { PQsendQuery($0, "BEGIN") }
        }
    }

    /// Rolls back the current transaction.
    func rollBack() throws { _ = try exchange("ROLLBACK") { PQsendQuery($0, "ROLLBACK") } }

    // MARK: libpq

    /// Returns the libpq session after the answer of an earlier request is received; throws an error with
    /// `isConnectionLoss` if the session is closed.
    func live(_ statement: String) throws -> OpaquePointer {
        settle()
        guard let handle else {
            throw PostgresError(
                "the connection is closed", statement: statement, isConnectionLoss: true)
        }
        return handle
    }

    /// The libpq session; nil if it is closed.
    var openHandle: OpaquePointer? { handle }

    /// Takes over a new libpq session.
    func adopt(_ new: OpaquePointer) { handle = new }

    /// Returns the text that is prepared in this session under `name`; nil if there is none.
    func preparedText(_ name: String) -> String? { preparedTexts[name] }

    /// Records that the statement is prepared in this session.
    func notePrepared(_ statement: Statement) { preparedTexts[statement.name] = statement.sql }

    private func run(_ statement: Statement, _ binds: [SQLValue]) throws -> ServerResult {
        if isPooled && !isInTransaction {
            let results = try runPipeline(limitsSteps() + steps([Request(statement, binds)]))
            guard let last = results.last else {
                throw PostgresError("no result", statement: statement.name)
            }
            return last
        }
        var result: ServerResult?
        // Steps that share a sync are one transaction, and some statements cannot run in a
        // transaction. So the prepare and the execution are sent one after the other, each with its
        // own sync.
        for step in try steps([Request(statement, binds)]) {
            result = try exchange(statement.name) { step.send(on: $0) }
            if case .prepare = step.kind { notePrepared(statement) }
        }
        guard let result else { throw PostgresError("no result", statement: statement.name) }
        return result
    }
}
