// The error type of this module: failures of reading, checking or writing a data set.
import Intake

/// An error of reading, checking or writing a data set.
public struct DatasetError: Remedied, Equatable {
    /// The kinds of failure a caller may treat differently.
    public enum Code: String, Sendable {
        /// The file is missing or may not be read or written.
        case unreadable
        /// The file or its data end early.
        case truncated
        /// A checksum or the compressed data is wrong.
        case corrupt
        /// The file is of another format.
        case wrongFormat
        /// Counts or sizes contradict each other.
        case wrongDimensions
        /// The content exceeds the size limit.
        case tooLarge
    }

    /// The kind of failure.
    public let code: Code
    /// The problem and its file, line or field.
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
