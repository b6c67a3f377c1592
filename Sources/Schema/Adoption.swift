// Adoption: migrates a database whose schema is from before the final baseline (migration 1) to the final schema.
import Postgres

/// Adopts a database in one of two states: it has the ten migrations that were squashed into the baseline (migration
/// 1), or an earlier text of the baseline.
///
/// The old schema is renamed, the final schema is created, the data is copied, and the old schema is dropped, all in
/// one transaction: if the program is killed before the commit, the database is unchanged.
public struct Adoption {
    /// The names of the migrations that were squashed into the baseline, in order.
    static let folded = [
        "queue", "artifacts", "accounting", "devices", "lanes_and_history", "queue_functions",
        "device_tables", "text_rules", "test_clock", "artifact_indexes",
    ]
    /// The SHA-256 of earlier texts of the baseline, in order. Texts 1 and 2 have the same tables as the ten
    /// migrations. In texts 3 and 4 the ledger is computed from the attempts. In texts 5 and 6, jobs are not
    /// partitioned by month. In text 7, emission factors have no period of validity. In text 8, no attempt has the
    /// outcome `unbegun`.
    static let baselines = [
        "a0cbbb98ae6f58e043ac50abf7653e50e4ad23b73d981e0a385b9b9038c5526b",
        "0929e3e178cea10b523a60e4b67f75905623b3af3dd5cb6b49c38760503e5077",
        "2145d791c47378cc58ee597b6650d545270f527a3aed0c63353214ccc28e8d0a",
        "21c705261f49d2a7d31788d23cae9bb2687c34eff5c194b3f189ad7a1434ce78",
        "70c28077c06372b2ba6d03d57363578f1e40655ed4d8a4ab896e22a51991bfe2",
        "b1b853277b901e7cc72fe63e404e273af66aecb7df7ea6350c3e01df0608fa4e",
        "9aedd916ec435a88dd9990d124333899f33050d5d242299c2cd95c66d036eeb2",
        "30221db7fbb00e6a36333a6f77cd862fe9a04261b5a7fdc5626509e7ad49bac5",
    ]

    private let connection: Connection

    /// `connection` must belong to the schema's owner.
    public init(_ connection: Connection) {
        self.connection = connection
    }

    /// Adopts the database, or changes nothing. Runs that were unfinished are cancelled; returns these runs. `noting`
    /// is called at the end of the same transaction.
    ///
    /// Errors: `notAdoptable` if the database cannot be adopted or workers still use it, and the
    /// errors of `Migrator.migrate`.
    public func run(noting: (Connection) throws -> Void = { _ in }) throws -> [Int64] {
        try Migrator.patiently {
            try connection.transaction { connection in
                try connection.execute(.migrationLock)
                _ = try connection.query(.migrationPatience)
                try check()
                try connection.execute(.adoptionSetAside)
                try connection.execute(.adoptionDropAPI)
                _ = try Migrator(connection).migrateLocked()
                let unfinished = try connection.query(.adoptionUnfinished)
                try copy(connection)
                try noting(connection)
                try connection.execute(.adoptionDrop)
                return try unfinished.map { try $0.int64("id") }
            }
        }
    }

    /// Copies the data in the order of its foreign keys.
    private func copy(_ connection: Connection) throws {
        let isLedgerAlone = try connection.queryOne(.adoptionLedgerStandsAlone).bool("alone")
        try connection.all([
            .adoptionRuns, .adoptionRunMonths, .adoptionLimits, .adoptionLanes,
        ])
        try connection.all(
            isLedgerAlone
                ? [.adoptionMeterMonths, .adoptionJobsAlone]
                : [
                    .adoptionCharged, .adoptionHosts, .adoptionAccounts, .adoptionMonths,
                    .adoptionMeter, .adoptionSpent, .adoptionJobAccounts, .adoptionJobs,
                ])
        try connection.all([
            .adoptionGroups, .adoptionWaits, .adoptionEdges, .adoptionOutcomes,
        ])
        for table in try connection.query(.adoptionTables) {
            try connection.script(try table.text("copy"))
        }
        try connection.all([.adoptionRecipes, .adoptionSequences])
    }

    /// Returns whether a database whose first applied migration is `first` can be adopted.
    static func isEarlier(_ first: Migrator.Applied) -> Bool {
        first.version == 1
            && (first.name == folded[0]
                || first.name == "baseline" && baselines.contains(first.checksum))
    }

    private func check() throws {
        let applied = try Migrator(connection).applied()
        guard let first = applied.first, Self.isEarlier(first) else {
            throw SchemaError(
                .notAdoptable,
                applied.isEmpty
                    ? "the database holds nothing of ofa yet"
                    : "the database is of this schema already",
                remedy: "go on: nothing has to be adopted")
        }
        guard first.name == "baseline" || applied.map(\.name) == Self.folded else {
            throw SchemaError(
                .notAdoptable,
                "the database has \(applied.count) of the \(Self.folded.count) migrations that the schema was folded"
                    + " from: nothing was changed",
                remedy: "run 'ofa db migrate' of the last ofa before the baseline on it first")
        }
        let workers = try connection.queryOne(.adoptionWorkers).int("workers")
        guard workers == 0 else {
            throw SchemaError(
                .notAdoptable,
                "workers of an earlier ofa use the database (\(workers)): nothing was changed",
                remedy: "end them, and wait a minute")
        }
    }
}

extension Connection {
    /// Runs statements without binds, in order.
    fileprivate func all(_ statements: [Statement]) throws {
        for statement in statements { _ = try query(statement) }
    }
}
