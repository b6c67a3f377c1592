// Which database a command works on: the one named, or a private server that is started when
// needed; either way with the schema of this program.
import ArgumentParser
import Foundation
import Postgres
import Schema

/// The option of every command that needs a database.
struct DatabaseOptions: ParsableArguments {
    /// The URL given on the command line.
    @Option(
        help: """
            A PostgreSQL URL; without it OFA_DATABASE_URL, without that a private server below \
            OFA_HOME or .ofa.
            """)
    var database: String?

    /// The folder of the private server and of caches.
    static var home: String {
        ProcessInfo.processInfo.environment["OFA_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? ".ofa"
    }

    /// The private server of this folder.
    static var privateServer: PrivateServer {
        LibpqEnvironment.removeAll()
        return PrivateServer(home: home)
    }

    /// The URL that was given, by option or environment; nil stands for the private server.
    var given: String? {
        LibpqEnvironment.removeSessionDefaults()
        let variable = ProcessInfo.processInfo.environment["OFA_DATABASE_URL"] ?? ""
        return database ?? (variable.isEmpty ? nil : variable)
    }

    /// The database's URL; starts the private server when that is the database.
    func url() throws -> String {
        try given ?? Self.privateServer.start()
    }

    /// Connects for a command that may be the first here: where there is no schema it is made; an older one is brought up
    /// to date on the private server, while on a database that was named only `ofa db migrate` changes it. `known` is what
    /// `url` returned before. The zone of the environment is checked, which only the database knows.
    func connect(_ known: String? = nil) throws -> Connection {
        let url = try known ?? url()
        let connection = try Connection(url: url, applicationName: "ofa")
        let state = try Migrator(connection).state()
        if state == .behind, given != nil { throw Self.behind }
        if state != .current {
            // With a connection of its own: it takes as long as it takes.
            try Migrator(
                Connection(url: url, applicationName: "ofa", statementTimeoutSeconds: 0)
            ).migrate()
        }
        try Environment.checkZone(connection)
        return connection
    }

    /// Connects for a command that reads, or changes what is there: it makes no server and no schema, and migrates
    /// nothing. One that `takesLong` has no limit on its statements.
    func connectToExisting(takesLong: Bool = false) throws -> Connection {
        if given == nil, try Self.privateServer.status().state == .absent { throw Self.nothing }
        let connection = try Connection(
            url: url(), applicationName: "ofa", statementTimeoutSeconds: takesLong ? 0 : 60)
        switch try Migrator(connection).state() {
        case .current: break
        case .empty: throw Self.nothing
        case .behind: throw Self.behind
        }
        try Environment.checkZone(connection)
        return connection
    }

    private static let nothing = CommandFailure.failed(
        "there is no ofa database here",
        remedy: "`ofa db migrate` makes it, and so do ofa run and ofa enqueue", code: "no_database")

    private static let behind = CommandFailure.failed(
        "the database is of an older ofa than this one",
        remedy: "`ofa db migrate` brings it up to date; older workers that it still serves go on",
        code: "older_database")
}
