// SchemaError: why a database cannot be brought to the schema of this program.
import Foundation

/// An error of the migrations, with its remedy.
public struct SchemaError: LocalizedError, Sendable, Equatable, CustomStringConvertible {
    /// What kind of error it is.
    public enum Code: Sendable, Equatable {
        /// The text of an applied migration is not the one of this program.
        case changedMigration
        /// The database was migrated by a newer program.
        case newerDatabase
        /// A migration failed; nothing of it was applied.
        case failedMigration
    }

    /// What kind of error it is.
    public let code: Code
    /// What is wrong, where, and what to do.
    public let message: String

    /// The message.
    public var description: String { message }
    /// The message.
    public var errorDescription: String? { message }
}
