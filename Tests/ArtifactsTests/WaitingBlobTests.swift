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

    @Test(
        "artifacts are recorded wherever the clock is set between the end and the record",
        arguments: ["-50 ms", "-3 hours", "-5 days", "5 days"])
    func clockSet(_ offset: String) throws {
        let blobs = BlobStore(connection)
        let clock = Statement(
            name: "Clock", sql: "select set_config('ofa.clock_offset', $1::text, false)")
        let records = try leases.map { lease in
            let (digest, waiting) = try blobs.putOrWait(
                bytes(lease), elementSize: 1, kind: "report")
            return try record(lease, digest, blobs: [try #require(waiting)])
        }
        let answers = try queue.end(
            leases.map { Ending($0, .completed(result: "{}")) }, session: session.uuid,
            records: [Request(clock, [.text(offset)])] + Request.together(records))
        #expect(answers == [.done, .done, .done])
        let names = try ArtifactStore(connection).list().map(\.name).sorted()
        #expect(names == ["made-0", "made-1", "made-2"])
    }

    @Test("artifacts of an attempt that nothing is known of are refused, and never dropped")
    func unknown() throws {
        let digest = try BlobStore(connection).put([1], elementSize: 1)
        let artifact = Artifact.New(
            kind: "report", name: "lost", digest: digest, run: leases[0].runID, job: 1_000_000,
            token: 1_000_000, stage: "stage")
        let request = try ArtifactStore.record([artifact])
        let error = #expect(throws: PostgresError.self) { try connection.query(request) }
        #expect(error?.message.contains("job 1000000") == true)
    }

    @Test("bytes that were collected while they waited are stored again with their artifact")
    func collectedMeanwhile() throws {
        let blobs = BlobStore(connection), lease = leases[0]
        let (digest, waiting) = try blobs.putOrWait(bytes(lease), elementSize: 1, kind: "report")
        // Another attempt's, which a person collects.
        #expect(try blobs.put(bytes(lease), elementSize: 1) == digest)
        try connection.script(
            """
            select ofa_api_1.collect_blobs(array['\(digest.hex)']);
            select ofa_api_1.remove_chunks(array['\(digest.hex)'])
            """)
        guard case .collected = try blobs.state(of: digest) else {
            Issue.record("\(try blobs.state(of: digest))")
            return
        }
        let answers = try queue.end(
            [Ending(lease, .completed(result: "{}"))], session: session.uuid,
            records: [try record(lease, digest, blobs: [try #require(waiting)])])
        #expect(answers == [.done])
        #expect(try blobs.get(digest) == bytes(lease))
        #expect(try ArtifactStore(connection).list().map(\.name) == ["made-0"])
    }

    @Test(
        "the same bytes in two codings are stored in one of them", arguments: [[1, 4], [4, 1]])
    func codings(_ sizes: [Int]) throws {
        let blobs = BlobStore(connection)
        // Whose low bits are chance and whose high bits are alike.
        var random: UInt32 = 7
        let floats = (0..<1000).map { _ in
            random = random &* 1_664_525 &+ 1_013_904_223
            return Float(bitPattern: 0x3F80_0000 | random >> 9)
        }
        let bytes = floats.flatMap { withUnsafeBytes(of: $0) { Array($0) } }
        let waiting = try sizes.map { size in
            try #require(try blobs.putOrWait(bytes, elementSize: size, kind: "report").waiting)
        }
        #expect(waiting[0].coding != waiting[1].coding)
        #expect(waiting[0].chunks.count != waiting[1].chunks.count)
        let records = try zip(leases, waiting).map { lease, blob in
            try record(lease, blob.digest, blobs: [blob])
        }
        #expect(try end(records) == [.done, .done, .done])
        #expect(try blobs.state(of: waiting[0].digest) == .whole)
        #expect(try blobs.get(waiting[0].digest) == bytes)
        #expect(try blobs.info(waiting[0].digest)?.coding == waiting[0].coding)
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
