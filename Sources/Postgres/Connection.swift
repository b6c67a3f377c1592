// Connection: one session with PostgreSQL through libpq. Statements are prepared at their first use
// and answers come in binary form, so that bytes, doubles and timestamps are exact. A connection
// belongs to the thread that uses it; it is deliberately not Sendable.
import CLibPQ
import Foundation

/// One connection to a database, used by one thread at a time.
public final class Connection {
    /// Where it is connected to.
    public let url: String
    /// The name it shows in pg_stat_activity.
    public let applicationName: String
    /// The longest a statement may run, in seconds; 0 means no limit.
    public let statementTimeoutSeconds: Double

    private var handle: OpaquePointer?
    private var preparedNames: Set<String> = []
    /// True between BEGIN and COMMIT of `transaction`.
    public private(set) var isInTransaction = false

    /// Connects; throws `PostgresError` with `isConnectionLoss` when the server cannot be reached.
    public init(
        url: String, applicationName: String = "ofa", statementTimeoutSeconds: Double = 60
    ) throws {
        self.url = url
        self.applicationName = applicationName
        self.statementTimeoutSeconds = statementTimeoutSeconds
        try open()
    }

    deinit { close() }

    /// Ends the session; any later statement fails.
    public func close() {
        if let handle { PQfinish(handle) }
        handle = nil
        preparedNames = []
    }

    /// Drops the session and opens a new one to the same database.
    public func reconnect() throws {
        precondition(
            !isInTransaction, "reconnecting inside a transaction would lose its first half")
        close()
        try open()
    }

    /// The server's process number for this session.
    public var backendProcess: Int { handle.map { Int(PQbackendPID($0)) } ?? 0 }
    /// The server's version, for example 150020 for 15.20.
    public var serverVersion: Int { handle.map { Int(PQserverVersion($0)) } ?? 0 }

    // MARK: Statements

    /// Runs a statement and returns its rows.
    public func query(_ statement: Statement, _ binds: [SQLValue] = []) throws -> [Row] {
        let result = try run(statement, binds)
        defer { PQclear(result) }
        return try Self.rows(of: result, statement: statement.name)
    }

    /// Runs a statement that must answer with exactly one row.
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
        let result = try run(statement, binds)
        defer { PQclear(result) }
        return Int(String(cString: PQcmdTuples(result))) ?? 0
    }

    /// Runs text of one or more statements without binds, such as a migration, SET or LISTEN.
    public func script(_ sql: String, name: String = "script") throws {
        let handle = try live(name)
        let result = PQexec(handle, sql)
        defer { PQclear(result) }
        try check(result, statement: name)
    }

    // MARK: Transactions

    /// Runs `body` in one transaction: committed when it returns, rolled back when it throws. A
    /// COMMIT that gets no answer throws with `isConnectionLoss`: whether it took place is unknown.
    public func transaction<T>(_ body: (Connection) throws -> T) throws -> T {
        precondition(!isInTransaction, "a transaction inside a transaction")
        try script("BEGIN", name: "BEGIN")
        isInTransaction = true
        defer { isInTransaction = false }
        let value: T
        do {
            value = try body(self)
        } catch {
            // When the rollback fails the session is gone, and the server rolls back by itself.
            do { try script("ROLLBACK", name: "ROLLBACK") } catch _ as PostgresError { close() }
            throw error
        }
        let result = PQexec(try live("COMMIT"), "COMMIT")
        defer { PQclear(result) }
        try check(result, statement: "COMMIT")
        guard String(cString: PQcmdStatus(result)) == "COMMIT" else {
            throw PostgresError(
                "the transaction was rolled back because a statement in it had failed",
                statement: "COMMIT", sqlState: "25P02")
        }
        return value
    }

    // MARK: libpq

    private func open() throws {
        // Defaults come first: what the URL says after them wins.
        let settings = [
            ("connect_timeout", "10"), ("keepalives_idle", "10"), ("keepalives_interval", "5"),
            ("keepalives_count", "3"), ("tcp_user_timeout", "20000"), ("dbname", url),
            ("fallback_application_name", applicationName), ("client_encoding", "UTF8"),
        ]
        var keys = settings.map { strdup($0.0).map { UnsafePointer($0) } }
        var values = settings.map { strdup($0.1).map { UnsafePointer($0) } }
        keys.append(nil)
        values.append(nil)
        defer { for text in keys + values { free(UnsafeMutableRawPointer(mutating: text)) } }
        handle = PQconnectdbParams(keys, values, 1)
        guard let handle, PQstatus(handle) == CONNECTION_OK else {
            let message = handle.map { Self.oneLine(PQerrorMessage($0)) } ?? "out of memory"
            close()
            throw PostgresError(
                message, remedy: "Is the server running and is the database URL right?",
                statement: "connect", isConnectionLoss: true)
        }
        // Warnings only repeat what the next error says; libpq would print them on standard error.
        PQsetNoticeProcessor(handle, { _, _ in }, nil)
        let timeoutMs = Int(statementTimeoutSeconds * 1000)
        try script(
            """
            SET search_path = ofa, public; SET timezone = 'UTC'; SET client_min_messages = warning;
            SET statement_timeout = \(timeoutMs); SET lock_timeout = 20000;
            SET idle_in_transaction_session_timeout = 60000
            """, name: "SET")
    }

    private func live(_ statement: String) throws -> OpaquePointer {
        guard let handle else {
            throw PostgresError(
                "the connection is closed", statement: statement, isConnectionLoss: true)
        }
        return handle
    }

    private func prepare(_ statement: Statement, on handle: OpaquePointer) throws {
        if preparedNames.contains(statement.name) { return }
        let result = PQprepare(handle, statement.name, statement.sql, 0, nil)
        defer { PQclear(result) }
        try check(result, statement: statement.name)
        preparedNames.insert(statement.name)
    }

    /// Returns a result the caller must clear.
    private func run(_ statement: Statement, _ binds: [SQLValue]) throws -> OpaquePointer {
        let handle = try live(statement.name)
        try prepare(statement, on: handle)
        let wires = binds.map(\.wire)
        for (index, wire) in wires.enumerated() where !wire.isBinary {
            // A zero ends the text on its way: the rest would silently be cut off.
            guard wire.bytes?.dropLast().contains(0) != true else {
                throw PostgresError(
                    "bind $\(index + 1) holds a zero character, which PostgreSQL text cannot",
                    statement: statement.name, sqlState: "22021")
            }
        }
        let lengths = wires.map { Int32($0.bytes?.count ?? 0) }
        let formats = wires.map { Int32($0.isBinary ? 1 : 0) }
        // One buffer holds every value; an empty value still needs an address, so each gets a byte
        // more.
        var buffer: [UInt8] = []
        buffer.reserveCapacity(wires.reduce(0) { $0 + ($1.bytes?.count ?? 0) + 1 })
        var offsets: [Int?] = []
        for wire in wires {
            offsets.append(wire.bytes.map { _ in buffer.count })
            buffer.append(contentsOf: wire.bytes ?? [])
            buffer.append(0)
        }
        let result = buffer.withUnsafeBytes { raw in
            let base = raw.baseAddress?.assumingMemoryBound(to: CChar.self)
            let pointers = offsets.map { offset in offset.flatMap { base?.advanced(by: $0) } }
            return PQexecPrepared(
                handle, statement.name, Int32(binds.count), pointers, lengths, formats, 1)
        }
        do {
            try check(result, statement: statement.name)
        } catch {
            PQclear(result)
            throw error
        }
        guard let result else { throw PostgresError("no result", statement: statement.name) }
        return result
    }

    private func check(_ result: OpaquePointer?, statement: String) throws {
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: return
        default: break
        }
        let field = { (code: Int32) in PQresultErrorField(result, code).map { String(cString: $0) }
        }
        let sqlState = field(Int32(UInt8(ascii: "C")))
        var message = field(Int32(UInt8(ascii: "M"))) ?? ""
        if message.isEmpty {
            message = handle.map { Self.oneLine(PQerrorMessage($0)) } ?? "no answer"
        }
        if let detail = field(Int32(UInt8(ascii: "D"))) { message += " (\(detail))" }
        // What the server did not say, libpq says: the way to the server is broken. PQstatus tells
        // so only at the next call when the server had said goodbye before it closed.
        throw PostgresError(
            message, remedy: PostgresError.usualRemedy(sqlState), statement: statement,
            sqlState: sqlState, constraint: field(Int32(UInt8(ascii: "n"))),
            isConnectionLoss: sqlState.map(PostgresError.saysConnectionLost) ?? true)
    }

    private static func rows(of result: OpaquePointer, statement: String) throws -> [Row] {
        let width = PQnfields(result)
        var names: [String: Int] = [:]
        for column in 0..<width { names[String(cString: PQfname(result, column))] = Int(column) }
        let columns = Columns(statement: statement, indexByName: names)
        let types = (0..<width).map { UInt32(PQftype(result, $0)) }
        return try (0..<PQntuples(result)).map { row in
            let values = try (0..<width).map { column -> SQLValue in
                if PQgetisnull(result, row, column) == 1 { return .null }
                let bytes = UnsafeRawBufferPointer(
                    start: PQgetvalue(result, row, column),
                    count: Int(PQgetlength(result, row, column)))
                do throws(BinaryFormat.Undecodable) {
                    return try BinaryFormat.decode(bytes, type: types[Int(column)])
                } catch {
                    let name = String(cString: PQfname(result, column))
                    throw PostgresError(
                        "column \(name): \(error.reason)",
                        remedy: "Cast it in the statement, for example \(name)::text.",
                        statement: statement)
                }
            }
            return Row(columns: columns, values: values)
        }
    }

    private static func oneLine(_ text: UnsafePointer<CChar>?) -> String {
        guard let text else { return "" }
        return String(cString: text).split(whereSeparator: \.isNewline)
            .map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: "; ")
    }
}
