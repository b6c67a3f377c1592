// The error type of this folder: failures while recording or reading costs.

import Intake

/// An error about costs.
public struct AccountingError: Remedied, Equatable {
    /// What kind of failure it was.
    public enum Code: String, Sendable {
        /// The factor set has no figure for this zone.
        case unknownZone
        /// No factor set has this version.
        case unknownFactorSet
        /// An argument is malformed.
        case badInput
    }

    /// What kind of failure it was.
    public let code: Code
    /// The problem, with the file, line or field where it lies.
    public let reason: String
    /// How to fix it; nil if unknown.
    public let remedy: String?

    /// `reason` states the problem and where it lies, `remedy` how to fix it.
    public init(_ code: Code, _ reason: String, remedy: String? = nil) {
        self.code = code
        self.reason = reason
        self.remedy = remedy
    }
}
