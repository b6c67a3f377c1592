// RoleAccess: what another role of the database server than the schema's owner may do.
import Postgres

/// What a role may do in a database.
public enum RoleAccess: String, Sendable, CaseIterable {
    /// Look at everything.
    case read
    /// Also write through the API, as workers and those who enqueue do.
    case work

    /// Grants it to a role; to one that could work, `read` leaves reading. The connection is the owner's.
    public func grant(to role: String, _ connection: Connection) throws {
        try connection.execute(.accessGrant(role: role, works: self == .work))
    }
}
