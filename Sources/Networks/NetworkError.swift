// The one error type of this module: a code to switch on and a message that says what, where and
// what to do.
import Intake

/// What went wrong when a network was named, described or resolved.
public struct NetworkError: Remedied, Equatable {
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
