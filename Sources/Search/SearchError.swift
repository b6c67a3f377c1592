// The one error type of this module: a code to switch on and a message that says what, where and
// what to do.
import Intake

/// What went wrong when networks were encoded, predicted, timed by table or searched.
public struct SearchError: Remedied, Equatable {
    /// The kinds of failure a caller may treat differently.
    public enum Code: String, Sendable {
        /// A network lies outside of what a predictor was fitted on.
        case outsideDomain
        /// There are too few measured networks to fit on.
        case tooFewSamples
        /// A latency table has no entry for a layer or a resolution.
        case missingLatency
        /// A file cannot be read or is not what it should be.
        case malformed
        /// No network meets the limits.
        case infeasible
        /// A limit or an option makes no sense.
        case invalidOption
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
