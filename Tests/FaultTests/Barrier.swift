// Barrier: holds whoever writes certain rows, until a test opens it: a place to stop a worker at, inside its
// transaction.
import Foundation
import Postgres

/// A trigger that waits for the test.
final class Barrier {
    private static let key = 4_812_001
    private let connection: Connection

    /// Raises the barrier before an `event` of rows of `table` for which `condition` holds.
    init(
        _ place: FaultPlace, table: String, event: String = "insert", when condition: String
    ) throws {
        connection = try Connection(url: place.url, applicationName: "barrier")
        try connection.script(
            """
            create or replace function public.barrier() returns trigger language plpgsql as $$
            begin perform pg_advisory_xact_lock_shared(\(Self.key)); return new; end $$;
            create or replace trigger barrier before \(event) on \(table)
            for each row when (\(condition)) execute function public.barrier();
            """)
        try connection.script("select pg_advisory_lock(\(Self.key))")
    }

    /// Whether somebody waits.
    func isReached() throws -> Bool {
        let waiting = Statement(
            name: "Waiting",
            sql: """
                select count(*) as n from pg_locks
                where locktype = 'advisory' and objid = \(Self.key) and not granted
                """)
        return try connection.queryOne(waiting).int("n") > 0
    }

    /// Lets everybody through. The trigger stays: to drop it would need its table for itself alone.
    func open() throws { try connection.script("select pg_advisory_unlock(\(Self.key))") }
}
