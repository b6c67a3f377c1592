// What can go wrong in this room: mostly pipeline files, which people write by hand.

import Intake

/// An error in a pipeline file or in a stage: what, where (file and line), and what to do.
public struct PipelineError: Remedied, Equatable {
    /// The kinds of errors of this module.
    public enum Code: String, Sendable {
        /// The text is not YAML, or the file cannot be read.
        case unreadable
        /// A key is unknown, missing, of the wrong type or out of range.
        case invalidValue
        /// Stages need each other in a circle, or one that does not exist.
        case invalidGraph
        /// A stage has no ancestor that makes what it needs.
        case missingInput
        /// Artifacts that are each right do not belong together, such as a predictor of another supernet.
        case mismatch
        /// No network of the space meets a device's limits.
        case infeasible
        /// The disk of this machine's files is full. Retried: space may be freed.
        case noRoom
        /// A stored artifact does not hold what it should.
        case invalidArtifact
    }

    /// The kind of error.
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
