// What can go wrong while costs are recorded or read: one error type.

import Intake

/// An error of the room Accounting.
public struct AccountingError: Remedied, Equatable {
    /// What kind of failure it was.
    public enum Code: String, Sendable {
        /// The factor set has no figure for this zone.
        case unknownZone
        /// There is no such factor set.
        case unknownFactorSet
        /// Something given is not of the form it must have.
        case badInput
    }

    /// What kind of failure it was.
    public let code: Code
    /// What is wrong, and in which file, line or field.
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
