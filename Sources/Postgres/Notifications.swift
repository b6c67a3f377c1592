// Notifications: LISTEN, and waiting for notifications. A notification is only a hint: it is lost
// if the connection is down when the notification is sent, so callers must also poll.
import CLibPQ
import Foundation

/// One notification.
public struct Notification: Sendable, Equatable {
    /// The channel on which the notification came.
    public let channel: String
    /// The payload; empty if none was given.
    public let payload: String
    /// The process number of the session that sent the notification.
    public let backendProcess: Int
}

extension Connection {
    /// Listens to a channel, also after `reconnect`.
    ///
    /// Behind a pooler, this throws SQLSTATE 0A000: the pooler may run each transaction in another
    /// session, so no notification would arrive.
    public func listen(_ channel: String) throws {
        precondition(!isInTransaction, "a LISTEN that is rolled back would be taken for one")
        if !channels.contains(channel) { channels.append(channel) }
        do { try sendListen(channel) } catch let error as PostgresError {
            // A server or a pooler that refuses LISTEN will refuse it again, so the channel is
            // forgotten.
            if !error.isConnectionLoss { channels.removeAll { $0 == channel } }
            throw error
        }
    }

    /// Stops listening to a channel.
    public func unlisten(_ channel: String) throws {
        channels.removeAll { $0 == channel }
        if isPooled { return }
        try script("UNLISTEN \(Self.quoted(channel))", name: "UNLISTEN")
    }

    /// Returns the notifications that were received so far (also those received during queries), or
    /// waits for the first.
    ///
    /// The result may be empty after `timeoutSeconds`, or after another thread woke `signal`.
    /// Behind a pooler no notification arrives, so this function only waits. This function does not
    /// notice a vanished server, so callers must ping or query regularly.
    public func waitForNotification(
        timeoutSeconds: Double, wokenBy signal: WakeSignal? = nil
    ) throws -> [Notification] {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(max(0, timeoutSeconds))
        while true {
            let handle = try live("LISTEN")
            guard PQconsumeInput(handle) == 1 else {
                throw PostgresError(
                    Self.message(handle), statement: "LISTEN", isConnectionLoss: true)
            }
            let notifications = Self.takeNotifications(handle)
            if signal?.take() == true || !notifications.isEmpty { return notifications }
            if clock.now >= deadline { return [] }
            var sockets = [pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)]
            if let signal {
                sockets.append(pollfd(fd: signal.descriptor, events: Int16(POLLIN), revents: 0))
            }
            _ = try Self.poll(&sockets, limit: clock.now.duration(to: deadline))
        }
    }

    /// Sends LISTEN to the server; throws behind a pooler.
    func sendListen(_ channel: String) throws {
        guard !isPooled else {
            throw PostgresError(
                "LISTEN does not work behind a pooler in transaction mode",
                remedy: "Poll instead, or give the listener a URL of the server itself.",
                statement: "LISTEN", sqlState: "0A000")
        }
        try script("LISTEN \(Self.quoted(channel))", name: "LISTEN")
    }

    private static func quoted(_ name: String) -> String {
        "\"" + name.replacingOccurrences(of: "\"", with: "\"\"") + "\""
    }

    private static func takeNotifications(_ handle: OpaquePointer) -> [Notification] {
        var all: [Notification] = []
        while let found = PQnotifies(handle) {
            all.append(
                Notification(
                    channel: String(cString: found.pointee.relname),
                    payload: String(cString: found.pointee.extra),
                    backendProcess: Int(found.pointee.be_pid)))
            PQfreemem(found)
        }
        return all
    }
}
