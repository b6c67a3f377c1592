// The blob store: round trips, re-puts, damage, and two writers at once.

import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Artifacts

@Suite struct BlobStoreTests {
    private let database: TemporaryDatabase
    private let connection: Connection
    private let store: BlobStore

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
        store = BlobStore(connection)
    }

    private func count(_ sql: String) throws -> Int {
        try connection.queryOne(Statement(name: "Test\(sql.hashValue)", sql: sql)).int("count")
    }

    @Test("bytes that are used slower than a statement may take come back whole")
    func slowUse() throws {
        var random = WordStream(state: 7)
        let bytes = random.weights(1_300_000), digest = try store.put(bytes, elementSize: 4)
        let reader = try Connection(
            url: database.url, applicationName: "slow-use", statementTimeoutSeconds: 3)
        let isLate = Statement(
            name: "Late",
            sql: """
                select count(*) from pg_stat_activity
                where application_name = 'slow-use' and clock_timestamp() - query_start > interval '4 s'
                """)
        var read: [UInt8] = []
        try BlobStore(reader).read(digest) { some in
            // The server has begun to send the chunks that follow, and cannot go on.
            while read.isEmpty, try connection.queryOne(isLate).int("count") == 0 {}
            read += some
        }
        #expect(read == bytes)
    }

    @Test(
        "bytes come back as they were put, whatever their size",
        arguments: [(0, 1), (1, 1), (5, 4), (1 << 20, 4), ((1 << 20) + 1, 4), (3_000_001, 4)])
    func roundTrip(size: Int, elementSize: Int) throws {
        var random = WordStream(state: UInt64(size))
        let bytes = Array(random.weights((size + 3) / 4).prefix(size))
        let digest = try store.put(bytes, elementSize: elementSize)
        #expect(digest == Digest.of(bytes))
        #expect(try store.get(digest) == bytes)
        let info = try #require(try store.info(digest))
        #expect(info.rawBytes == size)
        if size >= 1 << 20 {
            #expect(info.coding == BlobCoding(filter: .bitshuffle, codec: .lz4))
            #expect(Double(info.storedBytes) < 0.9 * Double(size))
        }
    }

    @Test("lz4 -d of a stored blob gives its filtered bytes")
    func lz4() throws {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/lz4") else {
            return print("skipped: there is no /usr/bin/lz4 (apt-get install lz4)")
        }
        var random = WordStream(state: 77)
        let bytes = random.weights(600_000)
        let digest = try store.put(bytes, elementSize: 4)
        #expect(try store.info(digest)?.coding == BlobCoding(filter: .bitshuffle, codec: .lz4))
        let stored = try connection.queryOne(
            Statement(
                name: "Stored",
                sql: "select string_agg(data, '' order by ordinal) as bytes from ofa.blob_chunk")
        ).bytes("bytes")
        let path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
        try Data(stored).write(to: URL(filePath: path))
        defer { unlink(path) }
        let process = Process(), output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/lz4")
        process.arguments = ["-d", "-c", "-q", path]
        process.standardOutput = output
        try process.run()
        let plain = [UInt8](try output.fileHandleForReading.readToEnd() ?? Data())
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        let filtered = stride(from: 0, to: bytes.count, by: BlobCoding.chunkBytes).flatMap {
            BitShuffle.shuffle(Array(bytes[$0...].prefix(BlobCoding.chunkBytes)))
        }
        #expect(plain == filtered)
    }

    @Test("a second put of the same bytes changes nothing")
    func again() throws {
        let bytes = Array(String(repeating: "once for all ", count: 1000).utf8)
        let digest = try store.put(bytes, elementSize: 1)
        let first = try store.info(digest)
        #expect(try store.put(bytes, elementSize: 4) == digest)
        #expect(try store.info(digest) == first)
        #expect(try count("select count(*) from ofa.blob") == 1)
    }

    @Test("a file is stored like its bytes, and a missing one is an error naming it")
    func file() throws {
        var random = WordStream(state: 9)
        let bytes = random.weights(600_000)
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
            .path
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        defer {
            do { try FileManager.default.removeItem(atPath: path) } catch { Issue.record(error) }
        }
        #expect(try store.put(file: path, elementSize: 4) == Digest.of(bytes))
        #expect(try store.get(Digest.of(bytes)) == bytes)
        let error = #expect(throws: ArtifactsError.self) {
            try store.put(file: path + ".not", elementSize: 4)
        }
        #expect(error?.code == .file)
        #expect(error?.message.contains(path + ".not") == true)
    }

    @Test(
        "a flipped bit is an error naming blob and chunk, with compression and without",
        arguments: [true, false])
    func flippedBit(compressible: Bool) throws {
        var random = WordStream(state: 4)
        let bytes = compressible ? random.weights(600_000) : random.bytes(2_400_000)
        let digest = try store.put(bytes, elementSize: compressible ? 4 : 1)
        #expect(try #require(try store.info(digest)).coding.codec == (compressible ? .lz4 : .none))
        try store.verify(digest)
        try connection.execute(
            Statement(
                name: "TestFlip",
                sql:
                    """
                    update ofa.blob_chunk
                    set data = set_bit(data, 98765, 1 - get_bit(data, 98765)) where ordinal = 1
                    """
            ))
        let error = #expect(throws: ArtifactsError.self) { try store.get(digest) }
        #expect(error?.code == .corrupt)
        #expect(error?.message.contains(digest.short) == true)
        #expect(error?.message.contains("chunk 2 of \(compressible ? 4 : 3)") == true)
        #expect(error?.message.contains("backup") == true)
    }

    @Test("a count of bytes that is not that of the chunks is damage", arguments: [0, 5, 1 << 62])
    func wrongCount(stated: Int) throws {
        let digest = try store.put(Array("four".utf8), elementSize: 1)
        try connection.execute(
            Statement(
                name: "TestCount",
                sql: "update ofa.blob set raw_bytes = $1::bigint where digest = $2::bytea"),
            [.int(stated), .bytes(digest.bytes)])
        let error = #expect(throws: ArtifactsError.self) { try store.verify(digest) }
        #expect(error?.code == .corrupt && error?.message.contains("4 bytes") == true)
    }

    @Test(
        "another chunk with a right checksum of its own is found by the digest of the whole"
    )
    func exchanged() throws {
        let one = try store.put(Array("one".utf8), elementSize: 1)
        let two = try store.put(Array("two".utf8), elementSize: 1)
        try connection.execute(
            Statement(
                name: "TestExchange",
                sql: """
                    update ofa.blob_chunk set (data, sha256) =
                      (select data, sha256 from ofa.blob_chunk where digest = $1::bytea)
                    where digest = $2::bytea
                    """), [.bytes(two.bytes), .bytes(one.bytes)])
        let error = #expect(throws: ArtifactsError.self) { try store.get(one) }
        #expect(error?.code == .corrupt)
        #expect(try store.get(two) == Array("two".utf8))
    }

    @Test("a missing chunk is an error naming it, a missing blob another")
    func missing() throws {
        var random = WordStream(state: 5)
        let digest = try store.put(random.weights(600_000), elementSize: 4)
        try connection.execute(
            Statement(name: "TestDelete", sql: "delete from ofa.blob_chunk where ordinal = 2"))
        let damaged = #expect(throws: ArtifactsError.self) { try store.get(digest) }
        #expect(damaged?.message.contains("chunk 3 of 4 is missing") == true)
        let absent = #expect(throws: ArtifactsError.self) { try store.get(Digest.of([1])) }
        #expect(absent?.code == .notFound)
    }

    @Test("a blob is written to a file; a damaged or missing one leaves none, not even a part")
    func toFile() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer {
            do { try FileManager.default.removeItem(at: folder) } catch { Issue.record(error) }
        }
        let path = folder.appendingPathComponent("blob").path
        var random = WordStream(state: 8)
        let bytes = random.weights(400_000)
        let digest = try store.put(bytes, elementSize: 4)
        #expect(try store.get(digest, toFile: path) == bytes.count)
        #expect([UInt8](try #require(FileManager.default.contents(atPath: path))) == bytes)
        try FileManager.default.removeItem(atPath: path)
        try connection.execute(
            Statement(
                name: "TestCut",
                sql: "update ofa.blob_chunk set data = substr(data, 1, 1000) where ordinal = 1"))
        #expect(throws: ArtifactsError.self) { try store.get(digest, toFile: path) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        let error = #expect(throws: ArtifactsError.self) {
            try store.get(digest, toFile: folder.path + "/no/folder")
        }
        #expect(error?.code == .file)
    }

    @Test("a put in a transaction that is rolled back leaves nothing")
    func rolledBack() throws {
        struct Stop: Error {}
        #expect(throws: Stop.self) {
            try connection.transaction { _ in
                try store.put([1, 2, 3], elementSize: 1)
                throw Stop()
            }
        }
        #expect(try count("select count(*) from ofa.blob") == 0)
        #expect(try count("select count(*) from ofa.blob_chunk") == 0)
    }

    @Test(
        "the chunks together are LZ4 frames and a trailer; the server can check them alone"
    )
    func stream() throws {
        let text = Array(String(repeating: "a supernet of many networks, ", count: 90_000).utf8)
        let digest = try store.put(text, elementSize: 1)
        let rows = try connection.query(
            Statement(
                name: "TestChunks",
                sql:
                    """
                    select data, raw_bytes, sha256(data) = sha256 as ok
                    from ofa.blob_chunk order by ordinal
                    """
            ))
        #expect(try rows.allSatisfy { try $0.bool("ok") })
        let decoded = try rows.dropLast().flatMap { row in
            try LZ4Frame.decompress(try row.bytes("data"), count: try row.int("raw_bytes"))
        }
        #expect(decoded == text)
        let last = try #require(rows.last)
        let trailer = try #require(LZ4Frame.skippablePayload(try last.bytes("data")))
        #expect(String(decoding: trailer, as: UTF8.self).contains(digest.hex))
    }

    @Test("four writers of the same bytes at once leave one blob")
    func writersAtOnce() throws {
        var random = WordStream(state: 6)
        let bytes = random.weights(400_000)
        let answers = Mutex<[Digest]>([])
        let errors = Mutex<[String]>([])
        DispatchQueue.concurrentPerform(iterations: 4) { [database] _ in
            do {
                let digest = try BlobStore(database.connect()).put(bytes, elementSize: 4)
                answers.withLock { $0.append(digest) }
            } catch {
                errors.withLock { $0.append("\(error)") }
            }
        }
        #expect(errors.withLock { $0 } == [])
        #expect(Set(answers.withLock { $0 }) == [Digest.of(bytes)])
        #expect(try count("select count(*) from ofa.blob_chunk") == 3)
        #expect(try store.get(Digest.of(bytes)) == bytes)
    }
}
