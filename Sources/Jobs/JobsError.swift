// JobsError: what the queue refuses, and what to do instead.
import Intake

/// An error of the queue, with its remedy.
public struct JobsError: Remedied, Equatable {
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
        /// What only the owner of the schema may do.
        case notOwner
        /// An unfinished job has the same unique key.
        case notUnique
        /// The lease is not held any more, so nothing may be written in its name.
        case fenced
        /// The worker's session is over.
        case sessionOver
    }

    /// What kind of error it is.
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

/// An error that another attempt would only repeat, such as bad input: the job is discarded at
/// once.
public protocol PermanentError: Error {}
