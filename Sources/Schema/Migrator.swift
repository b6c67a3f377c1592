// Migrator: migrates a database to the schema of this program.
import Foundation
import Intake
import Postgres

/// Applies the migrations, functions and views of sql/ to one database.
public struct Migrator {
    /// A migration that was applied to the database.
    public struct Applied: Sendable, Equatable {
        /// The number of the migration.
        public let version: Int
        /// The name of the migration.
        public let name: String
        /// The SHA-256 of the migration's text, in hexadecimal.
        public let checksum: String
        /// The number of the earliest migration that a program must know to work with the database.
        public let serves: Int
        /// When the migration was applied.
        public let appliedAt: Date
    }

    /// The state of a database relative to this program.
    public enum State: Sendable, Equatable {
        /// No migration was ever applied.
        case empty
        /// Migrations, functions or views of this program are missing or outdated.
        case behind
        /// The database has all migrations, functions and views of this program, or is newer and
        /// supports this program.
        case current
    }

    private let connection: Connection
    private let migrations: [Migration]
    private let routines: RoutineSet

    /// `migrations` and `routines` default to those of this program.
    public init(
        _ connection: Connection, migrations: [Migration] = Migration.all,
        routines: RoutineSet = .current
    ) {
        self.connection = connection
        self.migrations = migrations
        self.routines = routines
    }

    /// The largest number of tries of a migration that conflicts with locks of running workers.
    private static let tries = 60

    /// Applies all missing migrations, functions and views in one transaction; returns the
    /// migrations that it applied.
    ///
    /// Several programs may call this at once: an advisory lock serialises them. Workers may keep
    /// running: a migration that would deadlock with them is retried. Errors: those of
    /// `SchemaError`, except `notAdoptable`.
    @discardableResult
    public func migrate() throws -> [Migration] {
        try Self.patiently {
            try connection.transaction { connection in
                try connection.execute(.migrationLock)
                try connection.execute(.migrationPatience)
                return try migrateLocked()
            }
        }
    }

    /// Runs `body`; retries it after conflicts with locks of running workers.
    static func patiently<Value>(_ body: () throws -> Value) throws -> Value {
        let pause = ReconnectPolicy(maxDelaySeconds: 0.5)
        var tried = 0
        while true {
            do { return try body() } catch let error as PostgresError
                where error.isRetryable && tried + 1 < tries
            {
                Thread.sleep(forTimeInterval: pause.delaySeconds(attempt: tried))
                tried += 1
            }
        }
    }

    /// Applies the missing migrations, functions and views; returns the applied migrations. The
    /// transaction must hold the migration lock.
    func migrateLocked() throws -> [Migration] {
        // This throws before anything is created if the schema ofa belongs to another program.
        _ = try isMigrated()
        try connection.execute(.migrationCreateSchema)
        try connection.execute(.migrationCreateAPI)
        try connection.execute(.migrationCreateTable)
        try connection.execute(.routineCreateTable)
        let applied = try list()
        try checkKnown(applied)
        let missing = missing(applied)
        for migration in missing { try apply(migration) }
        let held = try connection.query(.routineList).map(Self.held)
        let stale = stale(held)
        for routine in stale { try apply(routine) }
        // This runs even if nothing is new: restoring a database from a dump grants the revoked
        // privileges again.
        try connection.execute(.routinesClose)
        if stale.contains(where: { $0.name == "grant_reading" }) {
            _ = try connection.query(.routinesGrant)
        }
        return missing
    }

    /// Returns the migrations that were applied to this database; none if the database is empty.
    /// Errors: `foreignSchema`.
    public func applied() throws -> [Applied] {
        try isMigrated() ? list() : []
    }

    /// Returns whether any migration was ever applied. Errors: `foreignSchema` if the schema ofa
    /// holds objects that no migration made.
    private func isMigrated() throws -> Bool {
        let row = try connection.queryOne(.migrationSchemaExists)
        guard let others = try row.optionalText("others") else { return try row.bool("present") }
        throw SchemaError(
            .foreignSchema,
            "the database has a schema ofa that is not of this program (it holds \(Shown.excerpt(others))): nothing was"
                + " changed",
            remedy:
                "name another database in the URL, or rename that schema with ALTER SCHEMA ofa RENAME TO …"
        )
    }

    /// Returns the state of the database; changes nothing. If the database is migrated, this takes
    /// one round trip.
    ///
    /// Errors: those of `migrate` about a database that this program cannot work with.
    public func state() throws -> State {
        let rows: [Row]
        do {
            rows = try connection.pipeline([Request(.schemaState)])[0]
        } catch let error as PostgresError
            where ["42P01", "3F000", "42703"].contains(error.sqlState)
        {
            // A table or a column is missing, so the slower check is used.
            let applied = try applied()
            try checkKnown(applied)
            return applied.isEmpty ? .empty : .behind
        }
        let applied = try rows.filter { try $0.bool("is_migration") }.map(Self.applied)
        try checkKnown(applied)
        if applied.isEmpty { return .empty }
        let held = try rows.filter { try !$0.bool("is_migration") }.map(Self.held)
        return missing(applied).isEmpty && stale(held).isEmpty ? .current : .behind
    }

    /// Returns whether the state of the database is `current`.
    public func isCurrent() throws -> Bool { try state() == .current }

    /// Returns the functions and views that the database lacks or has with another text; none if
    /// the database has a later edition, because a later edition also serves this program.
    private func stale(_ held: [Held]) -> [Routine] {
        guard held.allSatisfy({ $0.edition <= routines.edition }) else { return [] }
        let checksums = Dictionary(
            held.map { ($0.name, $0.checksum) }, uniquingKeysWith: { first, _ in first })
        return routines.all.filter { checksums[$0.name] != $0.checksum }
    }

    /// A function or view that was applied to the database.
    private struct Held {
        let name, checksum: String
        let edition: Int
    }

    private static func held(_ row: Row) throws -> Held {
        Held(
            name: try row.text("name"), checksum: try row.text("checksum"),
            edition: try row.int("number"))
    }

    private func missing(_ applied: [Applied]) -> [Migration] {
        let done = Set(applied.map(\.version))
        return migrations.filter { !done.contains($0.version) }
    }

    private func list() throws -> [Applied] {
        try connection.query(.migrationList).map(Self.applied)
    }

    private static func applied(_ row: Row) throws -> Applied {
        Applied(
            version: try row.int("number"), name: try row.text("name"),
            checksum: try row.text("checksum"), serves: try row.int("serves"),
            appliedAt: try row.date("applied_at"))
    }

    private func apply(_ migration: Migration) throws {
        try apply(migration.sql, "migration \(fileName(migration))")
        try record(migration)
    }

    private func record(_ migration: Migration) throws {
        try connection.execute(
            .migrationRecord(
                version: migration.version, name: migration.name, checksum: try checksum(migration),
                serves: migration.serves))
    }

    private func apply(_ routine: Routine) throws {
        try apply(routine.sql, "function or view \(routine.name).sql")
        try connection.execute(
            .routineRecord(
                name: routine.name, checksum: routine.checksum, edition: Int64(routines.edition)))
    }

    private func apply(_ sql: String, _ what: String) throws {
        do {
            try connection.script(sql, name: what)
        } catch let error as PostgresError
            where !error.isConnectionLoss && !error.isRetryable
        {
            throw SchemaError(
                .failedMigration, "\(what) failed, nothing was changed: \(error.reason)",
                remedy: error.remedy)
        }
    }

    /// Refuses a database that this program cannot work with. A newer database is accepted if its
    /// migrations support this program. Errors: `earlierDatabase`, `newerDatabase`,
    /// `changedMigration`.
    private func checkKnown(_ applied: [Applied]) throws {
        let last = migrations.map(\.version).max() ?? 0
        for record in applied {
            if Adoption.isEarlier(record) {
                throw SchemaError(
                    .earlierDatabase,
                    "the database is of an ofa from before its schema was settled: nothing was changed",
                    remedy: "keep its artifacts, lineage and costs with: ofa db adopt")
            }
            guard let migration = migrations.first(where: { $0.version == record.version }) else {
                if record.serves <= last { continue }
                throw SchemaError(
                    .newerDatabase,
                    "the database has migration \(record.version) (\(record.name)), which this "
                        + "program does not know: it was made by a newer ofa",
                    remedy: "use that version")
            }
            guard try checksum(migration) == record.checksum else {
                throw SchemaError(
                    .changedMigration,
                    "migration \(fileName(migration)) was applied with another text than this "
                        + "program has: released migrations never change",
                    remedy: "restore the file and add a new "
                        + "migration, or restore a backup into a new database")
            }
        }
    }

    private func checksum(_ migration: Migration) throws -> String {
        if let known = migration.checksum { return known }
        return try connection.queryOne(.migrationChecksum(text: migration.sql)).text("checksum")
    }

    private func fileName(_ migration: Migration) -> String {
        let number = String(repeating: "0", count: max(0, 4 - String(migration.version).count))
        return "\(number)\(migration.version)_\(migration.name).sql"
    }
}
