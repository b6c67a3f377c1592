// Why a server refused a connection. libpq reports the SQLSTATE of a refusal only in a verbose
// message, which must be requested before the server answers: a second connection is opened for
// that.

import CLibPQ
import Foundation

/// Finds out why a connection was refused.
enum Refusal {
    /// The SQLSTATE with which the server refuses these options; nil if it does not answer within a
    /// few seconds or accepts by now.
    static func sqlState(
        _ keys: [UnsafePointer<CChar>?], _ values: [UnsafePointer<CChar>?]
    ) -> String? {
        guard let handle = PQconnectStartParams(keys, values, 1) else { return nil }
        defer { PQfinish(handle) }
        PQsetErrorVerbosity(handle, PQERRORS_VERBOSE)
        let end = ContinuousClock.now + .seconds(3)
        var state = PGRES_POLLING_WRITING
        while state == PGRES_POLLING_READING || state == PGRES_POLLING_WRITING {
            guard ContinuousClock.now < end else { return nil }
            let events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT
            var waiting = pollfd(fd: PQsocket(handle), events: Int16(events), revents: 0)
            if poll(&waiting, 1, 500) > 0 { state = PQconnectPoll(handle) }
        }
        guard state == PGRES_POLLING_FAILED, let text = PQerrorMessage(handle) else { return nil }
        return String(cString: text).firstMatch(of: #/:  ([0-9A-Z]{5}): /#).map { String($0.1) }
    }

    /// Whether a libpq message is the server's: two blanks follow the severity, in every language.
    static func isServers(_ message: String) -> Bool { message.contains(":  ") }
}
