// What can go wrong in this room.

import Intake

/// An error of training or evaluation: what is wrong and what to do.
public struct TrainingError: Remedied, Equatable {
    /// The kinds of errors of this module.
    public enum Code: String, Sendable {
        /// A phase or an evaluation was asked for with values that make no sense.
        case invalidParameters
        /// The loss or its gradients were not finite for too many steps, or a weight is not.
        case diverged
        /// A checkpoint does not belong to this phase.
        case invalidCheckpoint
    }

    /// The kind of error.
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
