// What is collected and what is not, and that a put of the same bytes at the same time never loses them.

import Foundation
import Jobs
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Artifacts

@Suite struct BlobCollectionTests {
    private let database: TemporaryDatabase
    private let connection: Connection
    private let store: BlobStore
    private let artifacts: ArtifactStore

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
        store = BlobStore(connection)
        artifacts = ArtifactStore(connection)
    }

    private func collect(grace: Double = 0) throws -> BlobCollection.Collected {
        try BlobCollection(connection, graceSeconds: grace).collect(limit: 1000)
    }

    private func put(_ text: String, kind: String = "") throws -> Digest {
        try store.put(Array(text.utf8), elementSize: 1, kind: kind)
    }

    private func make(_ name: String, kind: String = "subnet", token: Int64, run: Int64 = 1) throws
        -> ArtifactID
    {
        try artifacts.insert(
            Artifact.New(
                kind: kind, name: name, digest: try put(name), run: run, job: token, token: token,
                stage: "s"))
    }

    @Test(
        "what nothing names goes after the grace; artifacts, checkpoints and pins keep their bytes")
    func orphans() throws {
        let orphan = try put("orphan"), pinned = try put("pinned")
        let saved = try put("saved", kind: BlobStore.checkpointKind)
        let made = try artifacts.get(try make("made", token: 1)).digest
        #expect(try store.pin(pinned, reason: "for the paper"))
        let queue = JobQueue(connection)
        _ = try queue.enqueue(
            RunSpec(
                name: "r", definition: "d", definitionHash: "h",
                stages: [StageSpec(name: "s", job: JobSpec(kind: "k", args: "{}"))]))
        let job = try #require(try queue.jobs().first).id
        func save(_ job: JobID, _ digest: Digest) throws {
            try connection.script(
                """
                insert into ofa.checkpoint (job_id, name, seq, token, payload, digest)
                values (\(job), 'c', 1, 1, '{}', '\\x\(digest.hex)')
                """)
        }
        try save(job, saved)
        #expect(try collect(grace: 3600) == BlobCollection.Collected())
        let found = try BlobCollection(connection, graceSeconds: 0).collectable()
        #expect(found.blobs == 1 && found.checkpoints == 0)
        #expect(try collect().blobs == 1)
        #expect(try store.state(of: orphan) == .missing)
        for kept in [pinned, made, saved] { #expect(try store.state(of: kept) == .whole) }
        // A checkpoint of a job that is no longer known goes with its bytes; two of the same bytes share them.
        try save(job + 1000, saved)
        #expect(try collect(grace: 3600).checkpoints == 1)
        #expect(try store.state(of: saved) == .whole)
        try connection.script("update ofa.checkpoint set job_id = job_id + 1000")
        let collected = try collect(grace: 3600)
        #expect(collected.checkpoints == 1 && collected.blobs == 1)
        #expect(try store.state(of: saved) == .missing)
        #expect(try store.unpin(pinned))
        #expect(try collect().blobs == 1)
        #expect(try store.info(pinned) == nil)
    }

    @Test("what was put since the oldest running attempt began stays")
    func runningAttempts() throws {
        let before = try put("before")
        try connection.script(
            """
            insert into ofa.live (job_id, month, run_id, group_id, account_id, lane_id, max_attempts, attempt, max_crashes, state,
              token, session_id, started_at) values (1, 202611, 1, 1, 1, 1, 3, 1, 5, 'running', 1, 1, ofa.now())
            """)
        let after = try put("after"), again = try put("again")
        #expect(try collect().blobs == 1)
        #expect(try store.state(of: before) == .missing)
        #expect(try store.state(of: after) == .whole && store.state(of: again) == .whole)
    }

    @Test("nor is it collected by the name of another's artifact")
    func runningAttemptsByName() throws {
        let old = try make("old", token: 1)
        let same = try make("same", token: 2)
        try connection.script(
            """
            insert into ofa.live (job_id, month, run_id, group_id, account_id, lane_id, max_attempts, attempt, max_crashes, state,
              token, session_id, started_at) values (1, 202611, 1, 1, 1, 1, 3, 1, 5, 'running', 3, 1, ofa.now())
            """)
        _ = try put("same")
        let collection = BlobCollection(connection), selection = BlobCollection.Selection(run: 1)
        let named = try collection.named(selection, needed: [])
        #expect(named.map(\.artifact) == [old, same].map(\.rawValue))
        #expect(named.map(\.kept) == [nil, "a running attempt may have put it"])
        let gone = try collection.collect(named, of: selection, needed: { [] })
        #expect(gone.map(\.artifact) == [old.rawValue])
    }

    @Test(
        "what runs need is asked for after the blobs are locked, so that a run enqueued before is seen"
    )
    func neededUnderLock() throws {
        let one = try make("one", token: 1), digest = try artifacts.get(one).digest
        let other = try database.connect()
        try other.script("set lock_timeout = '100ms'")
        let collection = BlobCollection(connection), selection = BlobCollection.Selection(run: 1)
        let named = try collection.named(selection, needed: [])
        var asked = 0
        let gone = try collection.collect(named, of: selection) {
            asked += 1
            // A run that would be enqueued now has to wait, and then finds the bytes collected.
            #expect(throws: PostgresError.self) {
                try other.transaction { _ = try BlobStore($0).hold(digest) }
            }
            return []
        }
        #expect(asked == 1 && gone.map(\.artifact) == [one.rawValue])
        #expect(try !other.transaction { try BlobStore($0).hold(digest) })
    }

    @Test(
        "named artifacts become tombstones: said to be collected, and whole again once they are put"
    )
    func tombstones() throws {
        let first = try make("first", token: 1), other = try make("other", token: 2, run: 2)
        let table = try make("table", kind: "latency-table", token: 3)
        let brought = try artifacts.insert(
            Artifact.New(broughtAs: "predictor", name: "theirs", digest: try put("theirs")))
        let pinned = try make("pinned", token: 4)
        _ = try store.pin(try artifacts.get(pinned).digest, reason: "kept")
        try connection.script(
            """
            insert into ofa.device (name, target, latency_table) values ('d', '{}', \(table));
            """)
        let collection = BlobCollection(connection)
        var selection = BlobCollection.Selection(run: 1)
        var named = try collection.named(selection, needed: [])
        #expect(named.map(\.artifact) == [first, table, pinned].map(\.rawValue))
        #expect(named.map(\.kept) == [nil, "a device uses it", "it is pinned"])
        #expect(
            try collection.named(selection, needed: [first]).first?.kept
                == "an unfinished run reads it")
        selection.olderThanSeconds = 3600
        #expect(try collection.named(selection, needed: []).isEmpty)
        selection.olderThanSeconds = 0
        named = try collection.collect(named, of: selection, needed: { [] })
        #expect(named.map(\.artifact) == [first.rawValue])
        let digest = try artifacts.get(first).digest
        guard case .collected = try store.state(of: digest) else {
            Issue.record("\(try store.state(of: digest))")
            return
        }
        let error = #expect(throws: ArtifactsError.self) { try store.get(digest) }
        #expect(error?.code == .collected && error?.message.contains("artifact \(first)") == true)
        #expect(try !store.pin(digest, reason: "too late"))
        // Tombstones are no orphans, and nothing else was touched.
        #expect(try collect().blobs == 0)
        for artifact in [other, table, brought, pinned] {
            #expect(try store.state(of: try artifacts.get(artifact).digest) == .whole)
        }
        let stored = try artifacts.listStored(run: 1)
        #expect(stored.map { $0.blob?.collectedAt != nil } == [true, false, false])
        #expect(stored.map(\.pinned) == [nil, nil, "kept"])
        #expect(try put("first") == digest)
        #expect(try store.get(digest) == Array("first".utf8))
    }

    @Test("bytes of two artifacts stay while one of them is not named")
    func shared() throws {
        let one = try make("same", token: 1), two = try make("same", token: 2, run: 2)
        let collection = BlobCollection(connection)
        func named(_ selection: BlobCollection.Selection) throws -> [String?] {
            try collection.named(selection, needed: []).map(\.kept)
        }
        #expect(try named(.init(run: 1)) == ["another artifact has its bytes"])
        #expect(try named(.init(kind: "subnet")) == [nil, nil])
        let all = try collection.named(.init(kind: "subnet"), needed: [])
        let gone = try collection.collect(all, of: .init(kind: "subnet"), needed: { [] })
        #expect(gone.map(\.artifact) == [one, two].map(\.rawValue))
    }

    @Test("bytes that were a checkpoint and are put as something else last from then on")
    func promoted() throws {
        let digest = try put("both", kind: BlobStore.checkpointKind)
        #expect(try store.info(digest)?.blobClass == .checkpoint)
        #expect(try put("both", kind: "supernet") == digest)
        #expect(try store.info(digest)?.blobClass == .lasting)
        #expect(try put("both", kind: BlobStore.checkpointKind) == digest)
        #expect(try store.info(digest)?.blobClass == .lasting)
        let chunks = Statement(
            name: "Chunks", sql: "select count(*) as n from ofa.blob_chunk_lasting")
        #expect(try connection.queryOne(chunks).int("n") == 1)
        #expect(try store.state(of: digest) == .whole)
        let removed = try connection.transaction { _ in
            try store.removeCheckpointBlobs([digest.bytes])
        }
        #expect(removed.count == 0)
    }

    @Test("an artifact is not recorded while its bytes are not here")
    func refused() throws {
        let error = #expect(throws: ArtifactsError.self) {
            try artifacts.insert(
                Artifact.New(broughtAs: "predictor", name: "p", digest: Digest.of([9])))
        }
        #expect(error?.code == .notFound)
    }

    @Test(
        "a put of the same bytes beside a collection always leaves an artifact whose bytes are there"
    )
    func race() throws {
        let rounds = 150
        for round in 0..<rounds { _ = try put("round \(round)") }
        let errors = Mutex<[String]>([]), isDone = Atomic(false)
        DispatchQueue.concurrentPerform(iterations: 3) { [database] thread in
            do {
                let connection = try database.connect()
                if thread == 0 {
                    let collection = BlobCollection(connection, graceSeconds: 0)
                    while !isDone.load(ordering: .relaxed) {
                        _ = try collection.collect(limit: 3)
                    }
                    return
                }
                // Two attempts with the same output, as after a lease that was lost.
                let blobs = BlobStore(connection), artifacts = ArtifactStore(connection)
                for round in 0..<rounds {
                    while true {
                        let digest = try blobs.put(Array("round \(round)".utf8), elementSize: 1)
                        do {
                            try connection.transaction { _ in
                                _ = try artifacts.insert(
                                    Artifact.New(
                                        kind: "subnet", name: "n\(round)", digest: digest, run: 1,
                                        job: 1, token: Int64(thread), stage: "s"))
                            }
                            break
                        } catch let error as ArtifactsError where error.code == .notFound {
                            continue  // Collected in between: refused, so it is put again.
                        }
                    }
                }
            } catch { errors.withLock { $0.append("\(error)") } }
            if thread == 1 { isDone.store(true, ordering: .relaxed) }
        }
        #expect(errors.withLock { $0 } == [])
        let all = try artifacts.list()
        #expect(all.count == 2 * rounds)
        #expect(try all.allSatisfy { try store.state(of: $0.digest) == .whole })
    }
}
