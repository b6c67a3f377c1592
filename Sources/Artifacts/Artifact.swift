// The types of artifacts. An artifact is an immutable named output with a content digest.

import Foundation
import Postgres

/// The number of an artifact in its database.
public struct ArtifactID: RawRepresentable, Hashable, Sendable, Codable, Comparable,
    CustomStringConvertible
{
    /// The number.
    public let rawValue: Int64

    /// `rawValue` is the number of an artifact.
    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    /// The number as text.
    public var description: String { String(rawValue) }

    /// Compares the numbers: artifacts that were recorded earlier have smaller numbers.
    public static func < (left: ArtifactID, right: ArtifactID) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// An output of an attempt, or a user-supplied file.
public struct Artifact: Sendable, Equatable {
    /// The number of the artifact.
    public let id: ArtifactID
    /// The kind of the artifact, in one word, such as `dataset`, `supernet`, `checkpoint`,
    /// `accuracy-samples`, `predictor`, `latency-table`, `search-result` or `subnet`.
    public let kind: String
    /// The name of the artifact, for people.
    public let name: String
    /// The role of the artifact among the outputs of its attempt.
    public let role: String
    /// The digest of the artifact's bytes.
    public let digest: Digest
    /// The metadata that the producer of the artifact gave: a JSON object.
    public let metadataJSON: String
    /// The attempt that made the artifact; nil if a user supplied it.
    public let producer: Producer?
    /// When the artifact was recorded.
    public let createdAt: Date

    /// The attempt that made an artifact.
    public struct Producer: Sendable, Equatable {
        /// The run.
        public let run: Int64
        /// The job.
        public let job: Int64
        /// The lease token, which identifies the attempt.
        public let token: Int64
        /// The stage.
        public let stage: String

        /// `token` is the lease token of the attempt.
        public init(run: Int64, job: Int64, token: Int64, stage: String) {
            self.run = run
            self.job = job
            self.token = token
            self.stage = stage
        }
    }

    /// An artifact that is to be recorded.
    public struct New: Sendable, Equatable {
        /// The kind of the artifact, in one word.
        public var kind: String
        /// The name of the artifact, for people.
        public var name: String
        /// The role of the artifact among the outputs of its attempt; two outputs of an attempt
        /// differ in role or name.
        public var role: String
        /// The digest of the artifact's bytes.
        public var digest: Digest
        /// The metadata: a JSON object.
        public var metadataJSON: String
        /// The attempt that made the artifact; nil if a user supplied it.
        public var producer: Producer?

        /// Describes an output of an attempt; `role` defaults to `kind`.
        public init(
            kind: String, name: String, role: String? = nil, digest: Digest,
            metadataJSON: String = "{}", run: Int64, job: Int64, token: Int64, stage: String
        ) {
            self.init(broughtAs: kind, name: name, digest: digest, metadataJSON: metadataJSON)
            self.role = role ?? kind
            producer = Producer(run: run, job: job, token: token, stage: stage)
        }

        /// Describes a user-supplied artifact: it has no producing attempt and no inputs.
        public init(
            broughtAs kind: String, name: String, digest: Digest, metadataJSON: String = "{}"
        ) {
            self.kind = kind
            self.name = name
            role = kind
            self.digest = digest
            self.metadataJSON = metadataJSON
            producer = nil
        }
    }

    /// An input of an attempt.
    public struct Input: Sendable, Equatable {
        /// The artifact that the attempt read.
        public var artifact: ArtifactID
        /// The role of the artifact as an input, such as `dataset`, `teacher` or `predictor`.
        public var role: String

        /// `role` says for what the attempt used the artifact.
        public init(_ artifact: ArtifactID, role: String) {
            self.artifact = artifact
            self.role = role
        }
    }

    /// Reads an artifact from a row with all its columns.
    init(_ row: Row) throws {
        id = ArtifactID(rawValue: try row.int64("id"))
        kind = try row.text("kind")
        name = try row.text("name")
        role = try row.text("role")
        digest = try Digest(bytes: row.bytes("digest"))
        metadataJSON = try row.json("metadata")
        createdAt = try row.date("created_at")
        if let token = try row.optionalInt64("token") {
            producer = Producer(
                run: try row.int64("run_id"), job: try row.int64("job_id"), token: token,
                stage: try row.text("stage"))
        } else {
            producer = nil
        }
    }
}
