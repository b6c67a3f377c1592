// JobsError: what the queue refuses, and what to do instead.
import Foundation

/// An error of the queue, with its remedy.
public struct JobsError: LocalizedError, Sendable, Equatable, CustomStringConvertible {
    /// What kind of error it is.
    public enum Code: Sendable, Equatable {
        /// A run, job or stage that does not exist.
        case notFound
        /// A run description that cannot work.
        case invalidRun
        /// A text that breaks the rules for names or JSON.
        case invalidText
        /// Something that the present state does not allow.
        case wrongState
        /// An unfinished job has the same unique key.
        case notUnique
        /// The lease is not held any more, so nothing may be written in its name.
        case fenced
        /// The worker's session is over.
        case sessionOver
    }

    /// What kind of error it is.
    public let code: Code
    /// What is wrong, where, and what to do.
    public let message: String

    /// Makes an error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
    /// The message.
    public var errorDescription: String? { message }
}

/// An error that another attempt would only repeat, such as bad input: the job is discarded at
/// once.
public protocol PermanentError: Error {}
