// Tests of Notifications and WakeSignal: what is heard, when, and what ends the waiting.
import Foundation
import TestSupport
import Testing

@testable import Postgres

private func statement(_ sql: String) -> Statement { Statement(name: sql, sql: sql) }

@Suite("Notifications")
struct NotificationsTests {
    private static let notify = Statement(
        name: "Notify", sql: "select pg_notify($1::text, $2::text)")

    @Test("notifications wake a waiting connection; those of queries are kept until asked for")
    func heard() throws {
        let database = try TemporaryDatabase(migrated: false)
        let listener = try database.connect()
        let speaker = try database.connect()
        try listener.listen("jobs")
        try listener.listen("odd \"name\"")
        #expect(try listener.waitForNotification(timeoutSeconds: 0) == [])
        try speaker.execute(Self.notify, [.text("jobs"), .text("one")])
        try speaker.execute(Self.notify, [.text("odd \"name\""), .text("")])
        try speaker.execute(Self.notify, [.text("others"), .text("unheard")])
        var heard: [Postgres.Notification] = []
        while heard.count < 2 {
            // A query in between brings them along.
            try listener.execute(statement("select 1"))
            heard += try listener.waitForNotification(timeoutSeconds: 30)
        }
        #expect(heard.map(\.channel) == ["jobs", "odd \"name\""])
        #expect(heard.map(\.payload) == ["one", ""])
        #expect(heard.allSatisfy { $0.backendProcess == speaker.backendProcess })
        try listener.unlisten("jobs")
        try speaker.execute(Self.notify, [.text("jobs"), .text("two")])
        try listener.execute(statement("select 1"))
        #expect(try listener.waitForNotification(timeoutSeconds: 0) == [])
    }

    @Test("another thread ends the waiting, also before it begins")
    func woken() throws {
        let database = try TemporaryDatabase(migrated: false)
        let listener = try database.connect()
        try listener.listen("jobs")
        let signal = try WakeSignal()
        signal.wake()
        signal.wake()
        // An hour, would nobody wake it.
        #expect(try listener.waitForNotification(timeoutSeconds: 3600, wokenBy: signal) == [])
        let thread = Thread { signal.wake() }
        thread.start()
        #expect(try listener.waitForNotification(timeoutSeconds: 3600, wokenBy: signal) == [])
        #expect(!signal.take())
        #expect(try listener.waitForNotification(timeoutSeconds: 0.01, wokenBy: signal) == [])
    }

    @Test("a new session listens to the same channels; a lost one is told by waiting")
    func survivesReconnect() throws {
        let database = try TemporaryDatabase(migrated: false)
        let listener = try database.connect()
        let speaker = try database.connect()
        try listener.listen("jobs")
        try speaker.execute(
            statement("select pg_terminate_backend($1::int)"), [.int(listener.backendProcess)])
        let error = #expect(throws: PostgresError.self) {
            while true { _ = try listener.waitForNotification(timeoutSeconds: 30) }
        }
        #expect(error?.isConnectionLoss == true)
        try listener.reconnect()
        try speaker.execute(Self.notify, [.text("jobs"), .text("again")])
        #expect(try listener.waitForNotification(timeoutSeconds: 30).map(\.payload) == ["again"])
    }
}
