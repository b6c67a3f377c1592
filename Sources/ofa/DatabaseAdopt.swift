// `ofa db adopt`: a database from before the schema was settled goes on with everything it holds.
import ArgumentParser
import Postgres
import Schema

/// Adopts a database of an earlier ofa.
struct DatabaseAdopt: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "adopt",
        abstract: "Takes over a database from before the schema was settled, as it is.",
        discussion: """
            Nothing is copied, and nothing is lost: runs, jobs, costs, artifacts and lineage stay. Stop the workers first.

            Example:
              ofa db backup before.dump && ofa db adopt
            """)

    /// Which database.
    @OptionGroup var database: DatabaseOptions
    /// How to answer.
    @OptionGroup var output: OutputOptions

    private struct Answer: Encodable {
        let version: Int
    }

    /// Adopts, and says where the schema is.
    mutating func run() throws {
        let connection = try Connection(url: try database.url(), applicationName: "ofa")
        try Adoption(connection).run()
        let version = Migration.all.map(\.version).max() ?? 0
        try Output.answer(Answer(version: version), output) {
            try Output.line("adopted: the schema is at version \(version)")
        }
    }
}
