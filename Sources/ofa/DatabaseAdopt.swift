// `ofa db adopt`: migrates a database from before the schema was final.
import ArgumentParser
import Jobs
import Postgres
import Schema

/// Migrates a database of an early version of ofa, whose schema was not final.
struct DatabaseAdopt: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "adopt",
        abstract: "Migrates a database from before the schema was final.",
        discussion: """
            Kept, with the same numbers: runs, artifacts with their bytes and lineage, devices, limits, recurring runs, \
            costs, and the jobs of runs that have ended. Unfinished runs are cancelled: of their jobs only those that \
            made artifacts are kept; enqueue their pipelines again. Attempts and logs are dropped. Everything happens in \
            one transaction. Stop the workers first, and repeat ofa db grant afterwards.

            Example:
              ofa db backup before.dump && ofa db adopt
            """)

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    private struct Answer: Encodable {
        let version: Int
        let cancelled: [Int64]
    }

    /// Migrates the database, and prints the schema's version and the cancelled runs.
    mutating func run() throws {
        let connection = try Connection(
            url: try database.url(), applicationName: "ofa", statementTimeoutSeconds: 0)
        let cancelled = try Adoption(connection).run { try $0.note("adopt", "database") }
        let version = Migration.all.map(\.version).max() ?? 0
        try Output.answer(Answer(version: version, cancelled: cancelled), output) {
            for run in cancelled { try Output.line("run \(run) was unfinished: it is cancelled") }
            try Output.line("adopted: the schema is at version \(version)")
        }
    }
}
