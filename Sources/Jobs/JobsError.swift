// JobsError: the error type of the queue.
import Intake

/// An error of the queue, with its remedy.
public struct JobsError: Remedied, Equatable {
    /// The kind of the error.
    public enum Code: Sendable, Equatable {
        /// The run, job or stage does not exist.
        case notFound
        /// The description of a run, or of jobs added to a run, is invalid.
        case invalidRun
        /// A text breaks the rules for names or JSON.
        case invalidText
        /// The current state does not allow the operation.
        case wrongState
        /// Only the owner of the schema may do this.
        case notOwner
        /// An unfinished job has the same unique key.
        case notUnique
        /// The lease is over, so its worker may write nothing more for the job.
        case fenced
        /// The worker's session is over.
        case sessionOver
    }

    /// The kind of the error.
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

/// An error that would recur in a retry, such as bad input: the job is discarded at once.
public protocol PermanentError: Error {}
