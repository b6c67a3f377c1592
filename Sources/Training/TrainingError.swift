// What can go wrong in this room.

import Foundation

/// An error of training or evaluation: what is wrong and what to do.
public struct TrainingError: Error, Equatable, LocalizedError, CustomStringConvertible {
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
    /// What is wrong and what to do.
    public let message: String

    /// Makes an error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
    /// The message.
    public var errorDescription: String? { message }
}
