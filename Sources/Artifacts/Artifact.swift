// The nouns of lineage: artifacts, immutable things with a digest.

import Foundation
import Postgres

/// The number of an artifact in its database.
public struct ArtifactID: RawRepresentable, Hashable, Sendable, Codable, Comparable,
    CustomStringConvertible
{
    /// The number.
    public let rawValue: Int64

    /// Takes the number.
    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    /// The number as text.
    public var description: String { String(rawValue) }

    /// Older artifacts have smaller numbers.
    public static func < (left: ArtifactID, right: ArtifactID) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// A thing that an attempt made, or that a person brought.
public struct Artifact: Sendable, Equatable {
    /// Its number.
    public let id: ArtifactID
    /// What it is, in one word.
    ///
    /// `dataset`, `supernet`, `checkpoint`, `accuracy-samples`, `predictor`,
    /// `latency-table`, `search-result`, `subnet`.
    public let kind: String
    /// What people call it.
    public let name: String
    /// As what the attempt put it out.
    public let role: String
    /// The digest of its bytes.
    public let digest: Digest
    /// What its makers say of it: a JSON object.
    public let metadataJSON: String
    /// The attempt that made it; nil for what a person brought.
    public let producer: Producer?
    /// When it was recorded.
    public let createdAt: Date

    /// The attempt that made an artifact.
    public struct Producer: Sendable, Equatable {
        /// The run.
        public let run: Int64
        /// The job.
        public let job: Int64
        /// The lease token: the attempt.
        public let token: Int64
        /// The stage.
        public let stage: String

        /// Names an attempt.
        public init(run: Int64, job: Int64, token: Int64, stage: String) {
            self.run = run
            self.job = job
            self.token = token
            self.stage = stage
        }
    }

    /// An artifact to be recorded.
    public struct New: Sendable, Equatable {
        /// What it is.
        public var kind: String
        /// What people call it.
        public var name: String
        /// As what the attempt puts it out; with the name it is unique in an attempt.
        public var role: String
        /// The digest of its bytes.
        public var digest: Digest
        /// A JSON object.
        public var metadataJSON: String
        /// The attempt that made it.
        public var producer: Producer?

        /// What an attempt made; its role is its kind unless given.
        public init(
            kind: String, name: String, role: String? = nil, digest: Digest,
            metadataJSON: String = "{}", run: Int64, job: Int64, token: Int64, stage: String
        ) {
            self.init(broughtAs: kind, name: name, digest: digest, metadataJSON: metadataJSON)
            self.role = role ?? kind
            producer = Producer(run: run, job: job, token: token, stage: stage)
        }

        /// What a person brought from outside: it has no attempt and no inputs.
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

    /// Something an attempt read.
    public struct Input: Sendable, Equatable {
        /// The artifact.
        public var artifact: ArtifactID
        /// As what it was read: `dataset`, `teacher`, `predictor`.
        public var role: String

        /// Makes an input.
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
