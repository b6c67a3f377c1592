// Tests of SessionLimits: each limit, as the error it ends in; and servers that go away, come back,
// or stop answering without a word.
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Postgres

private func statement(_ sql: String) -> Statement { Statement(name: sql, sql: sql) }

@Suite("SessionLimits")
struct SessionLimitsTests {
    @Test("a statement that runs too long is cancelled: 57014, not worth another try")
    func statementTimeout() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try Connection(
            url: database.url, limits: SessionLimits(statementTimeoutSeconds: 0.1))
        let error = #expect(throws: PostgresError.self) {
            try connection.query(Statement(name: "Slow", sql: "select pg_sleep(60)"))
        }
        #expect(error?.sqlState == "57014")
        #expect(error?.statement == "Slow")
        #expect(error?.remedy != nil)
        #expect(error?.isRetryable == false && error?.isConnectionLoss == false)
        #expect(try connection.queryOne(statement("select 1 as x")).int("x") == 1)
    }

    @Test("a lock that is not to be had in time is 55P03, and worth another try")
    func lockTimeout() throws {
        let database = try TemporaryDatabase(migrated: false)
        let holder = try database.connect()
        try holder.script("create table t (x int)")
        let connection = try Connection(
            url: database.url, limits: SessionLimits(lockTimeoutSeconds: 0.1))
        try holder.transaction { holder in
            try holder.script("lock table t")
            let error = #expect(throws: PostgresError.self) {
                try connection.query(Statement(name: "Read", sql: "select x from t"))
            }
            #expect(error?.sqlState == "55P03")
            #expect(error?.remedy?.contains("pg_blocking_pids") == true)
            #expect(error?.isRetryable == true && error?.isConnectionLoss == false)
        }
        #expect(try connection.query(Statement(name: "Read", sql: "select x from t")).isEmpty)
    }

    @Test("a transaction that idles too long is ended: 25P03, a connection loss, nothing kept")
    func idleInTransaction() throws {
        let database = try TemporaryDatabase(migrated: false)
        let other = try database.connect()
        try other.script("create table t (x int)")
        let connection = try Connection(
            url: database.url, limits: SessionLimits(idleInTransactionTimeoutSeconds: 0.1))
        let error = #expect(throws: PostgresError.self) {
            try connection.transaction { connection in
                try connection.execute(statement("insert into t values (1)"))
                let lives = statement("select 1 from pg_stat_activity where pid = $1::int")
                while try !other.query(lives, [.int(connection.backendProcess)]).isEmpty {}
                try connection.execute(statement("insert into t values (2)"))
            }
        }
        #expect(error?.sqlState == "25P03")
        #expect(error?.remedy?.contains("slow work") == true)
        #expect(error?.isConnectionLoss == true)
        try connection.reconnect()
        #expect(try connection.queryOne(statement("select count(*) as n from t")).int("n") == 0)
    }

    @Test(
        "a server that stops answering without a word is a connection loss, in every kind of call",
        arguments: [TCPProxy.Front.loopback, .unixSocket])
    func silence(front: TCPProxy.Front) throws {
        let database = try TemporaryDatabase(migrated: false)
        let proxy = try TCPProxy(before: database.url, front: front)
        let limits = SessionLimits(
            statementTimeoutSeconds: 0.1, answerMarginSeconds: 0.2)
        let connection = try Connection(url: proxy.url(of: database.url), limits: limits)
        let select = Statement(name: "Select", sql: "select 1 as x")
        let calls: [(Connection) throws -> Void] = [
            { _ = try $0.query(select) }, { try $0.script("select 1", name: "Select") },
            { _ = try $0.pipeline([Request(select)]) },
            { _ = try $0.transactionPipeline([Request(select)]) },
            { _ = try $0.transaction { try $0.query(select) } },
            { try $0.ping(timeoutSeconds: 0.2) },
            // More than every buffer holds: it is the writing that stands still.
            {
                _ = try $0.query(
                    Statement(name: "SelectLength", sql: "select length($1::bytea)"),
                    [.bytes([UInt8](repeating: 1, count: 16 << 20))])
            },
        ]
        for call in calls {
            proxy.goSilent()
            let error = #expect(throws: PostgresError.self) { try call(connection) }
            #expect(error?.isConnectionLoss == true)
            #expect(error?.sqlState == nil)
            proxy.cutAll()
            proxy.resume()
            try connection.reconnect()
            #expect(try connection.queryOne(select).int("x") == 1)
        }
    }

    @Test("a server that does not answer at login is a connection loss")
    func silentLogin() throws {
        let database = try TemporaryDatabase(migrated: false)
        let proxy = try TCPProxy(before: database.url)
        proxy.goSilent()
        let error = #expect(throws: PostgresError.self) {
            // libpq waits two seconds at least.
            try Connection(
                url: proxy.url(of: database.url), limits: SessionLimits(connectTimeoutSeconds: 2))
        }
        #expect(error?.isConnectionLoss == true)
    }

    @Test("connections that work on survive a server that crashes and restarts, twice")
    func serverRestart() throws {
        let server = try DedicatedServer()
        try server.connect().script("create table t (x bigint primary key)")
        let done = Mutex(0)
        let losses = Mutex(0)
        let failures = Mutex<[String]>([])
        let isOver = Mutex(false)
        let url = server.url
        let group = DispatchGroup()
        for worker in 0..<3 {
            group.enter()
            let thread = Thread {
                defer { group.leave() }
                do {
                    let connection = try Connection(url: url)
                    var row = worker
                    while !isOver.withLock({ $0 }) {
                        let lost = try Self.addUntilDone(row, connection)
                        losses.withLock { $0 += lost }
                        done.withLock { $0 += 1 }
                        row += 3
                    }
                } catch { failures.withLock { $0.append("\(error)") } }
            }
            thread.start()
        }
        func workOn(rows: Int) {
            let target = done.withLock { $0 } + rows
            while done.withLock({ $0 }) < target, failures.withLock({ $0.isEmpty }) {
                Thread.sleep(forTimeInterval: 0.001)
            }
        }
        for _ in 1...2 {
            workOn(rows: 100)
            try server.stopImmediately()
            try server.start()
        }
        workOn(rows: 100)
        isOver.withLock { $0 = true }
        group.wait()
        #expect(failures.withLock { $0 } == [])
        #expect(losses.withLock { $0 } > 0)
        let count = statement("select count(*) as n from t")
        #expect(try server.connect().queryOne(count).int("n") == done.withLock { $0 })
    }

    /// Adds a row however often that takes; returns how often it had to begin again.
    private static func addUntilDone(_ row: Int, _ connection: Connection) throws -> Int {
        let add = Statement(
            name: "Add", sql: "insert into t values ($1::bigint) on conflict do nothing")
        let policy = ReconnectPolicy(firstDelaySeconds: 0.01, maxDelaySeconds: 0.1)
        var runs = 0
        try connection.withReconnect(policy) { connection in
            runs += 1
            _ = try connection.transactionPipeline([Request(add, [.int(row)])])
        }
        return runs - 1
    }
}
