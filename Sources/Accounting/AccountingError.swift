// The error type of this module: failures while recording or reading costs.

import Intake

/// An error about costs.
public struct AccountingError: Remedied, Equatable {
    /// The kind of the failure.
    public enum Code: String, Sendable {
        /// The factor set has no carbon intensity for this zone.
        case unknownZone
        /// No factor set has this version.
        case unknownFactorSet
        /// Stated figures of a machine contradict each other.
        case badSetting
        /// Something was changed by others meanwhile; nothing was written.
        case changed
        /// The factor set lacks intensities of the wanted type and signal, or has several of which none is the usual one.
        case mixedFactors
        /// A file of factors has a line that is refused.
        case badFactors
        /// The time by which a run shall have ended has passed.
        case deadlinePassed
        /// No network for a device descends from the run.
        case noTargets
        /// No network that was trained alone is among the given stages.
        case noNetworks
    }

    /// The kind of the failure.
    public let code: Code
    /// The problem, with the file, line or field where it lies.
    public let reason: String
    /// How to fix the problem; nil if unknown.
    public let remedy: String?

    /// `reason` states the problem and where it lies, `remedy` how to fix it.
    public init(_ code: Code, _ reason: String, remedy: String? = nil) {
        self.code = code
        self.reason = reason
        self.remedy = remedy
    }
}
