// QueueServer: a private PostgreSQL for benchmarks, with temporary databases.
import Foundation
import Postgres
import Schema

/// A private server in a temporary folder.
final class QueueServer {
    /// The URL of the server's maintenance database.
    let url: String
    private let server: PrivateServer
    private let home: String
    private var created = 0

    /// Starts the server with synchronous commits, as in production.
    init(maxConnections: Int = 100) throws {
        var template = Array("/tmp/ofa-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw BenchError("no folder in /tmp: \(String(cString: strerror(errno)))")
        }
        home = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        _ = chmod(home, 0o755)
        server = PrivateServer(
            home: home,
            settings: [
                "synchronous_commit = on", "fsync = on", "full_page_writes = on",
                "max_wal_size = 4GB", "shared_buffers = 512MB", "checkpoint_timeout = 15min",
                "max_connections = \(maxConnections)",
            ])
        url = try server.start()
    }

    /// Stops the server and removes its folder.
    func stop() {
        do {
            try server.stop()
            try FileManager.default.removeItem(atPath: home)
        } catch {
            Output.note("the benchmark's server stays in \(home): \(error)")
        }
    }

    /// Creates and migrates a new database; returns its URL.
    func database() throws -> String {
        let url = url(of: try create())
        let connection = try Connection(url: url, applicationName: "ofa-bench")
        defer { connection.close() }
        try Migrator(connection).migrate()
        return url
    }

    /// Creates a new empty database; returns its name.
    func create() throws -> String {
        created += 1
        let name = "bench_\(created)"
        let connection = try Connection(url: url, applicationName: "ofa-bench")
        defer { connection.close() }
        try connection.script("CREATE DATABASE \(name)", name: "CREATE DATABASE")
        // Dirty pages of the previous round must not be written during the next round.
        try connection.script("CHECKPOINT", name: "CHECKPOINT")
        return name
    }

    /// Removes the database called `name`, to which no connection is open.
    func drop(_ name: String) throws {
        let connection = try Connection(url: url, applicationName: "ofa-bench")
        defer { connection.close() }
        try connection.script("DROP DATABASE \(name) WITH (FORCE)", name: "DROP DATABASE")
    }

    /// Returns the URL of the database called `name`.
    func url(of name: String) -> String {
        url.replacingOccurrences(of: "///postgres?", with: "///\(name)?")
    }

    /// Returns the PG* variables with which clients reach the database called `name`.
    func environment(of name: String) throws -> [String: String] {
        guard let components = URLComponents(string: url),
            let host = components.queryItems?.first(where: { $0.name == "host" })?.value
        else { throw BenchError("the server's URL has no socket folder: \(url)") }
        let user = components.queryItems?.first { $0.name == "user" }?.value ?? components.user
        return ["PGHOST": host, "PGPORT": "5432", "PGUSER": user ?? "ofa", "PGDATABASE": name]
    }
}
