// PgBouncer: a real pgbouncer in transaction mode in front of a test server. pgbouncer has its own unix socket.
import Foundation
import Postgres

/// A pooler with few server sessions, which runs each transaction in any session that is free.
public final class PgBouncer: Sendable {
    private static let port = 6432
    private let folder: String
    private let process: pid_t

    /// Whether pgbouncer is installed.
    public static var isInstalled: Bool { program != nil }

    private static var program: String? {
        ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"]
            .first { access($0, X_OK) == 0 }
    }

    /// Starts pgbouncer in front of the server of `url`, with at most `poolSize` sessions per database.
    public init(before url: String, poolSize: Int = 2, maxClients: Int = 200) throws {
        guard let program = Self.program else {
            throw PostgresError(
                "pgbouncer is not installed", remedy: "apt-get install pgbouncer")
        }
        folder = try TemporaryFolder.make(prefix: "ofa-bouncer")
        let user = geteuid() == 0 ? SystemUser(named: "postgres") : nil
        if let user { _ = chown(folder, user.id, user.groupID) }
        let configuration = """
            [databases]
            * = host=\(try DatabaseURL.socketFolder(of: url)) port=5432 user=ofa
            [pgbouncer]
            pool_mode = transaction
            auth_type = any
            unix_socket_dir = \(folder)
            listen_port = \(Self.port)
            default_pool_size = \(poolSize)
            max_client_conn = \(maxClients)
            server_login_retry = 1
            logfile = \(folder)/log
            pidfile = \(folder)/pid
            """
        let path = folder + "/pgbouncer.ini"
        try configuration.write(toFile: path, atomically: false, encoding: .utf8)
        try Watcher.afterEnd(
            run: "kill -KILL \"$(cat \"$1/pid\")\" 2>/dev/null\nrm -rf -- \"$1\"", [folder])
        let outcome = try ChildProcess(user: user).run([program, "-q", "-d", path])
        let pidFile = folder + "/pid"
        var found: pid_t?
        let deadline = ContinuousClock.now + .seconds(30)
        while found == nil, outcome.exitCode == 0, ContinuousClock.now < deadline {
            Thread.sleep(forTimeInterval: 0.01)
            // The pid file is written last, after the sockets are open.
            let text = FileManager.default.contents(atPath: pidFile) ?? Data()
            found = pid_t(
                String(decoding: text, as: UTF8.self).trimmingCharacters(
                    in: .whitespacesAndNewlines)
            )
        }
        guard let found, found > 1 else {
            let log = FileManager.default.contents(atPath: folder + "/log") ?? Data()
            throw PostgresError(
                "pgbouncer did not start: \(outcome.output)\(String(decoding: log, as: UTF8.self))")
        }
        process = found
    }

    deinit {
        kill(process, SIGKILL)
        do { try FileManager.default.removeItem(atPath: folder) } catch {
            print("\(folder) stays: \(error)")
        }
    }

    /// Returns `database`, the URL of a database of the server, redirected through the pooler.
    public func url(of database: String) -> String {
        DatabaseURL.url(database, host: folder, port: Self.port)
    }
}
