// Tests of functions and views that are applied again when their text changes.
import Postgres
import Schema
import TestSupport
import Testing

@Suite("Routines")
struct RoutineTests {
    private let table = Migration(
        version: 1, name: "table", sql: "create table ofa.word (word text not null);")

    private func routine(_ word: String) -> Routine {
        Routine(
            name: "word", checksum: word,
            sql:
                "create or replace function ofa.word() returns text language sql as $$ select '\(word)' $$;"
        )
    }

    private func migrator(_ database: TemporaryDatabase, _ edition: Int, _ words: String...) throws
        -> Migrator
    {
        Migrator(
            try database.connect(), migrations: [table],
            routines: RoutineSet(edition: edition, all: words.map(routine)))
    }

    private func word(_ database: TemporaryDatabase) throws -> String {
        try database.connect().queryOne(Statement(name: "Word", sql: "select ofa.word() as word"))
            .text("word")
    }

    @Test("a changed function is applied by the next program, without a migration")
    func changed() throws {
        let database = try TemporaryDatabase(migrated: false)
        try migrator(database, 1, "one").migrate()
        #expect(try word(database) == "one")
        let next = try migrator(database, 2, "two")
        #expect(try !next.isCurrent())
        #expect(try next.migrate().isEmpty)
        #expect(try next.isCurrent())
        #expect(try word(database) == "two")
    }

    @Test("an older program takes newer functions as they are")
    func older() throws {
        let database = try TemporaryDatabase(migrated: false)
        try migrator(database, 2, "two").migrate()
        let older = try migrator(database, 1, "one")
        #expect(try older.isCurrent())
        try older.migrate()
        #expect(try word(database) == "two")
    }

    @Test("a function that fails leaves nothing of itself or of the migrations")
    func failure() throws {
        let database = try TemporaryDatabase(migrated: false)
        let bad = Routine(name: "bad", checksum: "x", sql: "create function ofa.bad() nonsense;")
        let error = #expect(throws: SchemaError.self) {
            try Migrator(
                try database.connect(), migrations: [table],
                routines: RoutineSet(edition: 1, all: [routine("one"), bad])
            ).migrate()
        }
        #expect(error?.code == .failedMigration)
        #expect(error?.reason.contains("bad.sql") == true)
        #expect(try Migrator(try database.connect(), migrations: [table]).applied().isEmpty)
    }

    @Test("every function and view of the program is recorded")
    func recorded() throws {
        let database = try TemporaryDatabase()
        let recorded = try database.connect().query(
            Statement(name: "Recorded", sql: "select name, checksum from ofa.routine")
        ).map { "\(try $0.text("name")) \(try $0.text("checksum"))" }
        #expect(
            Set(recorded) == Set(RoutineSet.current.all.map { "\($0.name) \($0.checksum)" }))
        #expect(RoutineSet.current.edition > 0)
    }
}
