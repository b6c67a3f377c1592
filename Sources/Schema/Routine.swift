// Routine: a function or a view of the schema; they are generated from sql/functions and sql/views.

/// A function or a view, applied again whenever its text differs from what the database has.
///
/// Its signature never changes: a new one is a routine of another name, so that programs of the version before go on.
public struct Routine: Sendable, Equatable {
    /// Its name without the schema.
    public let name: String
    /// The SHA-256 of its file, in hexadecimal.
    public let checksum: String
    /// Its SQL text; it replaces what has its name.
    public let sql: String

    /// Makes a routine.
    public init(name: String, checksum: String, sql: String) {
        self.name = name
        self.checksum = checksum
        self.sql = sql
    }
}

/// All routines of one state of the program.
public struct RoutineSet: Sendable, Equatable {
    /// Which state it is, from 1: a set replaces one of a lower edition in a database, and leaves a higher one alone.
    public let edition: Int
    /// The routines in the order they are applied.
    public let all: [Routine]

    /// Makes a set of routines.
    public init(edition: Int, all: [Routine]) {
        self.edition = edition
        self.all = all
    }
}
