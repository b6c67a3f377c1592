// Migration: one step of the schema; the steps are generated from sql/migrations.

/// One numbered change of the schema; immutable once released.
public struct Migration: Sendable, Equatable {
    /// Its number, from 1 without gaps.
    public let version: Int
    /// Its name in the file name.
    public let name: String
    /// Its SQL text, one or more statements.
    public let sql: String

    /// Makes a migration.
    public init(version: Int, name: String, sql: String) {
        self.version = version
        self.name = name
        self.sql = sql
    }
}
