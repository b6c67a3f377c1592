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

    /// Connects, and applies the migrations that are missing; `known` is what `url` returned before. The zone of the
    /// environment is checked, which only the database knows.
    func connect(_ known: String? = nil) throws -> Connection {
        let connection = try Connection(url: try known ?? url(), applicationName: "ofa")
        let migrator = Migrator(connection)
        // Asked first, because a migration waits for the lock of any other that is going on.
        if try !migrator.isCurrent() { try migrator.migrate() }
        try Environment.checkZone(connection)
        return connection
    }
}
