// RoleAccess: privileges of database roles other than the schema's owner.
import Postgres

/// The privileges of a role in a database.
public enum RoleAccess: String, Sendable, CaseIterable {
    /// Read everything.
    case read
    /// Also write through the API: for workers and producers.
    case work

    /// Grants the access to a role; `read` revokes `work`. `connection` must be the owner's.
    public func grant(to role: String, _ connection: Connection) throws {
        try connection.execute(.accessGrant(role: role, works: self == .work))
    }
}
