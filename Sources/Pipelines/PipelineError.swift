// The error type of this module, mostly for errors in pipeline files.

import Intake

/// An error in a pipeline file or a stage, with its place and remedy.
public struct PipelineError: Remedied, Equatable {
    /// The kinds of errors of this module.
    public enum Code: String, Sendable {
        /// A text is not YAML, or a file cannot be read or written.
        case unreadable
        /// A key is unknown, missing, of the wrong type or out of range.
        case invalidValue
        /// Stages form a cycle, or a stage needs a stage that does not exist.
        case invalidGraph
        /// An artifact that a stage or a command needs does not exist.
        case missingInput
        /// Artifacts are valid but do not belong together, such as a supernet and a predictor that was fitted on
        /// networks of another supernet.
        case mismatch
        /// No network of the space meets a device's limits.
        case infeasible
        /// The disk of this machine is full. `StageContext.shard` waits and retries, because space may be freed.
        case noRoom
        /// A stored artifact has unexpected content.
        case invalidArtifact
        /// The arguments of a job have fields, or the definition of a space has fields or layers, that this version does
        /// not know. The job is retried, because a newer worker may take it.
        case newerDefinition
        /// A file or a URL that receives events does not accept them now.
        case unreachable
    }

    /// The kind of error.
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
