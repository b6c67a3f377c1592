// Tests of Pipeline: many statements in one round trip, whole or not at all.
import Foundation
import TestSupport
import Testing

@testable import Postgres

private func statement(_ sql: String) -> Statement { Statement(name: sql, sql: sql) }

@Suite("Pipeline")
struct PipelineTests {
    private static let add = Statement(
        name: "Add", sql: "insert into t values ($1::bigint) returning x")
    private static let count = Statement(name: "Count", sql: "select count(*) as n from t")

    private func connect(_ database: TemporaryDatabase) throws -> Connection {
        let connection = try database.connect()
        try connection.script("create table t (x bigint constraint positive check (x > 0))")
        return connection
    }

    @Test(
        "another text under the name of a prepared statement is refused, and nothing of it is run")
    func twoTexts() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try connect(database)
        let one = Statement(name: "Same", sql: "select 1 as x")
        let two = Statement(name: "Same", sql: "select 2 as x")
        #expect(try connection.queryOne(one).int("x") == 1)
        let error = #expect(throws: PostgresError.self) { try connection.queryOne(two) }
        #expect(error?.statement == "Same" && error?.remedy != nil)
        #expect(error?.message.contains("another text") == true && error?.isConnectionLoss == false)
        #expect(throws: PostgresError.self) {
            try connection.transactionPipeline([
                Request(Self.add, [.int(1)]), Request(two),
            ])
        }
        // Both new, and in one round trip.
        #expect(throws: PostgresError.self) {
            try connection.pipeline([
                Request(Self.add, [.int(1)]), Request(Statement(name: "New", sql: "select 1 as x")),
                Request(Statement(name: "New", sql: "select 2 as x")),
            ])
        }
        #expect(try connection.queryOne(Self.count).int("n") == 0)
        #expect(try connection.queryOne(one).int("x") == 1)
        // Another session may give the name to the other text.
        try connection.reconnect()
        #expect(try connection.queryOne(two).int("x") == 2)
    }

    @Test("the rows of each request come in order, prepared or not")
    func rowsInOrder() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try connect(database)
        try connection.execute(Self.add, [.int(100)])
        for round in 1...2 {
            let answers = try connection.pipeline([
                Request(Self.add, [.int(round)]), Request(Self.add, [.int(round + 10)]),
                Request(statement("select 'é' as text, $1::bytea as raw"), [.bytes([0, 1])]),
                Request(statement("select x from t where false")), Request(Self.count),
            ])
            #expect(answers.count == 5)
            #expect(try answers[0][0].int("x") == round)
            #expect(try answers[1][0].int("x") == round + 10)
            #expect(try answers[2][0].text("text") == "é")
            #expect(try answers[2][0].bytes("raw") == [0, 1])
            #expect(answers[3].isEmpty)
            #expect(try answers[4][0].int("n") == 1 + 2 * round)
        }
        #expect(try connection.pipeline([]).isEmpty)
    }

    @Test(
        "requests of one statement whose binds are arrays become one with longer arrays; others stay"
    )
    func together() throws {
        let unnested = statement(
            """
            select count(*) as n, string_agg(encode(raw, 'hex') || coalesce(text, '-') || number, ',') as all
            from unnest($1::bytea[], $2::text[], $3::bigint[]) as row (raw, text, number)
            """)
        func rows(_ raw: [[UInt8]], _ texts: [String?], _ numbers: [Int64]) -> Request {
            Request(unnested, [.bytesArray(raw), .optionalTextArray(texts), .intArray(numbers)])
        }
        let requests = Request.together([
            rows([[], [0, 255]], ["a", nil], [1, 2]), Request(Self.count),
            Request(Self.add, [.int(1)]),
            rows([], [], []), Request(Self.add, [.int(2)]), rows([[7]], ["é\"}"], [3]),
        ])
        #expect(requests.map(\.statement) == [unnested, Self.count, Self.add, Self.add])
        let database = try TemporaryDatabase(migrated: false)
        let answer = try connect(database).pipeline(requests)[0][0]
        #expect(try answer.int("n") == 3)
        #expect(try answer.text("all") == "a1,00ff-2,07é\"}3")
        #expect(
            try database.connect().queryOne(rows([], [], [])).int("n") == 0)
    }

    @Test("the first error is thrown with its statement's name, and nothing of the others remains")
    func firstError() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try connect(database)
        let bad = Statement(name: "Bad", sql: "insert into t values ($1::bigint)")
        let wrong = Statement(name: "Wrong", sql: "select nothing from nowhere")
        for runs in [connection.pipeline, connection.transactionPipeline] {
            let error = #expect(throws: PostgresError.self) {
                try runs([
                    Request(Self.add, [.int(1)]), Request(bad, [.int(-1)]), Request(wrong),
                    Request(Self.count),
                ])
            }
            #expect(error?.statement == "Bad")
            #expect(error?.constraint == "positive")
            #expect(error?.isConnectionLoss == false)
            let unknown = #expect(throws: PostgresError.self) {
                try runs([Request(Self.add, [.int(1)]), Request(wrong), Request(Self.count)])
            }
            #expect(unknown?.statement == "Wrong")
            #expect(unknown?.sqlState == "42P01")
            #expect(try connection.queryOne(Self.count).int("n") == 0)
        }
        let zero = #expect(throws: PostgresError.self) {
            try connection.pipeline([
                Request(Self.add, [.int(1)]), Request(statement("select $1"), [.text("a\0b")]),
            ])
        }
        #expect(zero?.sqlState == "22021")
        #expect(try connection.pipeline([Request(Self.count)])[0][0].int("n") == 0)
    }

    @Test("a pipeline in a transaction is part of it; its error ends the transaction")
    func insideTransaction() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try connect(database)
        try connection.transaction { connection in
            _ = try connection.pipeline([
                Request(Self.add, [.int(1)]), Request(Self.add, [.int(2)]),
            ])
            let other = try database.connect()
            #expect(try other.queryOne(Self.count).int("n") == 0)
        }
        #expect(throws: PostgresError.self) {
            try connection.transaction { connection in
                _ = try connection.pipeline([Request(Self.add, [.int(3)])])
                _ = try connection.pipeline([Request(Self.add, [.int(-3)])])
            }
        }
        #expect(try connection.queryOne(Self.count).int("n") == 2)
    }

    @Test(
        "an error at the commit is that of a statement, not of the connection, and nothing remains")
    func commitFails() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try connect(database)
        try connection.script(
            """
            create function refuse() returns trigger language plpgsql as $$
            begin raise exception 'refused' using errcode = 'FT001'; end $$;
            create constraint trigger refuse after insert on t deferrable initially deferred
              for each row execute function refuse();
            """)
        let server = connection.backendProcess
        for runs in [connection.pipeline, connection.transactionPipeline] {
            let error = #expect(throws: PostgresError.self) {
                try runs([Request(Self.add, [.int(1)]), Request(Self.count)])
            }
            #expect(error?.sqlState == "FT001")
            #expect(error?.isConnectionLoss == false)
            // The same session goes on, in a pipeline and outside.
            #expect(try connection.pipeline([Request(Self.count)])[0][0].int("n") == 0)
            #expect(try connection.queryOne(Self.count).int("n") == 0)
            #expect(connection.backendProcess == server)
        }
    }

    @Test("a transaction pipeline commits once and is seen by others")
    func commits() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try connect(database)
        let xid = Statement(name: "Xid", sql: "select pg_current_xact_id()::text as x")
        let answers = try connection.transactionPipeline([
            Request(Self.add, [.int(1)]), Request(xid), Request(Self.add, [.int(2)]), Request(xid),
        ])
        #expect(try answers[1][0].text("x") == answers[3][0].text("x"))
        #expect(try database.connect().queryOne(Self.count).int("n") == 2)
    }

    @Test("requests and answers far larger than any buffer do not lock each other out")
    func largePipelines() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try connect(database)
        // 48 MB each way: socket buffers hold a few hundred kilobytes.
        let echo = Statement(name: "Echo", sql: "select $1::bytea as raw")
        let bytes = [UInt8](repeating: 7, count: 1 << 20)
        let answers = try connection.pipeline(
            (0..<48).map { Request(echo, [.bytes(bytes + [UInt8($0)])]) })
        for (index, rows) in answers.enumerated() {
            let raw = try rows[0].bytes("raw")
            #expect(raw.count == bytes.count + 1 && raw.last == UInt8(index))
        }
        let many = try connection.transactionPipeline(
            (1...20_000).map { Request(Self.add, [.int($0)]) })
        #expect(try many.enumerated().allSatisfy { try $1[0].int("x") == $0 + 1 })
        #expect(try connection.queryOne(Self.count).int("n") == 20_000)
    }

    @Test("a session killed in the middle of a pipeline is a connection loss, and reconnects")
    func lostInTheMiddle() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try connect(database)
        let suicide = statement("select pg_terminate_backend(pg_backend_pid())")
        let requests = [
            Request(Self.add, [.int(1)]), Request(suicide), Request(Self.add, [.int(2)]),
        ]
        for runs in [connection.pipeline, connection.transactionPipeline] {
            let error = #expect(throws: PostgresError.self) { try runs(requests) }
            #expect(error?.isConnectionLoss == true)
            try connection.reconnect()
            #expect(try connection.queryOne(Self.count).int("n") == 0)
        }
    }
}
