// `ofa db`: the private server, migrations, backup and restore; `stop`, `adopt`, `grant` and `store` have files of
// their own.
import ArgumentParser
import Artifacts
import Foundation
import Intake
import Jobs
import Postgres
import Schema

/// The commands about the database.
struct DatabaseCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "db",
        abstract: "The private database server, migrations, backup and restore.",
        discussion: "Example:\n  ofa db status --json",
        subcommands: [
            DatabaseStart.self, DatabaseStop.self, DatabaseStatus.self, DatabaseURL.self,
            DatabaseMigrate.self, DatabaseAdopt.self, DatabaseGrant.self, DatabaseBackup.self,
            DatabaseRestore.self, DatabaseStore.self,
        ])
}

/// Starts the private server.
struct DatabaseStart: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Starts the private server, creating it the first time.",
        discussion: "Example:\n  OFA_HOME=/srv/ofa ofa db start")

    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Starts the server and prints its state.
    mutating func run() throws {
        let server = DatabaseOptions.privateServer
        _ = try server.start()
        try ServerAnswer(try server.status()).answer(output)
    }
}

/// Shows the state of the database.
struct DatabaseStatus: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows whether and where the database runs; exit code 2 if it does not.",
        discussion: "Example:\n  ofa db status --json")

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the state without starting the server; exit code 2 if the database does not run.
    mutating func run() throws {
        let answer: ServerAnswer
        var remedy: String?
        if let url = database.given {
            do {
                let connection = try Connection(url: url, applicationName: "ofa")
                answer = ServerAnswer(
                    given: url, state: .running, version: connection.serverVersion / 10_000)
            } catch let error as PostgresError where error.isConnectionLoss {
                remedy = error.remedy
                answer = ServerAnswer(given: url, state: .unreachable, problem: error.message)
            }
        } else {
            answer = ServerAnswer(try DatabaseOptions.privateServer.status())
        }
        try answer.answer(output)
        guard answer.state == PrivateServer.State.running.rawValue else {
            throw CommandFailure.notTrue(
                "the database is \(answer.state)" + (answer.problem.map { ": \($0)" } ?? ""),
                remedy: database.given == nil ? "ofa db start starts it" : remedy)
        }
    }
}

/// Prints the URL.
struct DatabaseURL: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "url", abstract: "Prints the database's URL, starting the private server.",
        discussion: """
            The private server's URL sets everything that PG* variables could change. A password is omitted: psql reads \
            it from PGPASSFILE (~/.pgpass) or asks for it.

            Example:
              psql "$(ofa db url)"
            """)

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the URL without a password.
    mutating func run() throws {
        let target = try ConnectionTarget(try database.url())
        if target.hasPassword {
            Output.note(
                "the password (***) is omitted; psql reads it from PGPASSFILE or asks for it")
        }
        let url = target.withoutPasswords
        try Output.answer(["url": url], output) { try Output.whole(url) }
    }
}

/// Applies migrations.
struct DatabaseMigrate: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Applies missing migrations.",
        discussion: """
            Commands that only read migrate nothing. Commands that write, such as ofa run, ofa enqueue and ofa worker, \
            create a missing schema, and migrate an older one on the private server; an older schema of a database given \
            by its URL is migrated by this command only. It has no time limit, and workers may run meanwhile.

            Example:
              ofa db migrate --database postgresql://db.example/ofa
            """)

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    private struct Answer: Encodable {
        let applied: [String]
        let version: Int
    }

    /// Applies missing migrations and prints their names.
    mutating func run() throws {
        let connection = try Connection(
            url: try database.url(), applicationName: "ofa", statementTimeoutSeconds: 0)
        let migrator = Migrator(connection)
        let applied = try migrator.migrate().map { "\($0.version) \($0.name)" }
        // A later program may have migrated the schema further, in a way that still supports this program.
        let version = try migrator.applied().map(\.version).max() ?? 0
        let later =
            Migration.all.contains { $0.version == version } ? "" : ", that of a later ofa"
        try Output.answer(Answer(applied: applied, version: version), output) {
            for name in applied { try Output.line("applied \(name)") }
            try Output.line("the schema is at version \(version)\(later)")
        }
    }
}

/// Writes a backup.
struct DatabaseBackup: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Writes the whole database into one file (pg_dump).",
        discussion: """
            With - the backup goes to standard output once it is complete.

            Example:
              ofa db backup ofa-monday.dump
              ofa db backup - | ssh elsewhere 'cat > ofa-monday.dump'
            """)

    /// The file to write.
    @Argument(help: "The file to write; - is standard output.", completion: .file())
    var file: String
    /// Whether to replace an existing file.
    @OptionGroup var files: FileOptions
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Dumps to a temporary file. The complete file is renamed, or copied if the target is standard output, a device or
    /// a pipe.
    mutating func run() throws {
        let target = try OutputFile(file, files, output)
        let connection = try Connection(url: try database.url(), applicationName: "ofa")
        let folder = FileManager.default.temporaryDirectory.path
        let unfinished =
            target.isWrittenInPlace
            ? "\(folder)/ofa-backup-\(getpid()).unfinished" : target.target + ".unfinished"
        do {
            try Self.makePrivate(unfinished)
            try DatabaseTool.run(
                "pg_dump",
                [
                    "--format=custom", "--schema=ofa", "--schema=ofa_api_*", "--no-owner",
                    "--file=\(unfinished)",
                ],
                connection)
            if target.isWrittenInPlace {
                try Self.copy(unfinished, to: target)
                unlink(unfinished)
                Self.record(connection)
                return
            }
            guard rename(unfinished, target.target) == 0 else {
                throw CommandFailure.failed(
                    "cannot write \(file): \(FileBytes.reason(errno))", code: "file")
            }
        } catch {
            if FileManager.default.fileExists(atPath: unfinished) {
                try FileManager.default.removeItem(atPath: unfinished)
            }
            throw error
        }
        Self.record(connection)
        if let folder = try StoreRule.pathToBackUp(connection) {
            Output.note("copy \(folder) too, now that the dump is complete: it holds blobs")
        }
        let size = try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int ?? 0
        try Output.answer(BackupAnswer(file: file, bytes: size), output) {
            try Output.line("wrote \(file), \(size) bytes")
        }
    }

    /// Records the time of the backup, for the metric ofa_backup_age_seconds. The backup is complete, so that this may fail.
    private static func record(_ connection: Connection) {
        do { try JobQueue(connection).record(.backup) } catch {
            Output.note(
                "note: the time of the backup is not recorded: \(Output.describe(error))", .warning)
        }
    }

    /// Writes the bytes of the file at `path` to `target`.
    private static func copy(_ path: String, to target: OutputFile) throws {
        let dump = try FileHandle(forReadingFrom: URL(filePath: path))
        try target.write { write in
            while let piece = try dump.read(upToCount: 1 << 20), !piece.isEmpty { try write(piece) }
        }
    }

    /// Creates the dump's file so that only its owner can read it, because a dump contains the whole database.
    private static func makePrivate(_ path: String) throws {
        // The remains of an interrupted backup may be readable by other users.
        if FileManager.default.fileExists(atPath: path) {
            try FileManager.default.removeItem(atPath: path)
        }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw CommandFailure.failed(
                "cannot write \(path): \(FileBytes.reason(errno))", code: "file")
        }
        close(descriptor)
    }

    private struct BackupAnswer: Encodable {
        let file: String
        let bytes: Int
    }
}

/// Reads a backup.
struct DatabaseRestore: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Reads a backup into a database that has no schema `ofa` yet (pg_restore).",
        discussion: """
            Grants are not restored, because the server may have other roles: repeat ofa db grant.

            Example:
              OFA_HOME=/srv/restored ofa db restore ofa-monday.dump
            """)

    /// The file to read.
    @Argument(help: "A file that `ofa db backup` wrote.", completion: .file()) var file: String
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Restores the whole backup or nothing, then applies migrations that the backup lacks.
    mutating func run() throws {
        guard FileManager.default.fileExists(atPath: file) else {
            throw CommandFailure.notFound("there is no file \(file)")
        }
        let connection = try Connection(
            url: try database.url(), applicationName: "ofa", statementTimeoutSeconds: 0)
        guard try Migrator(connection).applied().isEmpty else {
            throw CommandFailure.failed(
                "the database has data already, which a restore would mix with the backup",
                remedy: "restore into an empty one, for example with another OFA_HOME")
        }
        try DatabaseTool.run(
            "pg_restore",
            ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", file],
            connection)
        let applied = try Migrator(connection).migrate().map { "\($0.version) \($0.name)" }
        try Output.answer(["restored": file], output) {
            try Output.line("restored \(file)")
            for name in applied { try Output.line("applied \(name)") }
        }
    }
}

/// Runs pg_dump and pg_restore of the server's major version, if this version is installed.
enum DatabaseTool {
    /// Runs the tool `name` and waits for its end. The error of a failure has the last three lines of the tool's
    /// output.
    static func run(_ name: String, _ arguments: [String], _ connection: Connection) throws {
        let version = connection.serverVersion / 10_000
        let access = try connection.toolAccess()
        let matching = try ServerBinaries.installed().first { $0.majorVersion == version }
        let beside = matching?.path(name)
        // The folder of the server's programs may lack this tool; then the tool is searched in PATH.
        let program =
            beside.flatMap { FileManager.default.isExecutableFile(atPath: $0) ? $0 : nil }
            ?? name
        let outcome = try ChildProcess(environment: access.environment).run(
            [program, "--dbname=\(access.target)"] + arguments)
        guard outcome.exitCode == 0 else {
            let lines = outcome.output.split(whereSeparator: \.isNewline).suffix(3)
            throw CommandFailure.failed(
                "\(name) of PostgreSQL \(version) failed: \(lines.joined(separator: "; "))")
        }
    }
}

/// The answer of `ofa db start`, `stop` and `status`.
struct ServerAnswer: Encodable {
    /// `absent`, `stopped`, `running` or `unreachable`.
    let state: String
    /// The URL; nil if a private server does not run.
    let url: String?
    /// The process number of a running private server.
    let process: Int?
    /// The reason why the server cannot be reached.
    let problem: String?
    /// The data folder of a private server.
    let data: String?
    /// The log of a private server.
    let log: String?
    /// The major version of PostgreSQL.
    let version: Int?
    /// The user that a private server runs as.
    let user: String?
    /// The connections that `ofa db stop` ended; nil for other commands.
    let ended: [ServerGuest]?
    /// The stages, with their runs, that workers were running when `ofa db stop` stopped the server; nil for other
    /// commands.
    let underWay: [String]?

    private enum CodingKeys: String, CodingKey {
        case state, url, process, problem, data, log, version, user, ended
        case underWay = "under_way"
    }

    /// Makes the answer for a private server.
    init(_ status: PrivateServer.Status, ended: [ServerGuest]? = nil, underWay: [String]? = nil) {
        self.ended = ended
        self.underWay = underWay
        state = status.state.rawValue
        url = status.url
        process = status.process
        problem = status.problem
        data = status.dataFolder
        log = status.logFile
        version = status.majorVersion
        user = status.user
    }

    /// Makes the answer for a server given by its URL.
    init(
        given: String, state: PrivateServer.State, version: Int? = nil, problem: String? = nil
    ) {
        self.state = state.rawValue
        url = ConnectionTarget.shown(given)
        process = nil
        self.problem = problem
        data = nil
        log = nil
        self.version = version
        user = nil
        ended = nil
        underWay = nil
    }

    /// Prints the answer.
    func answer(_ options: OutputOptions) throws {
        try Output.answer(self, options) {
            let lines = [
                ("state", state), ("url", url), ("process", process.map(String.init)),
                ("data", data), ("log", log), ("PostgreSQL", version.map(String.init)),
                ("user", user), ("problem", problem),
            ]
            for (name, value) in lines {
                guard let value else { continue }
                try Output.field(name, value)
            }
        }
    }
}
