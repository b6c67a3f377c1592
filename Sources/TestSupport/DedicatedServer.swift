// DedicatedServer: a PostgreSQL server for one test. The test can stop and restart the server at any time, and promote
// a standby.
import Foundation
import Postgres

/// A server of one test; stopped and removed on deinit.
public final class DedicatedServer: Sendable {
    /// The home folder.
    public let home: String
    /// The URL of the server's maintenance database; the same after each start.
    public let url: String
    private let dataFolder: String
    private let user: String
    private let settings: [String]

    /// The settings of a `DedicatedServer`. Commits survive a crash of the server, but not of the machine.
    public static let settings = ["fsync = off", "max_connections = 200"]

    /// Starts a new, empty server.
    public convenience init(settings: [String] = []) throws {
        try self.init(
            home: TemporaryFolder.make(prefix: "ofa-test"), settings: Self.settings + settings
        ) { _ in }
    }

    private init(
        home: String, settings: [String], prepare: (PrivateServer.Status) throws -> Void
    ) throws {
        self.home = home
        self.settings = settings
        let server = PrivateServer(home: home, settings: settings)
        let before = try server.status()
        try TestServer.watch(home: home, server: before)
        try prepare(before)
        url = try server.start()
        let status = try server.status()
        (dataFolder, user) = (status.dataFolder, status.user)
    }

    deinit {
        do {
            try PrivateServer(home: home).stop()
            try FileManager.default.removeItem(atPath: home)
        } catch { print("the server in \(home) was not removed: \(error)") }
    }

    /// Opens a connection to the maintenance database.
    public func connect(
        applicationName: String = "test", limits: SessionLimits = SessionLimits()
    ) throws -> Connection {
        try Connection(url: url, applicationName: applicationName, limits: limits)
    }

    // MARK: Life and death

    /// Starts the server again, with crash recovery if necessary.
    public func start() throws {
        _ = try PrivateServer(home: home, settings: settings).start()
    }

    /// Shuts the server down in PostgreSQL's fast mode, which ends all sessions.
    public func stop() throws { try PrivateServer(home: home, settings: settings).stop() }

    /// Shuts the server down immediately, without a checkpoint, like a crash.
    public func stopImmediately() throws {
        try control(["stop", "--mode=immediate", "--wait", "--timeout=60"])
    }

    private func control(_ arguments: [String]) throws {
        try Self.run(
            [Self.program("pg_ctl")] + arguments + ["--pgdata=\(dataFolder)", "--silent"],
            user: user)
    }

    /// Returns the path of a program in the folder of the `postgres` binary, with symbolic links resolved.
    private static func program(_ name: String) throws -> String {
        let server = try ServerBinaries.find().path("postgres") as NSString
        let folder = (server.resolvingSymlinksInPath as NSString).deletingLastPathComponent
        return folder + "/" + name
    }

    private static func run(_ command: [String], user: String) throws {
        let outcome = try ChildProcess(user: SystemUser(named: user)).run(command, folder: "/")
        guard outcome.exitCode == 0 else {
            throw PostgresError("\(command.joined(separator: " ")): \(outcome.output)")
        }
    }

    // MARK: Standby

    /// Creates and starts a standby with streaming replication from this server.
    public func makeStandby() throws -> DedicatedServer {
        let socketFolder = try DatabaseURL.socketFolder(of: url)
        let owner = user
        let home = try TemporaryFolder.make(prefix: "ofa-test")
        return try DedicatedServer(home: home, settings: settings) { status in
            let parent = (status.dataFolder as NSString).deletingLastPathComponent
            try FileManager.default.createDirectory(
                atPath: parent, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
            if geteuid() == 0, let user = SystemUser(named: owner) {
                _ = chown(parent, user.id, user.groupID)
            }
            try Self.run(
                [
                    Self.program("pg_basebackup"), "--host=\(socketFolder)", "--username=ofa",
                    "--checkpoint=fast",
                    "--pgdata=\(status.dataFolder)", "--wal-method=stream", "--no-sync",
                    "--write-recovery-conf",
                ], user: owner)
        }
    }

    /// Waits until this standby has replayed everything that `primary` has written so far.
    public func catchUp(with primary: DedicatedServer) throws {
        let position = Statement(
            name: "WalPosition", sql: "select pg_current_wal_insert_lsn()::text as lsn")
        let target = try primary.connect().queryOne(position).text("lsn")
        let replayed = Statement(
            name: "WalReplayed",
            sql: "select pg_last_wal_replay_lsn() >= $1::text::pg_lsn as done")
        try wait("the standby did not catch up") { connection in
            try connection.queryOne(replayed, [.text(target)]).bool("done")
        }
    }

    /// Stops replication: later commits of the primary do not reach this standby.
    public func cutReplication() throws {
        let connection = try connect()
        try connection.script("alter system set primary_conninfo = ''")
        try connection.script("select pg_reload_conf()")
        let receivers = Statement(
            name: "WalReceivers", sql: "select count(*) as n from pg_stat_wal_receiver")
        try wait("the standby still follows") { try $0.queryOne(receivers).int("n") == 0 }
    }

    /// Promotes this standby.
    public func promote() throws { try control(["promote", "--wait", "--timeout=60"]) }

    private func wait(_ what: String, until isDone: (Connection) throws -> Bool) throws {
        let connection = try connect()
        let deadline = ContinuousClock.now + .seconds(60)
        while try !isDone(connection) {
            guard ContinuousClock.now < deadline else { throw PostgresError(what) }
            Thread.sleep(forTimeInterval: 0.01)
        }
    }
}
