// What can go wrong with blobs, artifacts and lineage: one error type.

import Foundation

/// An error of the room Artifacts.
public struct ArtifactsError: LocalizedError, CustomStringConvertible, Equatable {
    /// What kind of failure it was.
    public enum Code: String, Sendable {
        /// Something given is not of the form it must have.
        case badInput
        /// Stored bytes are not what was stored.
        case corrupt
        /// There is no such blob or artifact.
        case notFound
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
    /// What happened, where, and what to do.
    public let message: String

    /// Makes an error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
    /// The message, for whoever shows errors of any kind.
    public var errorDescription: String? { message }
}
