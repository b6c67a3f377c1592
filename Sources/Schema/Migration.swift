// Migration: one step of the schema. The steps are generated from sql/migrations.

/// One numbered change of the schema, which is immutable once released.
public struct Migration: Sendable, Equatable {
    /// The number of the migration, from 1 without gaps.
    public let version: Int
    /// The name of the migration, as in its file name.
    public let name: String
    /// A database with this migration serves the programs whose last migration is `serves` or
    /// later. If `serves` equals `version`, the migration breaks all earlier programs.
    public let serves: Int
    /// The SHA-256 of the text, in hexadecimal; nil if the server computes it.
    public let checksum: String?
    /// The SQL text, one or more statements.
    public let sql: String

    /// `serves` defaults to `version`: the migration breaks all earlier programs.
    public init(
        version: Int, name: String, serves: Int? = nil, checksum: String? = nil, sql: String
    ) {
        self.version = version
        self.name = name
        self.serves = serves ?? version
        self.checksum = checksum
        self.sql = sql
    }
}
