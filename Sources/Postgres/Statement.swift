// Statement: a named SQL statement. The statements of this program are generated from sql/queries.

/// A named SQL statement. Except behind a pooler, it is prepared at its first use on each
/// connection.
public struct Statement: Sendable, Hashable {
    /// The name of the statement in sql/queries and in error messages.
    public let name: String
    /// The SQL text with `$1` binds.
    public let sql: String

    /// Called by the generated files of `Schema`.
    public init(name: String, sql: String) {
        self.name = name
        self.sql = sql
    }
}
