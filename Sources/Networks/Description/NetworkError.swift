// The error type of this module: a code for callers, and a message with the problem, its place and
// the remedy.
import Intake

/// An error in the name, the definition, the genes or the weights of a network.
public struct NetworkError: Remedied, Equatable {
    /// The kinds of failure that callers may treat differently.
    public enum Code: String, Sendable {
        /// No published search space has this name.
        case unknownSpace
        /// A gene is outside of its list, or a list has the wrong length.
        case invalidGene
        /// The resolution is not among the allowed resolutions.
        case invalidResolution
        /// A number overflows its integer type.
        case overflow
        /// The text of an architecture cannot be read.
        case malformed
        /// A definition has an unknown layer type.
        case unknownLayer
        /// A definition is invalid: it has an impossible width, kernel, list or other value.
        case invalidSpace
        /// A weight array is missing, unknown or of another shape.
        case invalidWeights
    }

    /// The kind of failure.
    public let code: Code
    /// The problem and its file, line or field.
    public let reason: String
    /// How to fix it; nil if unknown.
    public let remedy: String?

    /// The invalid field of a definition, such as `layers[2].width`; nil for other errors.
    public let field: String?

    /// Takes the problem with its place as `reason`, how to fix it as `remedy`, and the invalid
    /// field.
    public init(_ code: Code, _ reason: String, remedy: String? = nil, field: String? = nil) {
        self.field = field
        self.code = code
        self.reason = reason
        self.remedy = remedy
    }
}
