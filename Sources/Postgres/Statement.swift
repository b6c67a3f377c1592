// Statement: a named piece of SQL; every one is generated from sql/queries.

/// A named SQL statement, prepared at its first use on each connection.
public struct Statement: Sendable, Hashable {
    /// The name it has in sql/queries and in error messages.
    public let name: String
    /// The SQL text with `$1` binds.
    public let sql: String

    /// For the generated files of `Schema`.
    public init(name: String, sql: String) {
        self.name = name
        self.sql = sql
    }
}
