// SchemaError: why a database cannot be brought to the schema of this program.
import Intake

/// An error of the migrations, with its remedy.
public struct SchemaError: Remedied, Equatable {
    /// What kind of error it is.
    public enum Code: Sendable, Equatable {
        /// The text of an applied migration is not the one of this program.
        case changedMigration
        /// The database was migrated by a newer program.
        case newerDatabase
        /// The database is from before the schema was settled.
        case earlierDatabase
        /// The database is not one to adopt: it is current, or in use.
        case notAdoptable
        /// The schema `ofa` of the database belongs to others.
        case foreignSchema
        /// A migration failed; nothing of it was applied.
        case failedMigration
    }

    /// What kind of error it is.
    public let code: Code
    /// What is wrong, and in which migration.
    public let reason: String
    /// What to do; nil where nothing is known.
    public let remedy: String?

    /// Makes an error of its code, what is wrong, and what to do.
    public init(_ code: Code, _ reason: String, remedy: String? = nil) {
        self.code = code
        self.reason = reason
        self.remedy = remedy
    }
}
