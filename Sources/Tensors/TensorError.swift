// The errors of this module.

import Intake

/// An error of the engine.
public struct TensorError: Remedied, Equatable {
    /// The kinds of errors of this module.
    public enum Code: String, Sendable {
        case unsupportedInstructionSet
        case invalidThreadCount
    }

    /// The kind of error.
    public let code: Code
    /// The problem and its place.
    public let reason: String
    /// How to fix it; nil if unknown.
    public let remedy: String?

    /// Takes the problem with its place as `reason`, and how to fix it as `remedy`.
    public init(_ code: Code, _ reason: String, remedy: String? = nil) {
        self.code = code
        self.reason = reason
        self.remedy = remedy
    }
}
