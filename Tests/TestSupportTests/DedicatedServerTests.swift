// Tests of DedicatedServer: what a crash, a standby and its promotion keep and lose.
import Foundation
import Postgres
import TestSupport
import Testing

private func statement(_ sql: String) -> Statement { Statement(name: sql, sql: sql) }

@Suite("DedicatedServer")
struct DedicatedServerTests {
    @Test("an immediate stop keeps what was committed, under the same URL")
    func immediateStop() throws {
        let server = try DedicatedServer()
        let connection = try server.connect()
        try connection.script("create table kept (x int); insert into kept values (7)")
        try server.stopImmediately()
        let error = #expect(throws: PostgresError.self) {
            try connection.query(statement("select 1"))
        }
        #expect(error?.isConnectionLoss == true)
        #expect(throws: PostgresError.self) { try server.connect() }
        try server.start()
        try connection.reconnect()
        #expect(try connection.queryOne(statement("select x from kept")).int("x") == 7)
    }

    @Test("a promoted standby has what it replayed, lacks what came after, and repeats sequences")
    func promotion() throws {
        let primary = try DedicatedServer()
        let writer = try primary.connect()
        try writer.script(
            "create table t (x int); create sequence tokens; insert into t values (1)")
        let standby = try primary.makeStandby()
        try writer.script("insert into t values (2)")
        try standby.catchUp(with: primary)
        let count = statement("select count(*) as n from t")
        #expect(try standby.connect().queryOne(count).int("n") == 2)
        let refused = #expect(throws: PostgresError.self) {
            try standby.connect().execute(statement("insert into t values (9)"))
        }
        #expect(refused?.sqlState == "25006")
        try standby.cutReplication()
        try writer.script("insert into t values (3)")
        // The log runs 32 numbers ahead of a sequence, so a few would not show.
        let last = try writer.queryOne(
            statement("select max(nextval('tokens')) as x from generate_series(1, 100)")
        ).int("x")
        try primary.stopImmediately()
        try standby.promote()
        let survivor = try standby.connect()
        #expect(try survivor.queryOne(count).int("n") == 2)
        #expect(try survivor.queryOne(statement("select nextval('tokens') as x")).int("x") <= last)
        try survivor.execute(statement("insert into t values (4)"))
        #expect(try survivor.queryOne(count).int("n") == 3)
    }
}
