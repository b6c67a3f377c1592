// Migration: one step of the schema; the steps are generated from sql/migrations.

/// One numbered change of the schema; immutable once released.
public struct Migration: Sendable, Equatable {
    /// Its number, from 1 without gaps.
    public let version: Int
    /// Its name in the file name.
    public let name: String
    /// Programs whose last migration is this one or a later go on, and start, with a database that has it; its own
    /// version where it breaks every program before it.
    public let serves: Int
    /// The SHA-256 of its text, in hexadecimal; nil where the server is to find it.
    public let checksum: String?
    /// Its SQL text, one or more statements.
    public let sql: String

    /// Makes a migration; without `serves` it breaks every program before it.
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
