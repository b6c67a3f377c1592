// The error type of the room, mostly for errors in pipeline files.

import Intake

/// An error in a pipeline file or a stage, with place (file and line) and remedy.
public struct PipelineError: Remedied, Equatable {
    /// The kinds of errors of this module.
    public enum Code: String, Sendable {
        /// The text is not YAML, or the file cannot be read.
        case unreadable
        /// A key is unknown, missing, of the wrong type or out of range.
        case invalidValue
        /// Stages form a cycle, or need one that does not exist.
        case invalidGraph
        /// A stage has no ancestor that makes what it needs.
        case missingInput
        /// Valid artifacts do not belong together, such as a predictor and another supernet.
        case mismatch
        /// No network of the space meets a device's limits.
        case infeasible
        /// The disk of this machine is full. Retried, because space may be freed.
        case noRoom
        /// A stored artifact has unexpected content.
        case invalidArtifact
    }

    /// The kind of error.
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
