// The errors of this module.

import Intake

/// An error of training or evaluation.
public struct TrainingError: Remedied, Equatable {
    /// The kinds of errors of this module.
    public enum Code: String, Sendable {
        /// A parameter of a phase or an evaluation is outside its range.
        case invalidParameters
        /// The loss or its gradients were not finite for too many steps, or a weight or an output is not finite.
        case diverged
        /// A checkpoint does not fit this space or phase.
        case invalidCheckpoint
    }

    /// The kind of error.
    public let code: Code
    /// The problem and its file, line or field.
    public let reason: String
    /// How to fix the problem; nil if unknown.
    public let remedy: String?

    /// The invalid key of the pipeline file; nil for other errors.
    public let field: String?

    /// Takes the problem with its place as `reason`, how to fix it as `remedy`, and the invalid key
    /// as `field`.
    public init(_ code: Code, _ reason: String, remedy: String? = nil, field: String? = nil) {
        self.field = field
        self.code = code
        self.reason = reason
        self.remedy = remedy
    }
}
