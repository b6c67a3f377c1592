// Connection+Tools: lets PostgreSQL's own programs, such as pg_dump, reach the database of a
// connection with all options of the connection, without exposing a password.
import CLibPQ
import Foundation

/// How a PostgreSQL program reaches a database.
public struct ToolAccess: Sendable, Equatable {
    /// The value for `--dbname`. It has no passwords, because any user can read the arguments of a
    /// process.
    public let target: String
    /// Variables for the program's environment, which only the user of the program and root can
    /// read.
    public let environment: [String: String]
}

extension Connection {
    /// Returns how a PostgreSQL program reaches the database of this connection.
    public func toolAccess() throws -> ToolAccess {
        guard let list = PQconninfo(try live("connect")) else {
            throw PostgresError("out of memory", statement: "connect")
        }
        defer { PQconninfoFree(list) }
        let variables = Dictionary(
            LibpqEnvironment.options.map { ($0.keyword, $0.variable) }, uniquingKeysWith: { $1 })
        var words: [String] = []
        var environment: [String: String] = [:]
        // These options are not passed on. libpq has already replaced `service` by the options that
        // the service stands for; a tool sets its own encoding and application name.
        let passed: Set = [
            "service", "client_encoding", "application_name", "fallback_application_name",
        ]
        for one in LibpqEnvironment.conninfo(list) {
            let keyword = String(cString: one.keyword)
            guard let value = one.val.map({ String(cString: $0) }), !value.isEmpty,
                !passed.contains(keyword)
            else { continue }
            guard String(cString: one.dispchar) == "*" else {
                let escaped = value.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
                words.append("\(keyword)='\(escaped)'")
                continue
            }
            guard let variable = variables[keyword] ?? nil else {
                throw PostgresError(
                    "\(keyword) of the database URL cannot be handed to another program unseen",
                    remedy:
                        "Use a key without a password of its own, in a file that only you can read."
                )
            }
            environment[variable] = value
        }
        return ToolAccess(target: words.joined(separator: " "), environment: environment)
    }
}
