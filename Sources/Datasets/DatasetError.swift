// The one error type of this module: a code to switch on and a message that says what, where and
// what to do.
import Intake

/// What went wrong when a data set was read, checked or written.
public struct DatasetError: Remedied, Equatable {
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
