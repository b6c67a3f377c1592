// Tests of Adoption: a database with the migrations that the baseline was folded from goes on.
import Postgres
import TestSupport
import Testing

@testable import Schema

@Suite("Adoption")
struct AdoptionTests {
    /// A database as the ten migrations left it: the same tables, with their record instead of the baseline's.
    private func earlier(_ names: [String] = Adoption.folded) throws -> (
        TemporaryDatabase, Connection
    ) {
        let database = try TemporaryDatabase(), connection = try database.connect()
        let records = names.enumerated().map { "(\($0.offset + 1), '\($0.element)', 'x')" }
        try connection.script(
            """
            drop table ofa.routine;
            delete from ofa.migration;
            alter table ofa.migration drop column serves;
            insert into ofa.migration (version, name, checksum) values \(records.joined(separator: ", "));
            """)
        return (database, connection)
    }

    private func records(_ connection: Connection) throws -> Int {
        try connection.queryOne(
            Statement(name: "Records", sql: "select count(*) as count from ofa.migration")
        ).int("count")
    }

    @Test("a program says what a database from before the baseline is, and changes nothing")
    func refused() throws {
        let (database, connection) = try earlier()
        for command in [["jobs"], ["db", "migrate"], ["worker", "--until-idle"]] {
            let run = try CommandRun(command, environment: ["OFA_DATABASE_URL": database.url])
            #expect(run.status == 1, "\(command)")
            #expect(run.errors.contains("from before its schema was settled"), "\(run.errors)")
            #expect(run.errors.contains("ofa db adopt"), "\(run.errors)")
        }
        #expect(try records(connection) == 10)
    }

    @Test("it is adopted with what it holds, once")
    func adopted() throws {
        let (database, connection) = try earlier()
        let environment = ["OFA_DATABASE_URL": database.url]
        try connection.script(
            "insert into ofa.device (name, target) values ('board', '{\"kind\": \"phone\"}')")
        let run = try CommandRun(["db", "adopt", "--json"], environment: environment)
        #expect(run.status == 0, "\(run.errors)")
        #expect(try Migrator(connection).isCurrent())
        #expect(try Migrator(connection).applied().map(\.name).first == "baseline")
        let audit = try CommandRun(["queue", "audit"], environment: environment)
        #expect(audit.status == 0, "\(audit.errors)")
        let devices = Statement(name: "Devices", sql: "select count(*) as count from ofa.device")
        #expect(try connection.queryOne(devices).int("count") == 1)
        let again = try CommandRun(["db", "adopt"], environment: environment)
        #expect(again.status == 1)
        #expect(again.errors.contains("of this schema already"), "\(again.errors)")
    }

    @Test(
        "one with fewer migrations, one where workers run and an empty one are refused, unchanged")
    func notAdoptable() throws {
        let (few, seven) = try earlier(Array(Adoption.folded.prefix(7)))
        defer { withExtendedLifetime(few) {} }
        var error = #expect(throws: SchemaError.self) { try Adoption(seven).run() }
        #expect(error?.code == .notAdoptable)
        #expect(error?.reason.contains("7 of the 10 migrations") == true)
        #expect(try records(seven) == 7)
        let (busy, connection) = try earlier()
        defer { withExtendedLifetime(busy) {} }
        try connection.script(
            "insert into ofa.session (name, host, process, ttl) values ('w', 'h', 1, interval '10 s')"
        )
        error = #expect(throws: SchemaError.self) { try Adoption(connection).run() }
        #expect(error?.reason.contains("run on the database (1)") == true, "\(error?.reason ?? "")")
        #expect(try records(connection) == 10)
        let empty = try TemporaryDatabase(migrated: false)
        error = #expect(throws: SchemaError.self) { try Adoption(try empty.connect()).run() }
        #expect(error?.reason.contains("nothing of ofa yet") == true)
    }
}
