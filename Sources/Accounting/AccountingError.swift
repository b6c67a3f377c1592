// What can go wrong while costs are recorded or read: one error type.

import Foundation

/// An error of the room Accounting.
public struct AccountingError: LocalizedError, CustomStringConvertible, Equatable {
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
    /// What happened, where, and what to do.
    public let message: String

    /// Makes an error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
    /// The message, for whoever shows errors of any kind.
    public var errorDescription: String? { message }
}
