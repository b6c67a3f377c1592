// The one error type of this module: a code to switch on and a message that says what, where and
// what to do.
import Foundation

/// What went wrong when a file of another program's format was read.
public struct InterchangeError: Error, Sendable, Equatable, LocalizedError, CustomStringConvertible
{
    /// The kinds of failure a caller may treat differently.
    public enum Code: String, Sendable {
        /// The bytes end before what they announce.
        case truncated
        /// The header cannot be read or contradicts itself.
        case malformed
        /// The file is sound, but holds a kind of number that is not read here.
        case unsupported
        /// No tensor has the name asked for.
        case missingTensor
        /// A tensor's values do not fill its shape.
        case shapeMismatch
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
