// The database of a command: the database whose URL is given by option or environment, or else a private server that is
// started on demand. The database must have the schema of this program.
import ArgumentParser
import Foundation
import Pipelines
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
    static var home: String { HomeFolder.path }

    /// The private server of the folder `home`.
    static var privateServer: PrivateServer {
        LibpqEnvironment.removeAll()
        return PrivateServer(home: home)
    }

    /// The URL given by option or environment; nil for the private server.
    var given: String? {
        LibpqEnvironment.removeSessionDefaults()
        let variable = ProcessInfo.processInfo.environment["OFA_DATABASE_URL"] ?? ""
        return database ?? (variable.isEmpty ? nil : variable)
    }

    /// Returns the database's URL; starts the private server if no URL is given.
    func url() throws -> String {
        try given ?? Self.privateServer.start()
    }

    /// Connects for a command that may be the first to use the database. Creates a missing schema. Migrates an older
    /// schema on the private server; if a URL is given, an older schema is an error (`older_database`), because only
    /// `ofa db migrate` migrates such a database. `known` is the result of an earlier call of `url`. Also checks
    /// OFA_ZONE against the database.
    func connect(_ known: String? = nil) throws -> Connection {
        let url = try known ?? url()
        let connection = try Connection(url: url, applicationName: "ofa")
        let state = try Migrator(connection).state()
        if state == .behind, given != nil { throw Self.behind }
        if state != .current {
            // Migrations need a connection without a statement timeout.
            try Migrator(
                Connection(url: url, applicationName: "ofa", statementTimeoutSeconds: 0)
            ).migrate()
        }
        try Environment.checkZone(connection)
        return connection
    }

    /// Connects for a command that uses an existing database: starts a stopped private server, but creates no server
    /// and no schema, and does not migrate. With `takesLong`, statements have no timeout. Errors: `no_database`,
    /// `older_database`.
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
        remedy: "`ofa db migrate` creates it, as do ofa run and ofa enqueue", code: "no_database")

    private static let behind = CommandFailure.failed(
        "the database is of an older ofa than this one",
        remedy: "`ofa db migrate` updates it; workers of versions it still supports keep running",
        code: "older_database")
}
