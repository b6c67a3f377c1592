// Tests of Migrator on real databases.
import Foundation
import Postgres
import Schema
import Synchronization
import TestSupport
import Testing

@Suite("Migrator")
struct MigratorTests {
    private let first = Migration(version: 1, name: "first", sql: "create table ofa.a (x int);")
    private let second = Migration(version: 2, name: "second", sql: "create table ofa.b (x int);")

    /// No functions: these migrations make no tables for them.
    private static let none = RoutineSet(edition: 1, all: [])

    @Test("migrating twice applies every migration once, in order")
    func idempotent() throws {
        let database = try TemporaryDatabase(migrated: false)
        let migrator = Migrator(try database.connect())
        #expect(try migrator.applied().isEmpty)
        #expect(try migrator.migrate() == Migration.all)
        #expect(try migrator.migrate().isEmpty)
        #expect(try migrator.isCurrent())
        #expect(try migrator.applied().map(\.version) == Migration.all.map(\.version))
    }

    @Test("a migration that fails leaves nothing of itself or of its companions")
    func failureIsWhole() throws {
        let database = try TemporaryDatabase(migrated: false)
        let bad = Migration(
            version: 2, name: "bad",
            sql: "create table ofa.b (x int); select 1/0; create table ofa.c ();")
        let error = #expect(throws: SchemaError.self) {
            try Migrator(try database.connect(), migrations: [first, bad], routines: Self.none)
                .migrate()
        }
        #expect(error?.code == .failedMigration)
        #expect(error?.message.contains("0002_bad.sql") == true)
        let migrator = Migrator(
            try database.connect(), migrations: [first, second], routines: Self.none)
        #expect(try migrator.applied().isEmpty)
        #expect(try migrator.migrate() == [first, second])
    }

    @Test("an applied migration whose text changed is an error")
    func changedText() throws {
        let database = try TemporaryDatabase(migrated: false)
        try Migrator(try database.connect(), migrations: [first], routines: Self.none).migrate()
        let changed = Migration(version: 1, name: "first", sql: "create table ofa.z (x int);")
        let error = #expect(throws: SchemaError.self) {
            try Migrator(
                try database.connect(), migrations: [changed, second], routines: Self.none
            ).migrate()
        }
        #expect(error?.code == .changedMigration)
    }

    @Test("a database of a newer program is an error")
    func newerDatabase() throws {
        let database = try TemporaryDatabase(migrated: false)
        try Migrator(try database.connect(), migrations: [first, second], routines: Self.none)
            .migrate()
        let error = #expect(throws: SchemaError.self) {
            try Migrator(try database.connect(), migrations: [first], routines: Self.none).migrate()
        }
        #expect(error?.code == .newerDatabase)
    }

    @Test("a database of a newer program that serves this one is current, and stays as it is")
    func newerThatServes() throws {
        let database = try TemporaryDatabase(migrated: false)
        let further = Migration(
            version: 2, name: "further", serves: 1, sql: "alter table ofa.a add y int;")
        let breaking = Migration(version: 3, name: "breaking", sql: "alter table ofa.a drop x;")
        try Migrator(
            try database.connect(), migrations: [first, further], routines: Self.none
        ).migrate()
        let older = Migrator(
            try database.connect(), migrations: [first], routines: Self.none)
        #expect(try older.isCurrent())
        #expect(try older.migrate().isEmpty)
        #expect(try older.applied().map(\.version) == [1, 2])
        try Migrator(
            try database.connect(), migrations: [first, further, breaking], routines: Self.none
        ).migrate()
        let error = #expect(throws: SchemaError.self) { try older.migrate() }
        #expect(error?.code == .newerDatabase)
    }

    @Test("a program that does not know recipes and deltas refuses a database that may have them")
    func derivedBlobs() throws {
        let database = try TemporaryDatabase()
        let error = #expect(throws: SchemaError.self) {
            try Migrator(
                try database.connect(), migrations: Array(Migration.all.prefix(1)),
                routines: Self.none
            ).migrate()
        }
        #expect(error?.code == .newerDatabase)
    }

    @Test("migrators that run at once apply every migration once")
    func concurrent() throws {
        let database = try TemporaryDatabase(migrated: false)
        let applied = Mutex<[Int]>([])
        let failures = Mutex<[String]>([])
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            do {
                let count = try Migrator(try database.connect()).migrate().count
                applied.withLock { $0.append(count) }
            } catch { failures.withLock { $0.append("\(error)") } }
        }
        #expect(failures.withLock { $0 } == [])
        #expect(applied.withLock { $0.sorted() } == [0, 0, 0, Migration.all.count])
    }

    @Test("a database with months gets partitions of the tables of migration 3 for each of them")
    func months() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try database.connect()
        try Migrator(connection).migrate()
        // As before that migration: months are there, its tables are not.
        try connection.script(
            """
            select ofa.open_month(202603), ofa.open_month(202612);
            drop table ofa.training_metrics, ofa.training_validation;
            delete from ofa.migration where version = 3;
            """)
        #expect(try Migrator(connection).migrate().map(\.version) == [3])
        let partitions = Statement(
            name: "Partitions",
            sql: """
                select string_agg(relname, ' ' order by relname) as names from pg_class
                where relname ~ '^training_.*_(202603|202612)$' and relkind = 'r'
                """)
        #expect(
            try connection.queryOne(partitions).text("names")
                == "training_metrics_202603 training_metrics_202612"
                + " training_validation_202603 training_validation_202612")
        try connection.script(
            """
            insert into ofa.training_metrics (job_id, month, token, first_step, last_step, skipped, networks, images,
              seconds, learning_rate)
            values (1, 202603, 1, 1, 1, 0, 1, 1, 1, 0.1), (1, 202612, 1, 1, 1, 0, 1, 1, 1, 0.1);
            """)
    }

    @Test("no setting shifts the clock of a database that is not one of tests")
    func clock() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try database.connect()
        try Migrator(connection).migrate()
        let ahead = Statement(
            name: "Ahead",
            sql: "select ofa.now() - statement_timestamp() > interval '1 minute' as x")
        try connection.script("set ofa.clock_offset = '1 hour'")
        #expect(try !connection.queryOne(ahead).bool("x"))
        try connection.script("create table ofa.test_clock ()")
        #expect(try connection.queryOne(ahead).bool("x"))
        try connection.script("reset ofa.clock_offset")
        #expect(try !connection.queryOne(ahead).bool("x"))
    }
}
