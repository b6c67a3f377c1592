// RoleAccess: the privileges of database roles other than the schema's owner.
import Postgres

/// The privileges of a role in a database.
public enum RoleAccess: String, Sendable, CaseIterable {
    /// The role may read all tables.
    case read
    /// The role may also write through the API, as workers and producers do.
    case work

    /// Grants this access to a role; `read` revokes the privileges of `work`. `connection` must belong to the schema's
    /// owner.
    public func grant(to role: String, _ connection: Connection) throws {
        try connection.execute(.accessGrant(role: role, works: self == .work))
    }
}
