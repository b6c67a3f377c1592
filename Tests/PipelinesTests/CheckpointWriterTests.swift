// How often a training saves, and that saving beside it changes nothing of what is saved.
import Artifacts
import Foundation
import Interchange
import Jobs
import Postgres
import Tensors
import TestSupport
import Testing
import Training

@testable import Pipelines

@Suite struct CheckpointWriterTests {
    @Test(
        "a checkpoint is under way a thirtieth of the time at most, and takes a hundredth of it in processor time"
    )
    func pace() {
        let stated = Duration.seconds(20)
        func interval(_ took: Double, _ cpu: Double, stated: Duration = stated) -> Duration {
            CheckpointPace(took: .seconds(took), cpu: .seconds(cpu)).interval(stated: stated)
        }
        #expect(CheckpointPace().interval(stated: stated) == stated)
        #expect(interval(0.5, 0.1) == stated)
        #expect(interval(2, 0.1) == .seconds(60))
        #expect(interval(2, 1) == .seconds(100))
        // Stated as 0: after every step, whatever it costs.
        #expect(interval(2, 1, stated: .zero) == .zero)
    }

    /// A job that runs, and a training of its own.
    private struct Place {
        let database = Result { try TemporaryDatabase() }
        let connection: Connection
        let queue: JobQueue
        let lease: Lease

        init() throws {
            connection = try database.get().connect()
            queue = JobQueue(connection)
            _ = try queue.enqueue(
                RunSpec(
                    name: "r", definition: "d", definitionHash: "h",
                    stages: [StageSpec(name: "s", job: JobSpec(kind: "train", args: "{}"))]))
            let session = try queue.openSession(name: "w", ttlSeconds: 3600)
            lease = try #require(try queue.claim(session, kinds: ["train"]).first)
        }

        func state(_ step: Int) -> Trainer.State {
            // Of no two steps is one worth storing as a delta to the other.
            var stream = RandomStream(seed: UInt64(step))
            return Trainer.State(
                step: step, skipped: 0,
                arrays: [
                    ("w", [1000], (0..<1000).map { _ in stream.uniform() }), ("touched", [1], [1]),
                ])
        }

        func writer() -> CheckpointWriter {
            CheckpointWriter(lease, like: connection, everySeconds: 0, isCancelled: { false })
        }
    }

    @Test("the newest two are kept with their bytes, and the blobs of the others go with them")
    func newestTwo() throws {
        let place = try Place(), writer = place.writer()
        for step in 1...4 {
            writer.begin(.init(name: "t", payload: "\(step)", state: place.state(step)))
            try writer.finish()
        }
        let kept = try place.queue.checkpoints(place.lease.jobID, name: "t")
        #expect(kept.map(\.seq) == [4, 3])
        let blobs = BlobStore(place.connection)
        for checkpoint in kept {
            let bytes = try blobs.get(try Digest(bytes: try #require(checkpoint.digest)))
            let state = place.state(Int(checkpoint.seq))
            #expect(bytes == (try CheckpointBlob.encoded(state)))
        }
        let count = Statement(name: "Blobs", sql: "select count(*) as n from ofa.blob")
        #expect(try place.connection.queryOne(count).int("n") == 2)
        // Another job's checkpoint of the same bytes: they stay until both have let go.
        try place.connection.script(
            """
            insert into ofa.checkpoint (job_id, name, seq, token, payload, digest)
            select job_id + 1, name, seq, token, payload, digest from ofa.checkpoint where seq = 3
            """)
        for step in 5...6 {
            writer.begin(.init(name: "t", payload: "\(step)", state: place.state(step)))
            try writer.finish()
        }
        #expect(try place.connection.queryOne(count).int("n") == 3)
    }

    /// A state whose floats differ from those of any other step: in the last bits only, or altogether.
    private func state(_ step: Int, near: Bool) -> Trainer.State {
        var stream = RandomStream(seed: UInt64(near ? 1 : step))
        let values = (0..<250_000).map { index -> Float in
            let bits = stream.uniform().bitPattern
            return Float(bitPattern: index % 20 == 0 ? bits ^ UInt32(step) : bits)
        }
        return Trainer.State(step: step, skipped: 0, arrays: [("w", [values.count], values)])
    }

    /// Saves nine checkpoints; returns which were stored as deltas.
    private func deltas(near: Bool) throws -> [Bool] {
        let place = try Place(), writer = place.writer(), blobs = BlobStore(place.connection)
        return try (1...9).map { step in
            let state = state(step, near: near)
            writer.begin(.init(name: "t", payload: "\(step)", state: state))
            try writer.finish()
            let newest = try place.queue.latestCheckpoint(place.lease.jobID, name: "t")
            let digest = try Digest(bytes: try #require(newest?.digest))
            let read = try Safetensors.decode(bytes: blobs.get(digest))
            #expect(read.tensors["w"]?.values == state.arrays[0].values)
            // What both kept checkpoints need, and no more.
            let count = Statement(name: "Blobs", sql: "select count(*) as n from ofa.blob")
            #expect(try place.connection.queryOne(count).int("n") <= (near ? 3 : 2))
            return try blobs.info(digest)?.parent != nil
        }
    }

    @Test(
        "checkpoints that differ little are stored as deltas but for every fourth, and read as they were"
    )
    func near() throws {
        let isDelta = try deltas(near: true)
        #expect(isDelta == [false, true, true, true, false, true, true, true, false])
    }

    @Test("after a delta that saves too little, the next eight checkpoints are stored whole")
    func unlike() throws {
        #expect(try deltas(near: false) == [Bool](repeating: false, count: 9))
        var course = DeltaCourse()
        #expect(course.base == nil)
        course.saved([1], Digest.of([1]), isDelta: false)
        #expect(course.base?.digest == Digest.of([1]))
        // The second is the delta that saves too little.
        for byte: UInt8 in 2...9 {
            course.saved([byte], Digest.of([byte]), isDelta: false)
            #expect(course.base == nil)
        }
        course.saved([10], Digest.of([10]), isDelta: false)
        #expect(course.base?.digest == Digest.of([10]))
    }

    @Test("one whose lease is over saves nothing, and its training hears of it")
    func fenced() throws {
        let place = try Place(), writer = place.writer()
        #expect(try place.queue.complete(place.lease, result: "1") == .done)
        writer.begin(.init(name: "t", payload: "1", state: place.state(1)))
        #expect(throws: JobInterruption.fenced) { try writer.finish() }
        #expect(try place.queue.checkpoints(place.lease.jobID, name: "t").isEmpty)
        // What it put is an orphan.
        #expect(
            try BlobCollection(place.connection, graceSeconds: 0).collect(limit: 10).blobs == 1)
    }

    @Test(
        "after the third checkpoint the database grows no more: each takes the room of one that went"
    )
    func room() throws {
        let place = try Place(), writer = place.writer()
        let size = Statement(
            name: "Size", sql: "select pg_database_size(current_database()) as bytes")
        var sizes: [Int] = []
        var stream = UInt32(1)
        for step in 1...8 {
            let values = (0..<250_000).map { _ -> Float in
                stream = stream &* 1_664_525 &+ 1_013_904_223
                return Float(bitPattern: stream & 0x7F7F_FFFF)
            }
            writer.begin(
                .init(
                    name: "t", payload: "\(step)",
                    state: Trainer.State(
                        step: step, skipped: 0, arrays: [("w", [values.count], values)])))
            try writer.finish()
            sizes.append(try place.connection.queryOne(size).int("bytes"))
        }
        let newest = try place.queue.latestCheckpoint(place.lease.jobID, name: "t")
        let digest = try Digest(bytes: try #require(newest?.digest))
        let info = try #require(try BlobStore(place.connection).info(digest))
        #expect(sizes[7] - sizes[3] < info.storedBytes / 2, "\(sizes), each \(info.storedBytes)")
    }
}
