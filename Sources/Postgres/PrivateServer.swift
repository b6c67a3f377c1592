// PrivateServer: a private PostgreSQL server below a home folder, without TCP, started on demand.
// An existing data folder is never overwritten: a new folder is made under another name and then
// renamed.
import Foundation

/// The private PostgreSQL server of one home folder.
public final class PrivateServer {
    /// The state of a server.
    public enum State: String, Sendable, Codable {
        /// There is no data folder yet.
        case absent
        /// There is a data folder, but no server runs.
        case stopped
        /// The server answers.
        case running
        /// The server runs but refuses connections.
        case unreachable
    }

    /// The place and state of a server.
    public struct Status: Sendable, Codable, Equatable {
        /// The state of the server.
        public let state: State
        /// The URL of the database; nil unless the server answers.
        public let url: String?
        /// The process number of the server; nil if no server runs.
        public let process: Int?
        /// Why a running server cannot be reached; nil otherwise.
        public let problem: String?
        /// The path of the data folder.
        public let dataFolder: String
        /// The path of the log file.
        public let logFile: String
        /// The major version of the data folder; nil if there is no data folder.
        public let majorVersion: Int?
        /// The name of the user that runs the server.
        public let user: String
    }

    /// The absolute path of the home folder.
    public let home: String
    /// Extra lines for the configuration of the server.
    public let settings: [String]
    private let sharedFolder: String

    /// Describes the server of `home`; starts and writes nothing. If the user that runs the server cannot enter `home`,
    /// the data is put below `sharedFolder`.
    public init(home: String, settings: [String] = [], sharedFolder: String = "/var/lib/ofa") {
        let url = URL(fileURLWithPath: home).standardizedFileURL
        self.home =
            url.path.hasSuffix("/") && url.path != "/" ? String(url.path.dropLast()) : url.path
        self.settings = settings
        self.sharedFolder = sharedFolder
    }

    /// Starts the server unless it runs, creates its database the first time, and returns the URL
    /// of the database.
    ///
    /// Several programs may call this at the same time. Throws `PostgresError`.
    public func start() throws -> String {
        let place = try ServerPlace.resolve(home: home, sharedFolder: sharedFolder)
        return try locked {
            try place.prepare()
            let deadline = ContinuousClock.now + .seconds(5)
            while let running = try findRunning(place) {
                guard let problem = try refusal(running.url) else { return running.url }
                // A server that is shutting down refuses connections too, and soon ends. A server
                // that keeps running is not stopped here, because others may be using the server.
                guard ContinuousClock.now < deadline else {
                    throw Self.unreachable(running, problem, place)
                }
                Thread.sleep(forTimeInterval: 0.1)
            }
            let binaries = try binaries(for: place)
            if try majorVersion(place) == nil { try initialise(place, binaries) }
            try removeStaleFiles(place)
            try configure(place)
            try launch(place, binaries)
            return Self.url(socketFolder: place.socketFolder)
        }
    }

    /// Stops the server, which ends open connections; does nothing if it is not running.
    public func stop() throws {
        guard FileManager.default.fileExists(atPath: home) else { return }
        let place = try ServerPlace.resolve(home: home, sharedFolder: sharedFolder)
        try locked {
            guard try findRunning(place) != nil else { return }
            try stopServer(place)
            // The socket folder is empty now. If it cannot be removed, that does no harm.
            _ = rmdir(place.socketFolder)
        }
    }

    /// Returns the place and the state of the server; changes nothing.
    public func status() throws -> Status {
        guard FileManager.default.fileExists(atPath: home) else {
            return Status(
                state: .absent, url: nil, process: nil, problem: nil,
                dataFolder: home + "/postgres/data",
                logFile: home + "/postgres/server.log", majorVersion: nil,
                user: SystemUser(id: geteuid()).name)
        }
        let place = try ServerPlace.resolve(home: home, sharedFolder: sharedFolder)
        let version = try majorVersion(place)
        let running = try findRunning(place)
        let problem = try running.flatMap { try refusal($0.url) }
        let state: State =
            running != nil
            ? problem == nil ? .running : .unreachable : version == nil ? .absent : .stopped
        return Status(
            state: state, url: problem == nil ? running?.url : nil,
            process: running.map { Int($0.process) }, problem: problem?.message,
            dataFolder: place.dataFolder, logFile: place.logFile, majorVersion: version,
            user: place.user.name)
    }

    /// Returns the URL of the server whose socket is in `socketFolder`. The URL sets each option
    /// that the environment could change, because variables such as `PGPORT`, `PGHOSTADDR` and
    /// `PGTARGETSESSIONATTRS` must not lead to another server.
    static func url(socketFolder: String) -> String {
        let said = ["host": socketFolder, "port": "5432", "dbname": "postgres", "user": "ofa"]
        let words = LibpqEnvironment.complete(
            said.merging(["client_encoding": "UTF8"]) { $1 })
        return "postgresql:///postgres?"
            + words.filter { $0.keyword != "dbname" }
            .map { "\($0.keyword)=\(ConnectionTarget.encoded($0.value))" }.joined(separator: "&")
    }

    // MARK: Finding

    private func findRunning(_ place: ServerPlace) throws -> (process: pid_t, url: String)? {
        guard let file = try PostmasterFile.read(dataFolder: place.dataFolder),
            file.isServing(dataFolder: place.dataFolder)
        else { return nil }
        let folder = file.socketFolder.isEmpty ? place.socketFolder : file.socketFolder
        return (file.process, Self.url(socketFolder: folder))
    }

    /// Returns why the server refuses connections, or nil if it accepts them. Waits up to a minute
    /// while the server is starting up or recovering.
    private func refusal(_ url: String) throws -> PostgresError? {
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            do {
                try Connection(url: url, applicationName: "ofa private server").close()
                return nil
            } catch let error as PostgresError where error.isConnectionLoss {
                let isStarting =
                    error.message.contains("starting up") || error.message.contains("recovery")
                if !isStarting || ContinuousClock.now > deadline { return error }
                Thread.sleep(forTimeInterval: 0.1)
            }
        }
    }

    /// Returns the error for a running server that refuses connections.
    private static func unreachable(
        _ running: (process: pid_t, url: String), _ problem: PostgresError, _ place: ServerPlace
    ) -> PostgresError {
        PostgresError(
            "the private server runs (process \(running.process)) and refuses connections: \(problem.message)",
            remedy:
                "It is left as it is, because others may be working with it. See \(place.logFile); "
                + "`ofa db stop` ends it, and the next command starts it again.")
    }

    /// Returns the major version in PG_VERSION; nil if there is no such file.
    private func majorVersion(_ place: ServerPlace) throws -> Int? {
        let path = place.dataFolder + "/PG_VERSION"
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let text = try String(contentsOfFile: path, encoding: .utf8)
        return Int(text.trimmingCharacters(in: .whitespacesAndNewlines).prefix(while: \.isNumber))
    }

    private func binaries(for place: ServerPlace) throws -> ServerBinaries {
        let version = try majorVersion(place)
        if version == nil, FileManager.default.fileExists(atPath: place.dataFolder) {
            throw PostgresError(
                "\(place.dataFolder) exists and is not a PostgreSQL database (no PG_VERSION in it)",
                remedy: "If it held one, restore it from a backup; otherwise move it away.")
        }
        return try ServerBinaries.find(majorVersion: version)
    }

    // MARK: Making

    /// Runs initdb in a temporary folder, which is renamed to the data folder when it is complete.
    private func initialise(_ place: ServerPlace, _ binaries: ServerBinaries) throws {
        try removeUnfinished(place)
        try checkSpace(place.folder)
        let fresh = place.folder + "/data.unfinished-\(getpid())"
        try ServerPlace.makeFolder(fresh, mode: 0o700)
        try place.give(fresh)
        let outcome = try ChildProcess(user: place.user).run(
            [
                binaries.path("initdb"), "--pgdata=.", "--username=ofa", "--encoding=UTF8",
                "--locale=C", "--data-checksums",
                "--auth-local=trust", "--auth-host=reject", "--no-instructions",
            ], folder: fresh)
        guard outcome.exitCode == 0 else {
            try removeUnfinished(place)
            throw Self.failure(
                "making the database in \(place.folder) failed", outcome.output, place)
        }
        guard rename(fresh, place.dataFolder) == 0 else {
            throw PostgresError.system("cannot rename \(fresh) to \(place.dataFolder)", errno)
        }
    }

    /// Removes the folders that an interrupted initdb left behind. None of these folders is a finished database.
    private func removeUnfinished(_ place: ServerPlace) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: place.folder)
        where name.hasPrefix("data.unfinished-") {
            let path = place.folder + "/" + name
            // An initdb whose parent was killed may still write to the folder or remove the folder. After the folder is
            // renamed, such an initdb does not find the folder and ends.
            let aside = "\(place.folder)/data.unfinished-\(getpid())-\(UUID().uuidString)"
            guard rename(path, aside) == 0 else {
                if errno == ENOENT { continue }
                throw PostgresError.system("cannot remove \(path)", errno)
            }
            for attempt in 1...100 where FileManager.default.fileExists(atPath: aside) {
                do { try FileManager.default.removeItem(atPath: aside) } catch {
                    if attempt == 100 { throw error }
                    Thread.sleep(forTimeInterval: 0.05)
                }
            }
        }
    }

    /// Throws if less than 100 MB are free. A new database takes about 40 MB and its first
    /// write-ahead log 16 MB more, and the database must be able to grow.
    private func checkSpace(_ folder: String) throws {
        var info = statvfs()
        guard statvfs(folder, &info) == 0 else { return }
        let freeMegabytes = Int(info.f_bavail) * Int(info.f_frsize) / 1_000_000
        guard freeMegabytes >= 100 else {
            throw PostgresError(
                "only \(freeMegabytes) MB are free where the database would be (\(folder)), 100 are needed",
                remedy: "Free some space, or set OFA_HOME to a folder on another disk.")
        }
    }

    // MARK: Starting

    /// Removes the lock file and the socket of a server that no longer runs. PostgreSQL would
    /// refuse to start if the process number in the lock file now belonged to another process of
    /// the same user.
    private func removeStaleFiles(_ place: ServerPlace) throws {
        guard try PostmasterFile.read(dataFolder: place.dataFolder) != nil else { return }
        for path in [
            place.dataFolder + "/postmaster.pid", place.socketFolder + "/.s.PGSQL.5432.lock",
            place.socketFolder + "/.s.PGSQL.5432",
        ] where unlink(path) != 0 && errno != ENOENT {
            throw PostgresError.system("cannot remove the stale file \(path)", errno)
        }
    }

    private func configure(_ place: ServerPlace) throws {
        let own = [
            "# Written by ofa at every start; put your own settings into postgresql.auto.conf.",
            "listen_addresses = ''",
            "port = 5432",
            "unix_socket_directories = '\(place.socketFolder)'",
            "unix_socket_permissions = 0700",
            "max_connections = 100",
            // Each day of history and each month of runs has several partitions, and a dump locks
            // all of them.
            "max_locks_per_transaction = 1024",
            "shared_buffers = 128MB",
            "logging_collector = off",
            "log_destination = 'stderr'",
            "log_checkpoints = off",
        ]
        let text = (own + settings).joined(separator: "\n") + "\n"
        let path = place.dataFolder + "/ofa.conf"
        let mainPath = place.dataFolder + "/postgresql.conf"
        do {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            try place.give(path)
            var main = try String(contentsOfFile: mainPath, encoding: .utf8)
            if !main.contains("include = 'ofa.conf'") {
                main += "\ninclude = 'ofa.conf'\n"
                try main.write(toFile: mainPath, atomically: true, encoding: .utf8)
                try place.give(mainPath)
            }
        } catch let error as PostgresError {
            throw error
        } catch {
            throw Self.failure("cannot write the configuration \(path)", "\(error)", place)
        }
    }

    private func launch(_ place: ServerPlace, _ binaries: ServerBinaries) throws {
        // The paths are relative, because pg_ctl passes them to a shell.
        let outcome = try ChildProcess(user: place.user).run(
            [
                binaries.path("pg_ctl"), "start", "--pgdata=data", "--log=server.log", "--wait",
                "--timeout=120", "--silent",
            ], folder: place.folder)
        let url = Self.url(socketFolder: place.socketFolder)
        guard outcome.exitCode == 0 else {
            throw Self.failure(
                "the private server did not start", outcome.output + Self.tail(place.logFile), place
            )
        }
        if let problem = try refusal(url) {
            throw Self.failure(
                "the private server refuses connections", problem.message, place)
        }
    }

    private func stopServer(_ place: ServerPlace) throws {
        let binaries = try binaries(for: place)
        let outcome = try ChildProcess(user: place.user).run(
            [
                binaries.path("pg_ctl"), "stop", "--pgdata=data", "--mode=fast", "--wait",
                "--timeout=60",
                "--silent",
            ], folder: place.folder)
        // The server may have ended by itself meanwhile.
        if outcome.exitCode != 0, try findRunning(place) != nil {
            throw Self.failure("the private server did not stop", outcome.output, place)
        }
    }

    /// Runs `body` while no other program starts or stops the server of this home folder.
    private func locked<T>(_ body: () throws -> T) throws -> T {
        let path = home + "/server.lock"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw PostgresError.system("cannot open \(path)", errno) }
        defer { close(descriptor) }
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else { throw PostgresError.system("cannot lock \(path)", errno) }
        }
        return try body()
    }

    // MARK: Failures

    private static func failure(_ what: String, _ output: String, _ place: ServerPlace)
        -> PostgresError
    {
        let lines = output.split(whereSeparator: \.isNewline).suffix(4).joined(separator: "; ")
        if output.contains("No space left on device") || output.contains("Disk quota exceeded") {
            return PostgresError(
                "\(what): the disk of \(place.folder) is full",
                remedy:
                    "Free some space there and run the same command. "
                    + "The database is kept as it was.")
        }
        return PostgresError("\(what): \(lines)", remedy: "The server's log is \(place.logFile).")
    }

    /// Returns the last 2,000 bytes of the log; an empty text if there is no log.
    private static func tail(_ path: String) -> String {
        guard let data = FileManager.default.contents(atPath: path) else { return "" }
        return "\n" + String(decoding: data.suffix(2000), as: UTF8.self)
    }
}
