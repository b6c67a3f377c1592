// The one error type of this module: a code to switch on and a message that says what, where and
// what to do.
import Intake

/// What went wrong when a file of another program's format was read.
public struct InterchangeError: Remedied, Equatable {
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

    /// Runs `body`; its errors are told with the name of what it reads, a file or an artifact.
    public static func naming<Value>(_ source: String, _ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as InterchangeError {
            throw InterchangeError(error.code, "\(source): \(error.reason)", remedy: error.remedy)
        }
    }
}
