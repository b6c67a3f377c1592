// Tests of LaterAnswer: requests whose rows are taken after other work.
import Foundation
import TestSupport
import Testing

@testable import Postgres

private func statement(_ sql: String) -> Statement { Statement(name: sql, sql: sql) }

@Suite("Later answers")
struct LaterAnswerTests {
    private static let square = Statement(name: "Square", sql: "select $1::bigint * $1 as square")

    @Test(
        "the rows are those of the request, whatever the connection does in between",
        arguments: ["", "ofa_pooled=1"])
    func inBetween(option: String) throws {
        let database = try TemporaryDatabase(migrated: false)
        let url = database.url + (option.isEmpty ? "" : (database.url.contains("?") ? "&" : "?"))
        let connection = try Connection(url: url + option)
        for number in 1...3 {
            let answer = try connection.ask(Request(Self.square, [.int(number)]))
            let others: [() throws -> Void] = [
                {},
                {
                    let five = try connection.queryOne(statement("select 5 as x")).int("x")
                    #expect(five == 5)
                },
                {
                    try connection.transaction { try $0.script("create table t\(number) ()") }
                    let answers = try connection.pipeline([
                        Request(Self.square, [.int(9)]), Request(statement("select 6 as x")),
                    ])
                    let found = answers.map { $0[0].values }
                    #expect(found == [[.int(81)], [.int(6)]])
                },
            ]
            try others[number - 1]()
            let next = try connection.ask(Request(Self.square, [.int(number + 1)]))
            #expect(try answer.rows().map { try $0.int("square") } == [number * number])
            #expect(try answer.rows().count == 1)
            #expect(try next.rows()[0].int("square") == (number + 1) * (number + 1))
        }
    }

    @Test("an error is thrown with the rows, and the connection stays usable")
    func failed() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try database.connect()
        let answer = try connection.ask(Request(statement("select 1 / $1::bigint"), [.int(0)]))
        #expect(try connection.queryOne(statement("select 5 as x")).int("x") == 5)
        let error = try #require(throws: PostgresError.self) { try answer.rows() }
        #expect(error.sqlState == "22012" && !error.isConnectionLoss)
        // In a transaction, a failed request fails the transaction.
        let lost = try #require(throws: PostgresError.self) {
            try connection.transaction {
                _ = try $0.ask(Request(statement("select 1 / $1::bigint"), [.int(0)]))
            }
        }
        #expect(lost.sqlState == "25P02")
        #expect(try connection.queryOne(statement("select 5 as x")).int("x") == 5)
    }

    @Test("an answer that nothing waits for does not keep its connection")
    func forgotten() throws {
        let database = try TemporaryDatabase(migrated: false)
        weak var connection: Connection?
        var answer: LaterAnswer?
        do {
            let one = try database.connect()
            answer = try one.ask(Request(Self.square, [.int(3)]))
            connection = one
        }
        #expect(connection == nil)
        let error = try #require(throws: PostgresError.self) { try answer?.rows() }
        #expect(error.isConnectionLoss)
    }

    @Test("after the session ended, the answer is an error of the connection")
    func closed() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try database.connect()
        let answer = try connection.ask(Request(Self.square, [.int(3)]))
        try connection.reconnect()
        #expect(try connection.queryOne(statement("select 5 as x")).int("x") == 5)
        let error = try #require(throws: PostgresError.self) { try answer.rows() }
        #expect(error.isConnectionLoss)
        connection.close()
        #expect(throws: PostgresError.self) {
            try connection.ask(Request(Self.square, [.int(3)]))
        }
    }
}
