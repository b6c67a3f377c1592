// The one error type of this module: a code to switch on and a message that says what, where and
// what to do.
import Foundation

/// What went wrong when a network was named, described or resolved.
public struct NetworkError: Error, Sendable, Equatable, LocalizedError, CustomStringConvertible {
    /// The kinds of failure a caller may treat differently.
    public enum Code: String, Sendable {
        /// No published search space has this name.
        case unknownSpace
        /// A gene is outside of its list, or a list has the wrong length.
        case invalidGene
        /// The resolution is not one the caller allows.
        case invalidResolution
        /// A number does not fit into the integer that should hold it.
        case overflow
        /// The text of an architecture cannot be read.
        case malformed
        /// A weight array is missing, unknown or of another shape.
        case invalidWeights
    }

    /// The kind of failure.
    public let code: Code
    /// One or two lines for people: what, where, and the remedy.
    public let message: String

    /// Makes an error from its code and its message.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message, as `print` and string interpolation show it.
    public var description: String { message }
    /// The message, as Foundation's `localizedDescription` shows it.
    public var errorDescription: String? { message }
}
