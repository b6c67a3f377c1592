// Routine: a function or a view of the schema; they are generated from sql/functions and sql/views.

/// A function or a view, reapplied whenever its text differs from the database's.
///
/// Its signature never changes: a new signature gets a new name, so that programs of the previous
/// version keep working.
public struct Routine: Sendable, Equatable {
    /// Its name without the schema.
    public let name: String
    /// The SHA-256 of its file, in hexadecimal.
    public let checksum: String
    /// Its SQL text, a `create or replace`.
    public let sql: String

    /// `checksum` is that of the file.
    public init(name: String, checksum: String, sql: String) {
        self.name = name
        self.checksum = checksum
        self.sql = sql
    }
}

/// All routines of one state of the program.
public struct RoutineSet: Sendable, Equatable {
    /// The edition, from 1: a set replaces one of a lower edition in a database and leaves a higher
    /// one unchanged.
    public let edition: Int
    /// The routines in the order they are applied.
    public let all: [Routine]

    /// `all` is in the order of application.
    public init(edition: Int, all: [Routine]) {
        self.edition = edition
        self.all = all
    }
}
