// What can go wrong in this room, said so that a person knows what to change.

import Intake

/// An error of the engine: what is wrong and what to do.
public struct TensorError: Remedied, Equatable {
    /// The kinds of errors of this module.
    public enum Code: String, Sendable {
        case unsupportedInstructionSet
        case invalidThreadCount
    }

    /// The kind of error.
    public let code: Code
    /// What is wrong.
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
