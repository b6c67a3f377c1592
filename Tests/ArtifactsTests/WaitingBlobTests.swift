// Small bytes that wait for the end of their attempt, and artifacts recorded with the ends of many.

import Jobs
import Postgres
import TestSupport
import Testing

@testable import Artifacts

@Suite struct WaitingBlobTests {
    private let database: TemporaryDatabase
    private let connection: Connection
    private let queue: JobQueue
    private let session: Session
    private let leases: [Lease]

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
        queue = JobQueue(connection)
        session = try queue.openSession(name: "w", ttlSeconds: 3000)
        let jobs = Array(repeating: JobSpec(kind: "work"), count: 3)
        _ = try queue.enqueue(
            RunSpec(
                name: "run", definition: "", definitionHash: "run",
                stages: [StageSpec(name: "stage", jobs: jobs)]))
        leases = try queue.claim(session, kinds: ["work"], limit: 3)
    }

    /// The bytes that the attempt makes: the first two make the same.
    private func bytes(_ lease: Lease) -> [UInt8] {
        Array(String(repeating: "attempt \(lease.ordinal / 2), ", count: 50).utf8)
    }

    private func record(
        _ lease: Lease, _ digest: Digest, blobs: [WaitingBlob], inputs: [Artifact.Input] = []
    ) throws -> Request {
        let artifact = Artifact.New(
            kind: "report", name: "made-\(lease.ordinal)", digest: digest, run: lease.runID,
            job: lease.jobID, token: lease.token, stage: lease.stage)
        return try ArtifactStore.record([artifact], inputs: inputs, blobs: blobs)
    }

    private func end(_ records: [Request]) throws -> [CompletionAnswer] {
        try queue.end(
            leases.map { Ending($0, .completed(result: "{}")) }, session: session.uuid,
            records: Request.together(records))
    }

    @Test("small bytes are stored and recorded with the ends of many attempts, in one statement")
    func together() throws {
        let blobs = BlobStore(connection)
        let brought = try blobs.put([1, 2, 3], elementSize: 1)
        let input = try ArtifactStore(connection).insert(
            Artifact.New(broughtAs: "dataset", name: "images", digest: brought), inputs: [])
        let records = try leases.map { lease in
            let (digest, waiting) = try blobs.putOrWait(
                bytes(lease), elementSize: 1, kind: "report")
            #expect(try blobs.info(digest) == nil, "nothing is stored yet")
            return try record(
                lease, digest, blobs: [try #require(waiting)],
                inputs: [Artifact.Input(input, role: "dataset")])
        }
        #expect(Request.together(records).count == 1)
        #expect(try end(records) == [.done, .done, .done])
        let made = try ArtifactStore(connection).list(kind: "report")
        #expect(made.map(\.name).sorted() == ["made-0", "made-1", "made-2"])
        for (artifact, lease) in zip(made.sorted { $0.name < $1.name }, leases) {
            #expect(artifact.producer?.token == lease.token)
            #expect(try blobs.get(artifact.digest) == bytes(lease))
            #expect(try Lineage(connection).up(artifact.id).edges.map(\.input) == [input])
        }
        #expect(Set(made.map(\.digest)).count == 2)
        #expect(try end(records) == [.already, .already, .already])
        #expect(try ArtifactStore(connection).list(kind: "report").count == 3)
        let again = try blobs.putOrWait(bytes(leases[0]), elementSize: 1, kind: "report")
        #expect(again.waiting == nil, "they are here")
    }

    @Test("of an attempt that was fenced nothing is recorded, of the others of its batch all")
    func fenced() throws {
        let blobs = BlobStore(connection)
        try queue.release(leases[1], reason: "taken back")
        let records = try leases.map { lease in
            let (digest, waiting) = try blobs.putOrWait(
                bytes(lease), elementSize: 1, kind: "report")
            return try record(lease, digest, blobs: [try #require(waiting)])
        }
        #expect(try end(records) == [.done, .fenced, .done])
        #expect(
            try ArtifactStore(connection).list().map(\.name).sorted() == ["made-0", "made-2"])
    }

    @Test(
        "an artifact whose bytes are not here is refused by its name, with the end of its attempt")
    func missing() throws {
        let records = try [record(leases[2], Digest.of([9]), blobs: [])]
        let error = #expect(throws: PostgresError.self) { try end(records) }
        #expect(error?.message.contains("'made-2'") == true)
        #expect(try ArtifactStore(connection).list().isEmpty)
    }

    @Test("large bytes, checkpoints and what goes into the folder do not wait")
    func atOnce() throws {
        let blobs = BlobStore(connection)
        let large = [UInt8](repeating: 7, count: WaitingBlob.mostBytes + 1)
        #expect(try blobs.putOrWait(large, elementSize: 1, kind: "report").waiting == nil)
        let (digest, waiting) = try blobs.putOrWait(
            [5], elementSize: 1, kind: BlobStore.checkpointKind)
        #expect(waiting == nil)
        #expect(try blobs.info(digest)?.blobClass == .checkpoint)
    }
}
