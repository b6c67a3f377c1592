// Routine: a function or a view of the schema. Routines are generated from sql/functions and
// sql/views.

/// A function or a view. It is applied again whenever its text differs from the text that was
/// applied to the database.
///
/// The signature of a function never changes: a new signature gets a new name, so that programs of
/// the previous version keep working.
public struct Routine: Sendable, Equatable {
    /// The name without the schema, with the folder for API functions, such as `api_1/claim`.
    public let name: String
    /// The SHA-256 of the file, in hexadecimal.
    public let checksum: String
    /// The SQL text.
    public let sql: String

    /// `checksum` is the SHA-256 of the file.
    public init(name: String, checksum: String, sql: String) {
        self.name = name
        self.checksum = checksum
        self.sql = sql
    }
}

/// All functions and views of one version of the program.
public struct RoutineSet: Sendable, Equatable {
    /// The edition of this set, from 1. In a database with a higher edition the set changes nothing; in any other
    /// database the set replaces every function and view whose text differs.
    public let edition: Int
    /// The functions and views in the order of application.
    public let all: [Routine]

    /// `all` is in the order of application.
    public init(edition: Int, all: [Routine]) {
        self.edition = edition
        self.all = all
    }
}
