// The error type of the room: failures of blobs, artifacts and lineage.

import Intake

/// An error of the room Artifacts.
public struct ArtifactsError: Remedied, Equatable {
    /// What kind of failure it was.
    public enum Code: String, Sendable {
        /// An argument is malformed.
        case badInput
        /// Stored bytes do not match their digest.
        case corrupt
        /// The blob or artifact does not exist.
        case notFound
        /// The bytes were collected.
        case collected
        /// A name or a prefix matches several artifacts.
        case ambiguous
        /// The same output was recorded before with different content.
        case conflict
        /// The compressor failed.
        case codec
        /// A file could not be read or written.
        case file
    }

    /// What kind of failure it was.
    public let code: Code
    /// The problem and its file, line or field.
    public let reason: String
    /// How to fix it; nil if unknown.
    public let remedy: String?

    /// `reason` states the problem with its place; `remedy` how to fix it.
    public init(_ code: Code, _ reason: String, remedy: String? = nil) {
        self.code = code
        self.reason = reason
        self.remedy = remedy
    }
}
