// Tests of TCPProxy, WireMessage and StreamSocket: that it counts, forwards, cuts and keeps silent
// exactly as told, for otherwise the fault tests prove nothing.
import Foundation
import Postgres
import Synchronization
import Testing

@testable import TestSupport

private func statement(_ sql: String) -> Statement { Statement(name: sql, sql: sql) }

@Suite("TCPProxy")
struct TCPProxyTests {
    private static let add = Statement(name: "Add", sql: "insert into t values ($1::bigint)")
    private static let count = Statement(name: "Count", sql: "select count(*) as n from t")

    @Test(
        "messages are counted as the protocol has them",
        arguments: [TCPProxy.Front.loopback, .unixSocket])
    func counts(front: TCPProxy.Front) throws {
        let database = try TemporaryDatabase(migrated: false)
        try database.connect().script("create table t (x bigint)")
        let proxy = try TCPProxy(before: database.url, front: front)
        let connection = try Connection(url: proxy.url(of: database.url))
        #expect(proxy.count(.toServer).types == "^Q")
        #expect(proxy.connections == 1)
        proxy.resetCounts()
        try connection.execute(Self.add, [.int(1)])
        // Parse, Sync; then Bind, Describe, Execute, Sync.
        #expect(proxy.count(.toServer).types == "PSBDES")
        #expect(proxy.count(.toClient).types == "1Z2nCZ")
        proxy.resetCounts()
        try connection.execute(Self.add, [.int(2)])
        #expect(proxy.count(.toServer).types == "BDES")
        #expect(proxy.count(.toClient).types == "2nCZ")
        #expect(try connection.queryOne(Self.count).int("n") == 2)
        proxy.resetCounts()
        _ = try connection.transactionPipeline([Request(Self.add, [.int(3)]), Request(Self.count)])
        #expect(proxy.count(.toServer).types == "PBDEBDEBDEPBDES")
        #expect(proxy.count(.toClient).types == "12nC2nC2TDC12nCZ")
        #expect(proxy.connections == 1)
    }

    @Test("cut at every message of an insert, it is there exactly when its sync arrived")
    func cutsEverywhere() throws {
        let database = try TemporaryDatabase(migrated: false)
        let direct = try database.connect()
        try direct.script("create table t (x bigint)")
        let proxy = try TCPProxy(before: database.url)
        let url = proxy.url(of: database.url)
        let guests = statement(
            """
            select count(*) as n from pg_stat_activity
            where datname = current_database() and application_name = 'guest'
            """)
        for direction in TCPProxy.Direction.allCases {
            for message in 1...4 {
                for isForwarded in [false, true] {
                    let connection = try Connection(url: url, applicationName: "guest")
                    _ = try connection.transaction { connection in
                        try connection.execute(Self.add, [.int(0)])
                        try connection.script("delete from t")
                    }
                    proxy.arm(TCPProxy.Fault(direction, message: message, isForwarded: isForwarded))
                    let error = #expect(throws: PostgresError.self) {
                        try connection.execute(Self.add, [.int(1)])
                        // The last message of the answer: the insert knows nothing of the cut.
                        while true { try connection.execute(Self.count) }
                    }
                    #expect(error?.isConnectionLoss == true)
                    #expect(!proxy.isArmed)
                    while try direct.queryOne(guests).int("n") > 0 {}
                    let isThere = direction == .toClient || (message == 4 && isForwarded)
                    #expect(
                        try direct.queryOne(Self.count).int("n") == (isThere ? 1 : 0),
                        "\(direction) \(message) \(isForwarded)")
                    try direct.script("truncate t")
                }
            }
        }
    }

    @Test("what is sent after the last message before a cut does not arrive")
    func nothingAfterACut() throws {
        let database = try TemporaryDatabase(migrated: false)
        let direct = try database.connect()
        try direct.script("create table t (x bigint)")
        let proxy = try TCPProxy(before: database.url)
        for round in 1...200 {
            let connection = try Connection(url: proxy.url(of: database.url))
            try connection.execute(Self.add, [.int(0)])
            // Four messages answer the insert; with the last the client goes on at once.
            proxy.arm(.init(.toClient, message: 4, isForwarded: true))
            try connection.execute(Self.add, [.int(1)])
            #expect(throws: PostgresError.self) { try connection.execute(Self.add, [.int(2)]) }
            #expect(try direct.queryOne(Self.count).int("n") == 2, "round \(round)")
            try direct.script("truncate t")
        }
    }

    @Test("megabytes pass unchanged in both directions at once")
    func bulk() throws {
        let database = try TemporaryDatabase(migrated: false)
        let proxy = try TCPProxy(before: database.url)
        let connection = try Connection(url: proxy.url(of: database.url))
        let echo = Statement(name: "Echo", sql: "select $1::bytea as raw")
        let values = (0..<16).map { seed in
            (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ seed) }
        }
        let answers = try connection.pipeline(values.map { Request(echo, [.bytes($0)]) })
        #expect(try answers.map { try $0[0].bytes("raw") } == values)
        #expect(proxy.count(.toServer).bytes > 16 << 20)
        #expect(proxy.count(.toClient).bytes > 16 << 20)
    }

    @Test("silence ends nothing: what was held back arrives afterwards", arguments: [false, true])
    func silence(isForwarded: Bool) throws {
        let database = try TemporaryDatabase(migrated: false)
        let direct = try database.connect()
        try direct.script("create table t (x bigint)")
        let proxy = try TCPProxy(before: database.url, front: .unixSocket)
        let connection = try Connection(url: proxy.url(of: database.url))
        // The sync of the execution: with it the insert is committed.
        proxy.arm(
            TCPProxy.Fault(.toServer, message: 6, isForwarded: isForwarded, isSilence: true))
        let url = database.url
        let seen = Mutex<Result<Int, any Error>?>(nil)
        let thread = Thread {
            while !proxy.isSilent { Thread.sleep(forTimeInterval: 0.001) }
            let result = Result {
                let direct = try Connection(url: url)
                var count = try direct.queryOne(Self.count).int("n")
                while isForwarded, count == 0 { count = try direct.queryOne(Self.count).int("n") }
                return count
            }
            seen.withLock { $0 = result }
            proxy.resume()
        }
        thread.start()
        #expect(try connection.execute(Self.add, [.int(1)]) == 1)
        #expect(try seen.withLock { $0 }?.get() == (isForwarded ? 1 : 0))
        #expect(try direct.queryOne(Self.count).int("n") == 1)
    }

    @Test("a wish for encryption and its bare answer are no ordinary messages")
    func encryptionWish() {
        var client = WireReader(ofClient: true)
        var none = 0
        let wish: [UInt8] = [0, 0, 0, 8, 4, 210, 22, 47]
        let startup: [UInt8] = [0, 0, 0, 9, 0, 3, 0, 0, 0]
        let query: [UInt8] = [81, 0, 0, 0, 5, 0]
        let all = wish + startup + query
        // However the bytes are cut, the messages are the same.
        for cut in 0...all.count {
            client = WireReader(ofClient: true)
            var messages = client.take(all[..<cut], bareBytes: &none)
            messages += client.take(all[cut...], bareBytes: &none)
            #expect(messages.map(\.type) == ["^", "^", "Q"])
            #expect(messages.map(\.wantsEncryption) == [true, false, false])
            #expect(messages.flatMap(\.bytes) == all)
        }
        var server = WireReader(ofClient: false)
        var due = 1
        #expect(server.take([78], bareBytes: &due).map(\.type) == ["N"])
        #expect(due == 0)
        #expect(server.take([90, 0, 0, 0, 5, 73], bareBytes: &due).map(\.type) == ["Z"])
    }
}
