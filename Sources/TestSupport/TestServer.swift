// TestServer: one private PostgreSQL per test process, started by the first test that needs a server. A watcher process
// stops the server and removes the server's folder after the test process has ended.
import Foundation
import Postgres
import Schema
import Synchronization

/// The server for all databases of one test process.
public final class TestServer: Sendable {
    /// Returns the server of this process; the first call starts the server. If the first call failed, later calls
    /// throw the same error.
    public static func shared() throws -> TestServer { try cell.withLock { try $0.get() } }

    /// The URL of the server's maintenance database.
    public let url: String
    /// The home folder of the `PrivateServer`.
    public let home: String
    private let created = Atomic<Int>(0)

    private enum Cell {
        case empty
        case ready(TestServer)
        case broken(any Error)

        mutating func get() throws -> TestServer {
            switch self {
            case .ready(let server): return server
            case .broken(let error): throw error
            case .empty:
                do {
                    let server = try TestServer()
                    self = .ready(server)
                    return server
                } catch {
                    self = .broken(error)
                    throw error
                }
            }
        }
    }
    private static let cell = Mutex(Cell.empty)
    private static let template = "ofa_template"

    private init() throws {
        home = try TemporaryFolder.make(prefix: "ofa-test")
        let server = TestServer.server(home: home)
        try TestServer.watch(home: home, server: try server.status())
        url = try server.start()
        let connection = try Connection(url: url, applicationName: "tests")
        // A database's name cannot be a bind parameter, so it is part of the text of these statements.
        try connection.script("CREATE DATABASE \(TestServer.template)", name: "CREATE DATABASE")
        connection.close()
        let migrated = try Connection(url: url(of: TestServer.template), applicationName: "tests")
        try Migrator(migrated).migrate()
        // This table allows sessions to shift the queue's clock; see ofa.now() in
        // sql/migrations/0001_baseline.sql.
        try migrated.script("CREATE TABLE ofa.test_clock ()")
        migrated.close()
    }

    /// The settings of the server. They are fast because commits need not survive a crash.
    public static let settings = [
        "fsync = off", "synchronous_commit = off", "full_page_writes = off",
        "max_connections = 200",
    ]

    private static func server(home: String) -> PrivateServer {
        PrivateServer(home: home, settings: settings)
    }

    /// Creates a database, either a copy of the migrated template or empty, and returns its name
    /// and URL.
    func createDatabase(migrated: Bool) throws -> (name: String, url: String) {
        let name = "test_\(created.add(1, ordering: .relaxed).newValue)"
        let template = migrated ? TestServer.template : "template0"
        let connection = try Connection(url: url, applicationName: "tests")
        try connection.script(
            "CREATE DATABASE \(name) TEMPLATE \(template)", name: "CREATE DATABASE")
        return (name, url(of: name))
    }

    /// Drops a database, and ends the sessions of that database.
    func dropDatabase(_ name: String) throws {
        let connection = try Connection(url: url, applicationName: "tests")
        try connection.script("DROP DATABASE \(name) WITH (FORCE)", name: "DROP DATABASE")
    }

    private func url(of database: String) -> String {
        url.replacingOccurrences(of: "///postgres?", with: "///\(database)?")
    }

    /// Starts a watcher that stops the server and removes its folders after this process has ended.
    public static func watch(home: String, server: PrivateServer.Status) throws {
        let script = """
            pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null)
            socket=$(sed -n 5p "$1/postmaster.pid" 2>/dev/null)
            if [ -n "$pid" ]; then
              kill -QUIT "$pid" 2>/dev/null
              tries=0
              while [ -e "$1/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do
                sleep 0.1
                tries=$((tries + 1))
              done
            fi
            case "$socket" in /tmp/ofa-*) rm -rf -- "$socket" ;; esac
            rm -rf -- "$2"
            """
        try Watcher.afterEnd(run: script, [server.dataFolder, home])
    }
}

/// Folders for tests.
public enum TemporaryFolder {
    /// Makes a folder that any user may enter, and returns its path; the caller must remove the folder.
    public static func make(prefix: String) throws -> String {
        var template = Array("/tmp/\(prefix)-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw PostgresError("no folder in /tmp: \(String(cString: strerror(errno)))")
        }
        let path = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        _ = chmod(path, 0o755)
        return path
    }
}
