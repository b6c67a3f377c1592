// Tests of Connection, Row, SQLValue and BinaryFormat against a real server.
import Foundation
import TestSupport
import Testing

@testable import Postgres

private func statement(_ sql: String) -> Statement { Statement(name: sql, sql: sql) }

@Suite("Connection")
struct ConnectionTests {
    @Test("every kind of value comes back as it was bound")
    func roundTrip() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try database.connect()
        let date = Date(timeIntervalSince1970: 1_700_000_000.123456)
        let cases: [(String, SQLValue)] = [
            ("bigint", .int(Int64.min)), ("integer", .int(-5)), ("smallint", .int(7)),
            ("double precision", .double(0.1)), ("double precision", .double(-.infinity)),
            ("real", .double(0.5)), ("text", .text("näïve \"quoted\" \\ $1 'x'")),
            ("text", .text("")),
            ("boolean", .bool(true)), ("boolean", .bool(false)),
            ("bytea", .bytes([0, 255, 39, 92])),
            ("bytea", .bytes([])), ("json", .json(#"{"b": 1,"a":[1.50]}"#)),
            ("jsonb", .json(#"{"a": 1}"#)),
            ("uuid", .uuid("0f0e0d0c-0102-0304-0506-0708090a0b0c")),
            ("timestamptz", .timestamp(date)),
            ("text[]", .textArray(["a", "b,c", "d\"e\\", "", "NULL"])), ("text[]", .textArray([])),
            ("bigint[]", .intArray([1, -2])), ("int[]", .intArray([3])),
            ("double precision[]", .doubleArray([0.1, 2])), ("bigint", .null),
            ("numeric", .text("-1234567.8900")), ("numeric", .text("0.00012")),
            ("numeric", .text("100000000")),
        ]
        for (type, value) in cases {
            let row = try connection.queryOne(statement("select $1::\(type) as x"), [value])
            if case .timestamp(let wanted) = value {
                #expect(abs(try row.date("x").timeIntervalSince(wanted)) < 1e-6)
            } else {
                #expect(try row.value("x") == value, "\(type)")
            }
        }
    }

    @Test("an error names SQLSTATE, statement and constraint")
    func errorsAreNamed() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try database.connect()
        try connection.script("create table t (x int constraint positive check (x > 0))")
        let insert = Statement(name: "TInsert", sql: "insert into t values ($1)")
        #expect(try connection.execute(insert, [.int(1)]) == 1)
        let error = #expect(throws: PostgresError.self) {
            try connection.execute(insert, [.int(-1)])
        }
        #expect(error?.sqlState == "23514")
        #expect(error?.statement == "TInsert")
        #expect(error?.constraint == "positive")
        #expect(error?.isConnectionLoss == false)
    }

    @Test("reading a missing, NULL or wrong column names the column and the statement")
    func rowErrorsAreNamed() throws {
        let database = try TemporaryDatabase(migrated: false)
        let select = Statement(name: "Probe", sql: "select 1 as one, null::int as nothing")
        let row = try database.connect().queryOne(select)
        for (column, body) in [
            ("two", { _ = try row.int("two") }), ("nothing", { _ = try row.int("nothing") }),
            ("one", { _ = try row.text("one") }),
        ] as [(String, () throws -> Void)] {
            let error = #expect(throws: PostgresError.self) { try body() }
            #expect(error?.message.contains(column) == true)
            #expect(error?.statement == "Probe")
        }
        #expect(try row.optionalInt("nothing") == nil)
    }

    @Test("a transaction whose body throws leaves nothing behind")
    func rollback() throws {
        struct Stop: Error {}
        let database = try TemporaryDatabase(migrated: false)
        let connection = try database.connect()
        try connection.script("create table t (x int)")
        #expect(throws: Stop.self) {
            try connection.transaction { connection in
                try connection.execute(statement("insert into t values (1)"))
                throw Stop()
            }
        }
        #expect(try connection.queryOne(statement("select count(*) as n from t")).int("n") == 0)
    }

    @Test("a transaction whose body hides a failed statement is an error, not a silent rollback")
    func hiddenFailure() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try database.connect()
        let error = #expect(throws: PostgresError.self) {
            try connection.transaction { connection in
                do { try connection.execute(statement("select 1/0")) } catch {}
            }
        }
        #expect(error?.sqlState == "25P02")
    }

    @Test("a killed session is a connection loss, and withReconnect carries on")
    func reconnects() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try database.connect()
        let other = try database.connect()
        let kill = statement("select pg_terminate_backend($1::int)")
        try other.execute(kill, [.int(connection.backendProcess)])
        let error = #expect(throws: PostgresError.self) {
            try connection.query(statement("select 1"))
        }
        #expect(error?.isConnectionLoss == true)
        // Whoever goes on without a new session hears the same, whatever he tries.
        for call in [
            { _ = try connection.query(statement("select 1")) },
            { try connection.script("select 1") }, { try connection.transaction { _ in } },
            { _ = try connection.pipeline([Request(statement("select 1"))]) },
            { try connection.listen("jobs") }, { try connection.ping(timeoutSeconds: 1) },
        ] as [() throws -> Void] {
            let again = #expect(throws: PostgresError.self) { try call() }
            #expect(again?.isConnectionLoss == true)
        }
        try connection.reconnect()
        try other.execute(kill, [.int(connection.backendProcess)])
        var runs = 0
        let answer = try connection.withReconnect { connection in
            runs += 1
            return try connection.queryOne(statement("select 42 as x")).int("x")
        }
        #expect(answer == 42)
        #expect(runs == 2)
    }

    @Test("a serialisation failure is run again")
    func retriesConflicts() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try database.connect()
        var runs = 0
        let policy = ReconnectPolicy(firstDelaySeconds: 0.001)
        try connection.withReconnect(policy) { connection in
            runs += 1
            if runs < 3 { throw PostgresError("conflict", sqlState: "40001") }
        }
        #expect(runs == 3)
    }

    @Test("a cancelled statement is run again as often as the policy says", arguments: [0, 2, 5])
    func retriesCancellations(most: Int) throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try database.connect()
        var runs = 0
        let policy = ReconnectPolicy(firstDelaySeconds: 0.001, maxCancellations: most)
        let error = #expect(throws: PostgresError.self) {
            try connection.withReconnect(policy) { _ in
                runs += 1
                throw PostgresError("cancelled", sqlState: "57014")
            }
        }
        #expect(error?.sqlState == "57014")
        #expect(runs == most + 1)
    }

    @Test("a server that is not there is an error with a remedy")
    func absentServer() throws {
        let error = #expect(throws: PostgresError.self) {
            try Connection(url: "postgresql:///x?host=/nonexistent")
        }
        #expect(error?.isConnectionLoss == true)
        #expect(error?.remedy != nil)
    }

    @Test("a value of a type not read here says which column and what to do")
    func unreadableType() throws {
        let database = try TemporaryDatabase(migrated: false)
        let error = #expect(throws: PostgresError.self) {
            try database.connect().query(statement("select interval '1 day' as pause"))
        }
        #expect(error?.message.contains("pause") == true)
        #expect(error?.remedy?.contains("pause::text") == true)
    }
}
