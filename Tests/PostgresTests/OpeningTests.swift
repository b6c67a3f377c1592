// Tests of Opening: what every session says of itself, servers and databases that are refused, and a Connection behind a real pgbouncer in transaction
// mode, where nothing of a session holds.
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Postgres

private func statement(_ sql: String) -> Statement { Statement(name: sql, sql: sql) }

@Suite("Opening")
struct OpeningTests {
    /// What a role may have set, and what every session of ours says instead.
    static let pins = [
        ("default_transaction_isolation", "repeatable read", "read committed"),
        ("jit", "on", "off"), ("timezone", "Pacific/Chatham", "UTC"),
        ("datestyle", "German", "ISO, YMD"), ("intervalstyle", "sql_standard", "postgres"),
        ("bytea_output", "escape", "hex"), ("extra_float_digits", "-3", "1"),
        ("standard_conforming_strings", "off", "on"), ("search_path", "pg_catalog", "ofa, public"),
        ("client_encoding", "LATIN1", "UTF8"), ("row_security", "off", "on"),
    ]

    /// The settings in force, by one statement.
    private static let shown = statement(
        "select "
            + (pins.map { "current_setting('\($0.0)') as \($0.0)" }
            + ["current_setting('transaction_isolation') as now"]).joined(separator: ", "))

    private func check(_ connection: Connection) throws {
        for row in [
            try connection.queryOne(Self.shown),
            try connection.transaction { try $0.queryOne(Self.shown) },
            try connection.pipeline([Request(Self.shown)])[0][0],
            try connection.transactionPipeline([Request(Self.shown)])[0][0],
        ] {
            for (name, _, wanted) in Self.pins { #expect(try row.text(name) == wanted, "\(name)") }
            #expect(try row.text("now") == "read committed")
        }
        try connection.script(
            "create temp table seen on commit drop as select current_setting('transaction_isolation') as x; "
                + "do $$ begin assert (select x from seen) = 'read committed'; end $$")
    }

    @Test("what a database sets for its sessions changes nothing that the code assumes")
    func pins() throws {
        let database = try TemporaryDatabase(migrated: false)
        let name = try database.connect().queryOne(statement("select current_database() as x"))
            .text("x")
        for (setting, value, _) in Self.pins {
            try database.connect().script("alter database \(name) set \(setting) = '\(value)'")
        }
        try check(database.connect())
        try check(Connection(url: database.url + "&ofa_pooled=1"))
        if PgBouncer.isInstalled {
            let bouncer = try PgBouncer(before: database.url, poolSize: 1)
            try check(Connection(url: bouncer.url(of: database.url)))
        }
    }

    @Test(
        "a database of another encoding is refused in one line, with the remedy",
        arguments: ["SQL_ASCII", "LATIN1"])
    func encodings(encoding: String) throws {
        let server = try TestServer.shared()
        let name = "test_\(encoding.lowercased())"
        let connection = try Connection(url: server.url)
        try connection.script(
            "create database \(name) encoding '\(encoding)' locale 'C' template template0")
        defer {
            do { try connection.script("drop database \(name)") } catch { Issue.record(error) }
        }
        let url = server.url.replacing("///postgres?", with: "///\(name)?")
        let error = #expect(throws: PostgresError.self) { try Connection(url: url) }
        #expect(error?.message == "the database \(name) is encoded in \(encoding); UTF8 is needed")
        #expect(error?.remedy?.contains("--encoding=UTF8") == true)
        #expect(error?.isConnectionLoss == false)
    }

    @Test("a server that takes no writes is told at once, or waited for by those who wait")
    func readOnly() throws {
        let database = try TemporaryDatabase(migrated: false)
        let switching = try database.connect()
        let name = try switching.queryOne(statement("select current_database() as x")).text("x")
        try switching.script("create table t (x bigint)")
        try switching.script("alter database \(name) set default_transaction_read_only = on")
        let connection = try database.connect()
        let add = Statement(name: "Add", sql: "insert into t values (1)")
        let error = #expect(throws: PostgresError.self) {
            try connection.withReconnect { try $0.execute(add) }
        }
        #expect(error?.sqlState == "25006" && error?.isReadOnly == true)
        #expect(error?.remedy?.contains("target_session_attrs=read-write") == true)
        var tries = 0
        let policy = ReconnectPolicy(firstDelaySeconds: 0.001, waitsForWrites: true)
        try connection.withReconnect(policy) {
            tries += 1
            if tries == 3 {
                try switching.script("alter database \(name) reset default_transaction_read_only")
            }
            try $0.execute(add)
        }
        // The third session still began read-only; the fourth did not.
        #expect(tries == 4)
    }

    @Test("a tool gets every option of the connection, and the password in its environment only")
    func tools() throws {
        let database = try TemporaryDatabase(migrated: false)
        let connection = try Connection(
            url: database.url + "&password=s3%27cr%5Ct&application_name=x&sslrootcert=a'b%5C c")
        let access = try connection.toolAccess()
        #expect(access.environment == ["PGPASSWORD": "s3'cr\\t"])
        #expect(access.target.contains(#"sslrootcert='a\'b\\ c'"#))
        #expect(!access.target.contains("s3"))
        let shown = try ChildProcess(environment: access.environment).run([
            "psql", access.target, "-Atc", "select current_database()",
        ])
        let name = try connection.queryOne(statement("select current_database() as x")).text("x")
        #expect(shown.output == name + "\n")
    }
}

@Suite("Behind pgbouncer", .enabled(if: PgBouncer.isInstalled, "pgbouncer is not installed"))
struct PooledTests {
    private static let count = Statement(name: "Count", sql: "select count(*) as n from t")
    private static let add = Statement(name: "Add", sql: "insert into t values ($1::bigint)")

    /// Two databases on one server: reached through the pooler, and directly.
    private struct Place {
        let database: TemporaryDatabase
        let bouncer: PgBouncer
        var url: String { bouncer.url(of: database.url) }

        init(poolSize: Int = 2) throws {
            database = try TemporaryDatabase(migrated: false)
            bouncer = try PgBouncer(before: database.url, poolSize: poolSize)
            try database.connect().script(
                "create table t (x bigint constraint positive check (x > 0))")
        }
    }

    @Test("a pooler is found out, or taken from the URL; a server itself is not taken for one")
    func detection() throws {
        let place = try Place()
        #expect(try Connection(url: place.url).isPooled)
        #expect(try Connection(url: place.url + "&ofa_pooled=1").isPooled)
        #expect(try !place.database.connect().isPooled)
        #expect(try Connection(url: place.database.url + "&ofa_pooled=1").isPooled)
        #expect(try !Connection(url: place.database.url + "&ofa_pooled=0").isPooled)
    }

    @Test("statements, transactions and pipelines work, each with all limits, none left behind")
    func limitsHold() throws {
        let place = try Place(poolSize: 1)
        let limits = SessionLimits(
            statementTimeoutSeconds: 7, lockTimeoutSeconds: 6, idleInTransactionTimeoutSeconds: 5)
        let connection = try Connection(url: place.url, limits: limits)
        let settings = statement(
            """
            select current_setting('statement_timeout') || ' ' || current_setting('lock_timeout')
              || ' ' || current_setting('idle_in_transaction_session_timeout')
              || ' ' || current_setting('search_path') as x
            """)
        let wanted = "7s 6s 5s ofa, public"
        #expect(try connection.queryOne(settings).text("x") == wanted)
        let inside = try connection.transaction { connection in
            let alone = try connection.queryOne(settings)
            return try [alone, connection.pipeline([Request(settings)])[0][0]]
        }
        for row in inside { #expect(try row.text("x") == wanted) }
        for runs in [connection.pipeline, connection.transactionPipeline] {
            #expect(
                try runs([Request(Self.add, [.int(1)]), Request(settings)])[1][0].text("x")
                    == wanted)
        }
        #expect(try connection.execute(Self.add, [.int(2)]) == 1)
        // The same statement again and again is parsed once.
        let echo = statement("select $1::bigint as x")
        let echoes = try connection.pipeline(
            (1...9).map { Request($0 == 5 ? settings : echo, $0 == 5 ? [] : [.int($0)]) })
        for (index, rows) in echoes.enumerated() where index != 4 {
            #expect(try rows[0].int("x") == index + 1)
        }
        try connection.script("insert into t values (3); insert into t values (4)")
        #expect(try connection.queryOne(Self.count).int("n") == 5)
        // The next guest of the only session finds it as the server made it.
        let shown = try ChildProcess().run([
            "psql", try ConnectionTarget(place.url).libpqText, "-Atc", "show statement_timeout",
        ])
        #expect(shown.output == "0\n")
    }

    @Test("errors are the same as without it, and the connection stays usable")
    func errors() throws {
        let place = try Place()
        let connection = try Connection(
            url: place.url, limits: SessionLimits(statementTimeoutSeconds: 0.2))
        let slow = Statement(name: "Slow", sql: "select pg_sleep(60)")
        for run in [
            { _ = try connection.query(slow) },
            { _ = try connection.pipeline([Request(Self.add, [.int(1)]), Request(slow)]) },
            {
                _ = try connection.transactionPipeline([
                    Request(Self.add, [.int(1)]), Request(slow),
                ])
            },
            { _ = try connection.transaction { try $0.query(slow) } },
            { try connection.script("select pg_sleep(60)", name: "Slow") },
        ] as [() throws -> Void] {
            let error = #expect(throws: PostgresError.self) { try run() }
            #expect(error?.sqlState == "57014")
            #expect(error?.statement == "Slow")
            #expect(error?.isConnectionLoss == false)
        }
        let check = #expect(throws: PostgresError.self) {
            try connection.execute(Self.add, [.int(-1)])
        }
        #expect(check?.constraint == "positive")
        #expect(try connection.queryOne(Self.count).int("n") == 0)
    }

    @Test("LISTEN is refused with a reason; waiting still waits and can be woken")
    func listenRefused() throws {
        let place = try Place()
        let connection = try Connection(url: place.url)
        let error = #expect(throws: PostgresError.self) { try connection.listen("jobs") }
        #expect(error?.sqlState == "0A000")
        #expect(error?.remedy?.contains("Poll") == true)
        #expect(error?.isConnectionLoss == false)
        let signal = try WakeSignal()
        signal.wake()
        #expect(try connection.waitForNotification(timeoutSeconds: 3600, wokenBy: signal) == [])
        try connection.reconnect()
        #expect(try connection.queryOne(Self.count).int("n") == 0)
    }

    @Test("a session killed behind the pooler and a server that restarts are connection losses")
    func losses() throws {
        let server = try DedicatedServer()
        let bouncer = try PgBouncer(before: server.url)
        let connection = try Connection(url: bouncer.url(of: server.url))
        let direct = try server.connect()
        let process = Statement(name: "Process", sql: "select pg_backend_pid()::bigint as p")
        let error = #expect(throws: PostgresError.self) {
            try connection.transaction { connection in
                let own = try connection.queryOne(process).int("p")
                try direct.execute(statement("select pg_terminate_backend($1::int)"), [.int(own)])
                try connection.execute(process)
            }
        }
        #expect(error?.isConnectionLoss == true)
        let policy = ReconnectPolicy(firstDelaySeconds: 0.01, maxDelaySeconds: 0.2)
        _ = try connection.withReconnect(policy) { try $0.queryOne(process) }
        try server.stopImmediately()
        try server.start()
        let after = try connection.withReconnect(policy) { try $0.queryOne(process).int("p") }
        #expect(after > 0)
        #expect(connection.isPooled)
    }

    @Test("sixteen clients share two sessions, and every statement finds what it needs")
    func famine() throws {
        let place = try Place(poolSize: 2)
        let url = place.url
        let (clients, rounds) = (16, 12)
        let failures = Mutex<[String]>([])
        let processes = Mutex<Set<Int>>([])
        let process = Statement(name: "Process", sql: "select pg_backend_pid()::bigint as p")
        DispatchQueue.concurrentPerform(iterations: clients) { client in
            do {
                let connection = try Connection(url: url)
                for round in 1...rounds {
                    let value = SQLValue.int(client * rounds + round)
                    switch round % 3 {
                    case 0: try connection.execute(Self.add, [value])
                    case 1:
                        try connection.transaction {
                            try $0.execute(Self.add, [value])
                            _ = try $0.query(Self.count)
                        }
                    default:
                        _ = try connection.transactionPipeline([
                            Request(Self.count), Request(Self.add, [value]),
                        ])
                    }
                    let seen = try connection.queryOne(process).int("p")
                    processes.withLock { _ = $0.insert(seen) }
                }
            } catch { failures.withLock { $0.append("\(error)") } }
        }
        #expect(failures.withLock { $0 } == [])
        #expect((1...2).contains(processes.withLock { $0.count }))
        let sums = statement("select count(*) as n, count(distinct x) as d from t")
        let row = try place.database.connect().queryOne(sums)
        #expect(try row.int("n") == clients * rounds)
        #expect(try row.int("d") == clients * rounds)
    }
}

@Suite(
    "PooledCost",
    .enabled(
        if: ProcessInfo.processInfo.environment["OFA_MEASURE"] == "1" && PgBouncer.isInstalled,
        "measured on demand: OFA_MEASURE=1"))
struct PooledCostTests {
    @Test("what a connection costs directly, without session state, and behind pgbouncer")
    func costs() throws {
        let database = try TemporaryDatabase(migrated: false)
        try database.connect().script(
            """
            create table t (id bigint primary key, x bigint);
            insert into t select n, n from generate_series(1, 100000) n; analyze t
            """)
        let bouncer = try PgBouncer(before: database.url)
        let select = Statement(name: "Select", sql: "select x from t where id = $1::bigint")
        let update = Statement(name: "Update", sql: "update t set x = x + 1 where id = $1::bigint")
        let ways = [
            ("direct", database.url), ("direct, ofa_pooled=1", database.url + "&ofa_pooled=1"),
            ("pgbouncer", bouncer.url(of: database.url)),
        ]
        func anyRow() -> [SQLValue] { [.int(Int.random(in: 1...100_000))] }
        for (name, url) in ways {
            let connection = try Connection(url: url)
            let measures: [(String, () throws -> Void)] = [
                ("select", { _ = try connection.query(select, anyRow()) }),
                (
                    "transaction of 5",
                    {
                        try connection.transaction {
                            for _ in 1...5 { try $0.execute(update, anyRow()) }
                        }
                    }
                ),
                (
                    "pipeline of 5",
                    {
                        _ = try connection.transactionPipeline(
                            (1...5).map { _ in Request(update, anyRow()) })
                    }
                ),
                (
                    "pipeline of 50",
                    {
                        _ = try connection.transactionPipeline(
                            (1...50).map { _ in Request(update, anyRow()) })
                    }
                ),
            ]
            for (what, body) in measures {
                let best = try (1...5).map { _ in
                    try ContinuousClock().measure { for _ in 1...100 { try body() } }
                }.min()
                print("\(name), \(what): \(Int((best ?? .zero) / .microseconds(100))) µs")
            }
        }
    }
}
