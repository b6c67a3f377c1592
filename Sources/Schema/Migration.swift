// Migration: one step of the schema; the steps are generated from sql/migrations.

/// One numbered change of the schema; immutable once released.
public struct Migration: Sendable, Equatable {
    /// Its number, from 1 without gaps.
    public let version: Int
    /// Its name in the file name.
    public let name: String
    /// Programs whose last migration is this one or later work with a database that has the
    /// migration; equals `version` if it breaks all earlier programs.
    public let serves: Int
    /// The SHA-256 of its text, in hexadecimal; nil if the server computes it.
    public let checksum: String?
    /// Its SQL text, one or more statements.
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
