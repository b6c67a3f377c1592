// The error type of this module: a code for callers, and a message with the problem, its place and
// the remedy.
import Intake

/// An error while a device is described, timed or calibrated, or its limits are checked.
public struct DeviceError: Remedied, Equatable {
    /// The kinds of failure that callers may treat differently.
    public enum Code: String, Sendable {
        /// There are too few measured networks to calibrate on.
        case tooFewSamples
        /// A latency or energy table has no entry for a part of a network or for an image size.
        case missingLatency
        /// A file cannot be read, or its format is wrong.
        case malformed
        /// No network meets the limits.
        case infeasible
        /// A limit or an option is outside its range.
        case invalidOption
    }

    /// The kind of failure.
    public let code: Code
    /// The problem and its file, line or field.
    public let reason: String
    /// How to fix the problem; nil if unknown.
    public let remedy: String?

    /// Makes an error; `reason` states the problem and its place, and `remedy` how to fix it.
    public init(_ code: Code, _ reason: String, remedy: String? = nil) {
        self.code = code
        self.reason = reason
        self.remedy = remedy
    }
}
