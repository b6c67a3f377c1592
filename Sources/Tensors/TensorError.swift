// What can go wrong in this room, said so that a person knows what to change.

/// An error of the engine: what is wrong and what to do.
public struct TensorError: Error, Equatable, CustomStringConvertible {
    /// The kinds of errors of this module.
    public enum Code: String, Sendable {
        case unsupportedInstructionSet
        case invalidThreadCount
    }

    /// The kind of error.
    public let code: Code
    /// What is wrong and what to do about it.
    public let message: String

    /// The message with its remedy.
    public var description: String { message }
}
