// The error type of this module: failures to read or write the file formats of other programs.
import Intake

/// A failure to read or write a file in another program's format.
public struct InterchangeError: Remedied, Equatable {
    /// The kinds of failure that a caller may treat differently.
    public enum Code: String, Sendable {
        /// The file ends too early.
        case truncated
        /// The file is unreadable or inconsistent.
        case malformed
        /// The file may be valid but uses a feature that is not supported, such as a number type.
        case unsupported
        /// No tensor has the requested name.
        case missingTensor
        /// A tensor's values do not fill its shape.
        case shapeMismatch
        /// The tensors are not those of the requested network.
        case mismatch
    }

    /// The kind of failure.
    public let code: Code
    /// The problem and its file, line or field.
    public let reason: String
    /// How to fix the problem; nil if unknown.
    public let remedy: String?

    /// Takes the problem, with its file, line or field, as `reason`, and how to fix the problem as `remedy`.
    public init(_ code: Code, _ reason: String, remedy: String? = nil) {
        self.code = code
        self.reason = reason
        self.remedy = remedy
    }

    /// Runs `body` and prefixes the reason of an `InterchangeError` with `source`, the name of a file or an artifact.
    public static func naming<Value>(_ source: String, _ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as InterchangeError {
            throw InterchangeError(error.code, "\(source): \(error.reason)", remedy: error.remedy)
        }
    }
}
