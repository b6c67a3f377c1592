// Records artifacts and finds them again.

import Intake
import Jobs
import Postgres
import Schema

/// The artifacts of one database.
public struct ArtifactStore {
    let connection: Connection

    /// Uses the database of `connection`.
    public init(_ connection: Connection) {
        self.connection = connection
    }

    /// Records an artifact and the inputs of its attempt. Call this in the transaction that
    /// completes the job.
    ///
    /// If the attempt has already recorded an artifact with this role and name, that artifact is
    /// returned. Inputs belong to an attempt, so an artifact without an attempt has none. Errors:
    /// `badInput` for inputs without an attempt and for texts outside the rules, before anything is
    /// written; `conflict` if the attempt recorded the artifact with another digest; `notFound` if
    /// the bytes are not stored.
    @discardableResult
    public func insert(_ given: Artifact.New, inputs: [Artifact.Input] = []) throws -> ArtifactID {
        let new = try given.checked()
        guard new.producer != nil || inputs.isEmpty else {
            throw ArtifactsError(
                .badInput,
                "artifact '\(new.name)' has inputs but no attempt",
                remedy: "give its run, job, token and stage"
            )
        }
        let producer = new.producer
        var requests: [Request] = [
            .artifactInsert(
                kind: new.kind, name: new.name, role: new.role, digest: new.digest.bytes,
                metadata: new.metadataJSON, run: producer?.run, job: producer?.job,
                token: producer?.token, stage: producer?.stage)
        ]
        if let producer, !inputs.isEmpty {
            requests.append(
                .artifactInputInsert(
                    token: producer.token, artifacts: inputs.map(\.artifact.rawValue),
                    roles: inputs.map(\.role)))
        }
        if let row = try connection.pipeline(requests)[0].first {
            let id = ArtifactID(rawValue: try row.int64("id"))
            if producer == nil {
                try connection.note("bring", "artifact \(id)", ["name": new.name])
            }
            return id
        }
        return try recorded(new)
    }

    /// Returns the artifact that the attempt has already recorded with this role and name. Errors:
    /// `conflict` if its digest differs; `notFound` if there is no such artifact, which means that
    /// the bytes are not stored.
    private func recorded(_ new: Artifact.New) throws -> ArtifactID {
        let token = new.producer?.token
        let there = try token.flatMap {
            try connection.query(
                .artifactOfOutput(token: $0, role: new.role, name: new.name)
            ).first
        }
        guard let there else {
            throw ArtifactsError(
                .notFound,
                "the bytes of artifact '\(new.name)', blob \(new.digest.short), are not here",
                remedy: "put them first")
        }
        guard try there.bytes("digest") == new.digest.bytes else {
            throw ArtifactsError(
                .conflict,
                "attempt \(token ?? 0) has already recorded '\(new.name)' as \(new.role), "
                    + "with other bytes",
                remedy: "give each output of an attempt its own name or role")
        }
        return ArtifactID(rawValue: try there.int64("id"))
    }

    /// Returns the artifact with this number. Errors: `notFound`.
    public func get(_ id: ArtifactID) throws -> Artifact {
        guard let row = try connection.query(.artifactByID(id: id.rawValue)).first else {
            throw Self.notFound(String(id.rawValue))
        }
        return try Artifact(row)
    }

    /// Resolves a user's reference to an artifact: a number, a name, or a prefix of a digest.
    ///
    /// A number takes precedence over a name, and a name over a digest. If several artifacts match,
    /// they must have the same bytes, and the newest is returned. Errors: `notFound`, `ambiguous`.
    public func find(_ given: String) throws -> Artifact {
        let reference: String
        do {
            reference = try TextRule.composed.checked(given)
        } catch {
            // The text breaks the rules for names, so no artifact has this name.
            throw Self.notFound(Shown.excerpt(given))
        }
        if let number = Int64(reference),
            let row = try connection.query(.artifactByID(id: number)).first
        {
            return try Artifact(row)
        }
        let named = try connection.query(.artifactByName(name: reference, most: Self.shown))
        if !named.isEmpty { return try onlyOne(named.map { try Artifact($0) }, reference) }
        if let (first, last) = Self.ends(ofPrefix: reference) {
            let rows = try connection.query(
                .artifactByDigest(first: first, last: last, most: Self.shown))
            if !rows.isEmpty { return try onlyOne(rows.map { try Artifact($0) }, reference) }
        }
        throw Self.notFound(reference)
    }

    /// Returns the newest artifact with these bytes; nil if there is none.
    public func newest(of digest: Digest) throws -> Artifact? {
        try connection.query(
            .artifactByDigest(first: digest.bytes, last: digest.bytes, most: 1)
        ).first.map { try Artifact($0) }
    }

    /// An artifact with the properties of its blob.
    public struct Stored: Sendable {
        /// The artifact.
        public let artifact: Artifact
        /// The properties of the artifact's blob; nil if no bytes were ever stored.
        public let blob: BlobInfo?
        /// Why the bytes of the artifact are pinned; nil if they are not.
        public let pinned: String?
    }

    /// Returns the artifacts that `list` returns, each with the properties of its blob.
    public func listStored(run: Int64? = nil, kind: String? = nil) throws -> [Stored] {
        try connection.query(.artifactListStored(run: run, kind: kind)).map { try Stored($0) }
    }

    /// Returns artifacts, oldest first; with `run` or `kind`, only artifacts of this run or kind.
    public func list(run: Int64? = nil, kind: String? = nil) throws -> [Artifact] {
        try connection.query(.artifactList(run: run, kind: kind)).map { try Artifact($0) }
    }

    /// Returns the artifacts that a job of a run made, oldest first.
    public func made(by job: Int64, run: Int64) throws -> [Artifact] {
        try connection.query(.artifactsOfJob(run: run, job: job)).map { try Artifact($0) }
    }

    /// Calls `body` for the artifacts of a kind, newest run first, until `body` returns a value,
    /// and returns this value. Only artifacts that a run made count; with `run`, only those of this
    /// run. Reads the artifacts in small batches.
    public func newestMade<Value>(
        kind: String, run: Int64? = nil, _ body: (Artifact) throws -> Value?
    ) throws -> Value? {
        var last: Artifact?
        while true {
            let rows = try connection.query(
                .artifactNewestMade(
                    kind: kind, run: run, afterRun: last?.producer?.run, after: last?.id.rawValue,
                    most: 20))
            for row in rows {
                let artifact = try Artifact(row)
                if let value = try body(artifact) { return value }
                last = artifact
            }
            if rows.count < 20 { return nil }
        }
    }

    /// The largest number of artifacts that are read to resolve one reference.
    private static let shown = 100

    private func onlyOne(_ artifacts: [Artifact], _ reference: String) throws -> Artifact {
        let newest = artifacts[0]
        if artifacts.allSatisfy({ $0.digest == newest.digest }) { return newest }
        let some = artifacts.prefix(5).map { artifact in
            let run = artifact.producer.map { ", run \($0.run)" } ?? ""
            return "\(artifact.id) (\(artifact.kind) \(artifact.name)\(run))"
        }
        throw ArtifactsError(
            .ambiguous,
            "'\(reference)' fits \(artifacts.count) artifacts: \(some.joined(separator: ", "))"
                + "\(artifacts.count > 5 ? ", …" : "")", remedy: "give the number of one")
    }

    private static func notFound(_ reference: String) -> ArtifactsError {
        ArtifactsError(
            .notFound,
            "there is no artifact '\(reference)'",
            remedy: "give its number, its name, or at least four "
                + "digits of its digest; `ofa artifacts list` shows them.")
    }

    /// Returns the lowest and the highest digest with this prefix; nil if `text` is not 4 to 64
    /// hexadecimal digits.
    static func ends(ofPrefix text: String) -> (first: [UInt8], last: [UInt8])? {
        guard (4...64).contains(text.utf8.count) else { return nil }
        do throws(ArtifactsError) {
            let missing = 64 - text.utf8.count
            let first = try Digest(hex: text + String(repeating: "0", count: missing))
            let last = try Digest(hex: text + String(repeating: "f", count: missing))
            return (first.bytes, last.bytes)
        } catch {
            return nil  // Not hexadecimal: then it is no digest.
        }
    }
}

extension Artifact.New {
    /// Returns a copy with names in Unicode NFC. Errors: `badInput` if a text breaks the rules.
    func checked() throws(ArtifactsError) -> Artifact.New {
        var new = self
        for (what, key) in [("kind", \Artifact.New.kind), ("name", \.name), ("role", \.role)] {
            do throws(InputFault) {
                let rule = what == "name" ? TextRule.composed : .name
                new[keyPath: key] = try rule.checked(new[keyPath: key])
            } catch {
                throw ArtifactsError(
                    .badInput, "the \(what) of an artifact \(error.reason)", remedy: error.remedy)
            }
        }
        do throws(InputFault) {
            try JSONRule.result.check(metadataJSON)
        } catch {
            throw ArtifactsError(
                .badInput, "the metadata of artifact '\(new.name)': the text \(error.reason)",
                remedy: error.remedy)
        }
        return new
    }
}
