// SchemaError: the reason why a database cannot be migrated to the schema of this program.
import Intake

/// An error of the migrations, with its remedy.
public struct SchemaError: Remedied, Equatable {
    /// What kind of error it is.
    public enum Code: Sendable, Equatable {
        /// The text of an applied migration differs from the text in this program.
        case changedMigration
        /// The database was migrated by a newer program.
        case newerDatabase
        /// The database has a schema from before the baseline was final.
        case earlierDatabase
        /// The database cannot be adopted: it is empty or current, has only some of the migrations
        /// from before the baseline, or is used by workers.
        case notAdoptable
        /// The schema `ofa` of the database belongs to another program.
        case foreignSchema
        /// A migration, function or view failed; nothing was applied.
        case failedMigration
    }

    /// What kind of error it is.
    public let code: Code
    /// The problem, with the migration where it lies.
    public let reason: String
    /// How to fix it; nil if unknown.
    public let remedy: String?

    /// `reason` states the problem and where it lies, `remedy` how to fix it.
    public init(_ code: Code, _ reason: String, remedy: String? = nil) {
        self.code = code
        self.reason = reason
        self.remedy = remedy
    }
}
