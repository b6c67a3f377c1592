// The error type of this module.

import Intake

/// An error of the dashboard, with its remedy.
public struct DashboardError: Remedied, Equatable {
    /// The kinds of errors of this module.
    public enum Code: String, Sendable {
        /// The address cannot be listened on.
        case address
        /// A setting is missing or does not fit the others, such as an address beyond loopback without a token.
        case setting
        /// A form has a field that is missing, too long or out of range.
        case form
        /// A page or what it shows does not exist.
        case notFound
        /// The request is not allowed: no token, a wrong one, a foreign form, or a read-only server.
        case forbidden
        /// Too many requests wait for a connection to the database.
        case busy
    }

    /// The kind of error.
    public let code: Code
    /// The problem and its place.
    public let reason: String
    /// How to fix the problem; nil if unknown.
    public let remedy: String?

    /// Makes an error; `reason` states the problem, and `remedy` how to fix it.
    public init(_ code: Code, _ reason: String, remedy: String? = nil) {
        self.code = code
        self.reason = reason
        self.remedy = remedy
    }
}
