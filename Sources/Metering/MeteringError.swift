// What can go wrong while reading the host: one error type, a code to test for and a message to act
// on.

import Intake

/// An error of the room Metering.
public struct MeteringError: Remedied, Equatable {
    /// What kind of failure it was.
    public enum Code: String, Sendable {
        /// A clock or a counter of the system could not be read.
        case unreadable
        /// A setting in the environment is not what it must be.
        case badSetting
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
