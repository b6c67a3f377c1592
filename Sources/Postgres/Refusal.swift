// Finds out why a server refused a connection. libpq reports the SQLSTATE of a refusal only in a
// verbose message, and the verbosity must be set before the server answers. So a second connection
// is attempted.

import CLibPQ
import Foundation

/// The SQLSTATE of a refused connection.
enum Refusal {
    /// Returns the SQLSTATE with which the server refuses a connection with these options; nil if
    /// it does not answer within three seconds, or now accepts the connection.
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

    /// Returns whether a message of libpq comes from the server. In such a message, in every
    /// language, two blanks follow the colon after the severity.
    static func isServers(_ message: String) -> Bool { message.contains(":  ") }
}
