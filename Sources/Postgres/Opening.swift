// Opening: makes the session of a Connection, and finds out whether a pooler stands in between. A
// pooler in transaction mode gives every transaction whatever session is free, so settings and
// prepared statements of a session do not hold; it shows by the process number that the client was
// given at login, which is not that of the server's process.
import CLibPQ
import Foundation

extension Connection {
    /// Connects, sets the limits, and listens again to what was listened to.
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
        // Defaults come first: what the URL says after them wins.
        let settings = [
            ("connect_timeout", String(limits.connectTimeoutSeconds)), ("keepalives_idle", "10"),
            ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "20000"), ("dbname", target.libpqText),
            ("fallback_application_name", applicationName), ("client_encoding", "UTF8"),
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
            throw PostgresError(
                message, remedy: "Is the server running and is the database URL right?",
                statement: "connect", isConnectionLoss: true)
        }
        // Warnings only repeat what the next error says; libpq would print them on standard error.
        PQsetNoticeProcessor(handle, { _, _ in }, nil)
    }

    /// Sets the limits for the session unless it is a pooler's, whose next guest would have them.
    private func findOutAndSet() throws {
        let own = "pg_backend_pid() = \(backendProcess)"
        let sql = """
            select \(own), case when \(own) then \(limits.settingCalls(isLocal: false)) end
            """
        let result = try exchange("SET") { PQsendQuery($0, sql) }
        isPooled = result.text(row: 0, column: 0) != "t"
    }
}

/// What a database URL says: the part for libpq, and what this program makes of a pooler.
public struct ConnectionTarget: Sendable, Equatable {
    /// Whether a pooler in transaction mode stands before the server.
    public enum Pooling: String, Sendable {
        /// Found out when connecting.
        case automatic = "auto"
        /// Taken for granted.
        case always = "1"
        /// A session is a session, whatever it looks like.
        case never = "0"
    }

    /// The URL without what libpq does not know; for libpq and PostgreSQL's own tools.
    public let libpqText: String
    /// What `ofa_pooled` says.
    public let pooling: Pooling

    /// Reads a URL or a text of `key=value` words.
    public init(_ url: String) throws {
        let key = "ofa_pooled="
        let isURL = url.hasPrefix("postgresql://") || url.hasPrefix("postgres://")
        var kept = url
        var values: [Substring] = []
        if isURL, let mark = url.firstIndex(of: "?") {
            let words = url[url.index(after: mark)...].split(separator: "&")
            values = words.filter { $0.hasPrefix(key) }
            let rest = words.filter { !$0.hasPrefix(key) }.joined(separator: "&")
            kept = url[..<mark] + (rest.isEmpty ? "" : "?" + rest)
        } else if !isURL {
            values = url.split(separator: " ").filter { $0.hasPrefix(key) }
            for value in values { kept = kept.replacingOccurrences(of: value, with: "") }
        }
        libpqText = values.isEmpty ? url : kept
        guard let value = values.last?.dropFirst(key.count) else {
            pooling = .automatic
            return
        }
        guard let pooling = Pooling(rawValue: String(value)) else {
            throw PostgresError(
                "ofa_pooled is 0, 1 or auto, not \(value)", remedy: "Correct the database URL.",
                sqlState: "22023")
        }
        self.pooling = pooling
    }
}
