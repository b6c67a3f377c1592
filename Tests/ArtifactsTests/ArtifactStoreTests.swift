// Artifacts: recorded once, found by what people remember of them.

import Postgres
import Schema
import TestSupport
import Testing

@testable import Artifacts

/// An artifact of an attempt of run 1 as tests need it.
func made(
    _ kind: String, _ name: String, token: Int64, stage: String = "train", run: Int64 = 1
) -> Artifact.New {
    Artifact.New(
        kind: kind, name: name, digest: Digest.of(Array("\(kind) \(name) \(token)".utf8)),
        run: run, job: token + 100, token: token, stage: stage)
}

extension ArtifactStore {
    /// Records an artifact after a row says that its bytes are here; nothing reads them.
    @discardableResult
    func record(_ new: Artifact.New, inputs: [Artifact.Input] = []) throws -> ArtifactID {
        _ = try connection.query(
            .blobClaim(
                digest: new.digest.bytes, blobClass: "lasting", store: "database", rawBytes: 0,
                storedBytes: 0, chunks: 0, filter: "none", codec: "none", anew: false))
        return try insert(new, inputs: inputs)
    }
}

@Suite struct ArtifactStoreTests {
    private let database: TemporaryDatabase
    private let connection: Connection
    private let store: ArtifactStore

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
        store = ArtifactStore(connection)
    }

    @Test("an artifact comes back as it was recorded")
    func roundTrip() throws {
        var new = made("supernet", "w1.0", token: 7)
        new.metadataJSON = #"{"accuracy": 0.91}"#
        let id = try store.record(new)
        let artifact = try store.get(id)
        #expect(artifact.kind == "supernet")
        #expect(artifact.name == "w1.0")
        #expect(artifact.role == "supernet")
        #expect(artifact.digest == new.digest)
        #expect(artifact.producer == .init(run: 1, job: 107, token: 7, stage: "train"))
        #expect(try ArtifactDocument(artifact).metadata == .object(["accuracy": .double(0.91)]))
    }

    @Test(
        "the same output of an attempt again is the same artifact; with other bytes an error"
    )
    func idempotent() throws {
        let new = made("supernet", "w1.0", token: 7)
        let id = try store.record(new)
        #expect(try store.record(new) == id)
        var other = new
        other.digest = Digest.of([9])
        let error = #expect(throws: ArtifactsError.self) { try store.record(other) }
        #expect(error?.code == .conflict)
        #expect(try store.record(made("supernet", "w1.0", token: 8)) != id)
        other.name = "w1.2"
        #expect(try store.record(other) != id)
        #expect(try store.list().count == 3)
    }

    @Test("an artifact is found by number, by name and by the first digits of its digest")
    func find() throws {
        let id = try store.record(made("subnet", "phone-a", token: 1))
        let artifact = try store.get(id)
        #expect(try store.find("\(id)") == artifact)
        #expect(try store.find("phone-a") == artifact)
        #expect(try store.find(String(artifact.digest.hex.prefix(8))) == artifact)
        #expect(try store.find(artifact.digest.hex) == artifact)
        for reference in ["phone-b", "999", "abc", "zzzz", ""] {
            let error = #expect(throws: ArtifactsError.self) { try store.find(reference) }
            #expect(error?.code == .notFound)
        }
    }

    @Test("a name of several artifacts is an error listing them, unless they have the same bytes")
    func ambiguous() throws {
        let first = try store.record(made("subnet", "phone-a", token: 1))
        let second = try store.record(made("subnet", "phone-a", token: 2, run: 2))
        let error = #expect(throws: ArtifactsError.self) { try store.find("phone-a") }
        #expect(error?.code == .ambiguous)
        #expect(error?.message.contains("\(first)") == true)
        #expect(error?.message.contains("\(second)") == true)
        var same = made("dataset", "fashion", token: 3)
        try store.record(same)
        same.producer = .init(run: 2, job: 5, token: 4, stage: "import")
        let newest = try store.record(same)
        #expect(try store.find("fashion").id == newest)
    }

    @Test("a list can be of one run and of one kind")
    func list() throws {
        try store.record(made("dataset", "d", token: 1))
        try store.record(made("subnet", "s", token: 2))
        try store.record(made("subnet", "t", token: 3, run: 2))
        try store.record(
            Artifact.New(broughtAs: "predictor", name: "theirs", digest: Digest.of([1])))
        #expect(try store.list().map(\.name) == ["d", "s", "t", "theirs"])
        #expect(try store.list(run: 1).map(\.name) == ["d", "s"])
        #expect(try store.list(kind: "subnet").map(\.name) == ["s", "t"])
        #expect(try store.list(run: 2, kind: "dataset").isEmpty)
    }

    @Test("what was brought has no attempt, and so no inputs")
    func brought() throws {
        let new = Artifact.New(broughtAs: "predictor", name: "theirs", digest: Digest.of([1]))
        let id = try store.record(new)
        #expect(try store.get(id).producer == nil)
        #expect(throws: ArtifactsError.self) {
            try store.record(new, inputs: [.init(id, role: "x")])
        }
    }

    @Test("recorded artifacts and inputs refuse to be changed")
    func immutable() throws {
        let dataset = try store.record(made("dataset", "d", token: 1))
        try store.record(made("supernet", "s", token: 2), inputs: [.init(dataset, role: "dataset")])
        for sql in [
            "update ofa.artifact set name = 'x'", "delete from ofa.artifact",
            "update ofa.artifact_input set role = 'x'",
            "delete from ofa.artifact_input",
        ] {
            let error = #expect(throws: PostgresError.self) {
                try connection.execute(Statement(name: sql, sql: sql))
            }
            #expect(error?.message.contains("never change") == true)
        }
    }
}
