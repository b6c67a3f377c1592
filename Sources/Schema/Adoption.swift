// Adoption: how a database from before the baseline goes on with everything it holds.
import Postgres

/// Takes a database with the ten migrations that the baseline was folded from as one that has the baseline.
///
/// Both have the same tables, columns, constraints and indexes, so nothing is copied and nothing is lost: the record
/// says "baseline" afterwards, and the functions are the files of sql/functions.
public struct Adoption {
    /// The migrations that the baseline was folded from, in order.
    static let folded = [
        "queue", "artifacts", "accounting", "devices", "lanes_and_history", "queue_functions",
        "device_tables", "text_rules", "test_clock", "artifact_indexes",
    ]

    private let connection: Connection

    /// Adopts the database of `connection`.
    public init(_ connection: Connection) {
        self.connection = connection
    }

    /// Adopts it, or changes nothing.
    ///
    /// Errors: `notAdoptable` where it is no such database, or where workers of the program before still run on it; those
    /// of `Migrator.migrate`.
    public func run() throws {
        try connection.transaction { connection in
            try connection.execute(.migrationLock)
            try connection.execute(.migrationPatience)
            try check()
            try connection.execute(.adoptionForget)
            try connection.execute(.adoptionServes)
            try Migrator(connection).adoptBaseline()
        }
    }

    private func check() throws {
        let names = try Migrator(connection).applied().map(\.name)
        guard names.first == Self.folded[0] else {
            throw SchemaError(
                .notAdoptable,
                names.isEmpty
                    ? "the database holds nothing of ofa yet"
                    : "the database is of this schema already",
                remedy: "go on: nothing has to be adopted")
        }
        guard names == Self.folded else {
            throw SchemaError(
                .notAdoptable,
                "the database has \(names.count) of the \(Self.folded.count) migrations that the schema was folded"
                    + " from: nothing was changed",
                remedy: "run 'ofa db migrate' of the last ofa before the baseline on it first")
        }
        let workers = try connection.queryOne(.adoptionWorkers).int("workers")
        guard workers == 0 else {
            throw SchemaError(
                .notAdoptable,
                "workers of the ofa before run on the database (\(workers)): nothing was changed",
                remedy: "end them, and wait a minute")
        }
    }
}
