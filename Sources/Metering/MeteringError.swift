// The error type of this module: failures while reading the host.

import Intake

/// An error while reading the host.
public struct MeteringError: Remedied, Equatable {
    /// The kind of the failure.
    public enum Code: String, Sendable {
        /// A clock or a counter of the system could not be read.
        case unreadable
        /// An environment variable is malformed.
        case badSetting
    }

    /// The kind of the failure.
    public let code: Code
    /// The problem, with the file, line or field where it lies.
    public let reason: String
    /// How to fix the problem; nil if unknown.
    public let remedy: String?

    /// `reason` states the problem and where it lies, `remedy` how to fix it.
    public init(_ code: Code, _ reason: String, remedy: String? = nil) {
        self.code = code
        self.reason = reason
        self.remedy = remedy
    }
}
