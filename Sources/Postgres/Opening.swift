// Opening: opens the session of a `Connection` and detects a pooler. A pooler in transaction mode
// runs each transaction in any free session, so session settings and prepared statements are lost.
// A pooler is detected because the process number that it gives at login differs from
// pg_backend_pid().
import CLibPQ
import Foundation

extension Connection {
    /// The oldest supported version of the server. Since version 14, partitions can be detached
    /// concurrently.
    static let oldestServer = 140_000

    /// Connects, sets the limits, and listens to all channels again.
    func open() throws {
        let target = try ConnectionTarget(url)
        try login(target)
        do {
            switch target.pooling {
            case .always: isPooled = true
            case .never:
                isPooled = false
                _ = try exchange("SET") {
                    PQsendQuery($0, "select " + limits.settingCalls(isLocal: false))
                }
            case .automatic: try findOutAndSet()
            }
            for channel in channels { try sendListen(channel) }
        } catch {
            close()
            throw error
        }
    }

    private func login(_ target: ConnectionTarget) throws {
        // These options come first, because options in the URL override them.
        let settings = [
            ("connect_timeout", String(limits.connectTimeoutSeconds)), ("keepalives_idle", "10"),
            ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "20000"), ("application_name", applicationName),
            ("dbname", target.libpqText), ("client_encoding", "UTF8"),
        ]
        var keys = settings.map { strdup($0.0).map { UnsafePointer($0) } }
        var values = settings.map { strdup($0.1).map { UnsafePointer($0) } }
        keys.append(nil)
        values.append(nil)
        defer { for text in keys + values { free(UnsafeMutableRawPointer(mutating: text)) } }
        guard let handle = PQconnectdbParams(keys, values, 1) else {
            throw PostgresError("out of memory", statement: "connect")
        }
        adopt(handle)
        guard PQstatus(handle) == CONNECTION_OK, PQsetnonblocking(handle, 1) == 0 else {
            let message = Self.message(handle)
            close()
            let sqlState = Refusal.isServers(message) ? Refusal.sqlState(keys, values) : nil
            throw PostgresError(
                message,
                remedy: PostgresError.usualRemedy(sqlState)
                    ?? "Is the server running and is the database URL right?",
                statement: "connect", sqlState: sqlState, isConnectionLoss: true)
        }
        do { try checkServer(handle) } catch {
            close()
            throw error
        }
        // The server's notices and warnings are ignored; otherwise libpq would print them to standard error.
        PQsetNoticeProcessor(handle, { _, _ in }, nil)
    }

    /// Refuses a server that is too old, and a database whose encoding is not UTF8.
    private func checkServer(_ handle: OpaquePointer) throws {
        let version = Int(PQserverVersion(handle))
        guard version >= Self.oldestServer else {
            throw PostgresError(
                "the server is PostgreSQL \(version / 10_000); at least \(Self.oldestServer / 10_000) is needed",
                remedy: "Use a newer server, or leave the database out for a private one.",
                statement: "connect")
        }
        guard
            let encoding = PQparameterStatus(handle, "server_encoding").map({ String(cString: $0) }
            ),
            encoding != "UTF8"
        else { return }
        let name = PQdb(handle).map { String(cString: $0) } ?? ""
        throw PostgresError(
            "the database \(name) is encoded in \(encoding); UTF8 is needed",
            remedy:
                "Make one with createdb --encoding=UTF8 --template=template0 NAME, and name it in the URL.",
            statement: "connect")
    }

    /// Detects a pooler. Sets the limits of the session, except behind a pooler, where they would
    /// affect other clients.
    private func findOutAndSet() throws {
        let own = "pg_backend_pid() = \(backendProcess)"
        let sql = """
            select \(own), case when \(own) then \(limits.settingCalls(isLocal: false)) end
            """
        let result = try exchange("SET") { PQsendQuery($0, sql) }
        isPooled = result.text(row: 0, column: 0) != "t"
    }
}
