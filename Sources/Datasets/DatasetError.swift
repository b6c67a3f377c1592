// The one error type of this module: a code to switch on and a message that says what, where and
// what to do.
import Foundation

/// What went wrong when a data set was read, checked or written.
public struct DatasetError: Error, Sendable, Equatable, LocalizedError, CustomStringConvertible {
    /// The kinds of failure a caller may treat differently.
    public enum Code: String, Sendable {
        /// The file is missing or may not be read or written.
        case unreadable
        /// The file ends before what it announces.
        case truncated
        /// A checksum or the compressed data is wrong.
        case corrupt
        /// The file is of another format.
        case wrongFormat
        /// Counts or sizes contradict each other.
        case wrongDimensions
        /// The content exceeds the limit of what is read.
        case tooLarge
    }

    /// The kind of failure.
    public let code: Code
    /// One or two lines for people: what, in which file, and the remedy.
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
