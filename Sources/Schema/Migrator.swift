// Migrator: brings a database to the schema of this program, or says why it cannot.
import Foundation
import Intake
import Postgres

/// Applies the migrations of sql/migrations to one database.
public struct Migrator {
    /// A migration found in the database.
    public struct Applied: Sendable, Equatable {
        /// Its number.
        public let version: Int
        /// Its name.
        public let name: String
        /// The SHA-256 of its text, in hexadecimal.
        public let checksum: String
        /// When it was applied.
        public let appliedAt: Date
    }

    private let connection: Connection
    private let migrations: [Migration]

    /// Makes a migrator for the database of `connection`.
    public init(_ connection: Connection, migrations: [Migration] = Migration.all) {
        self.connection = connection
        self.migrations = migrations
    }

    /// How often a migration is begun that meets locks of running workers.
    private static let tries = 60

    /// Applies what is missing, all of it in one transaction, and returns what it applied.
    ///
    /// Any number of programs may do this at once: an advisory lock lets one in at a time. Workers may go on
    /// meanwhile: a migration that would wait for them while they wait for it begins again.
    @discardableResult
    public func migrate() throws -> [Migration] {
        let pause = ReconnectPolicy(maxDelaySeconds: 0.5)
        var tried = 0
        while true {
            do { return try migrateOnce() } catch let error as PostgresError
                where error.isRetryable && tried + 1 < Self.tries
            {
                Thread.sleep(forTimeInterval: pause.delaySeconds(attempt: tried))
                tried += 1
            }
        }
    }

    private func migrateOnce() throws -> [Migration] {
        try connection.transaction { connection in
            try connection.execute(.migrationLock)
            try connection.execute(.migrationPatience)
            // Throws where another program owns a schema of this name, before anything is created in it.
            _ = try isMigrated()
            try connection.execute(.migrationCreateSchema)
            try connection.execute(.migrationCreateTable)
            let applied = try list()
            try checkKnown(applied)
            let done = Set(applied.map(\.version))
            let missing = migrations.filter { !done.contains($0.version) }
            for migration in missing { try apply(migration) }
            return missing
        }
    }

    /// The migrations applied to this database, none when it is empty.
    public func applied() throws -> [Applied] {
        try isMigrated() ? list() : []
    }

    /// Whether any migration was ever applied here. Errors: `foreignSchema` where a schema of our name holds what no
    /// migration has made.
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

    /// True when every migration of this program is applied.
    public func isCurrent() throws -> Bool {
        let applied = try applied()
        try checkKnown(applied)
        return applied.count == migrations.count
    }

    private func list() throws -> [Applied] {
        try connection.query(.migrationList).map {
            Applied(
                version: try $0.int("version"), name: try $0.text("name"),
                checksum: try $0.text("checksum"), appliedAt: try $0.date("applied_at"))
        }
    }

    private func apply(_ migration: Migration) throws {
        do {
            try connection.script(migration.sql, name: fileName(migration))
        } catch let error as PostgresError
            where !error.isConnectionLoss && !error.isRetryable
        {
            throw SchemaError(
                .failedMigration,
                "migration \(fileName(migration)) failed, nothing was changed: \(error.reason)",
                remedy: error.remedy)
        }
        try connection.execute(
            .migrationRecord,
            [.int(migration.version), .text(migration.name), .text(try checksum(migration))])
    }

    private func checkKnown(_ applied: [Applied]) throws {
        for record in applied {
            guard let migration = migrations.first(where: { $0.version == record.version }) else {
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
        try connection.queryOne(.migrationChecksum, [.text(migration.sql)]).text("checksum")
    }

    private func fileName(_ migration: Migration) -> String {
        let number = String(repeating: "0", count: max(0, 4 - String(migration.version).count))
        return "\(number)\(migration.version)_\(migration.name).sql"
    }
}
