// The error type of this module: failures of blobs, artifacts and lineage.

import Intake

/// An error about blobs, artifacts or lineage.
public struct ArtifactsError: Remedied, Equatable {
    /// The kind of the failure.
    public enum Code: String, Sendable {
        /// An argument is malformed.
        case badInput
        /// Stored bytes do not match their digest.
        case corrupt
        /// The blob or artifact does not exist.
        case notFound
        /// The bytes were collected (deleted).
        case collected
        /// A name or a prefix of a digest matches several artifacts.
        case ambiguous
        /// An attempt recorded the same output with other bytes; or the folder of a folder store
        /// belongs to another database.
        case conflict
        /// The compressor failed.
        case codec
        /// A file could not be read or written.
        case file
        /// A search for paths would read more artifacts than its limit.
        case tooLarge
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
