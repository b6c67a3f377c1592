// What can go wrong with blobs, artifacts and lineage: one error type.

import Intake

/// An error of the room Artifacts.
public struct ArtifactsError: Remedied, Equatable {
    /// What kind of failure it was.
    public enum Code: String, Sendable {
        /// Something given is not of the form it must have.
        case badInput
        /// Stored bytes are not what was stored.
        case corrupt
        /// There is no such blob or artifact.
        case notFound
        /// The bytes were removed on purpose.
        case collected
        /// A name or a prefix fits several artifacts.
        case ambiguous
        /// The same output was recorded before with other content.
        case conflict
        /// The compressor failed.
        case codec
        /// A file could not be read or written.
        case file
    }

    /// What kind of failure it was.
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
