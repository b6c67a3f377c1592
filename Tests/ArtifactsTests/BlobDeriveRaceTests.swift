// Blobs stored as recipes while another connection collects, moves, reads or replaces them.

import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Artifacts

/// Work on a connection of its own, beside the test's.
private final class Beside: Sendable {
    private let problem = Mutex<String?>(nil)
    private let hasEnded = Atomic(false)
    private let end = DispatchSemaphore(value: 0)

    init(_ database: TemporaryDatabase, _ body: @escaping @Sendable (Connection) throws -> Void) {
        let thread = Thread { [self] in
            do { try body(try database.connect()) } catch {
                problem.withLock { $0 = "\(error)" }
            }
            hasEnded.store(true, ordering: .releasing)
            end.signal()
        }
        thread.start()
    }

    /// Waits until the work waits for a lock that the test holds. `control` must have no open transaction.
    func untilLocked(_ control: Connection) throws {
        let waiting = Statement(
            name: "Waiting",
            sql: """
                select pid from pg_stat_activity where datname = current_database()
                  and wait_event_type = 'Lock' and pid <> pg_backend_pid()
                """)
        while try control.query(waiting).isEmpty {
            let isOver = hasEnded.load(ordering: .acquiring)
            try #require(!isOver, "it ended before it was held")
            Thread.sleep(forTimeInterval: 0.005)
        }
    }

    /// Waits for the end of the work.
    func finish() {
        end.wait()
        let failure = problem.withLock { $0 }
        #expect(failure == nil)
    }
}

@Suite struct BlobDeriveRaceTests {
    private let database: TemporaryDatabase
    private let connection, control: Connection
    private let store: BlobStore

    /// A recipe is one byte, which is added to every byte of the parent.
    private static let maker: BlobRecipe.Maker = { recipe, parent in
        guard let step = recipe.first, recipe.count == 1 else {
            throw ArtifactsError(.codec, "a recipe of \(recipe.count) bytes")
        }
        return parent.map { $0 &+ step }
    }

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
        control = try database.connect()
        store = BlobStore(connection, maker: Self.maker)
    }

    private static let base = { () -> [UInt8] in
        var random = WordStream(state: 1)
        return random.bytes(2_500_000)
    }()
    private static let bytes = Self.base.map { $0 &+ 3 }
    private let digest = Digest.of(Self.bytes)

    private static func storeRecipe(in store: BlobStore) throws {
        try store.put(
            bytes, elementSize: 4, kind: "subnet",
            recipe: BlobRecipe([3], parent: Digest.of(base)))
    }

    /// Damages the first chunk, and replaces the damaged recipe with the whole bytes.
    private func replace() throws {
        try connection.execute(
            Statement(
                name: "Damage",
                sql: """
                    update ofa.blob_chunk set sha256 = sha256('') where ordinal = 0
                      and digest = decode('\(digest.hex)', 'hex')
                    """))
        #expect(try store.put(Self.bytes, elementSize: 4) == digest)
        #expect(try store.info(digest)?.parent == nil)
    }

    @Test("a collection beside the storing of a recipe keeps the parent")
    func storing() throws {
        let parent = try store.put(Self.base, elementSize: 4)
        try connection.transaction { _ in
            try Self.storeRecipe(in: store)
            #expect(
                try BlobCollection(control, graceSeconds: 0).collect(limit: 100).blobs == 0)
        }
        #expect(try store.info(digest)?.parent == parent && store.get(digest) == Self.bytes)
    }

    @Test("a recipe whose parent is just being collected is stored whole")
    func collecting() throws {
        let parent = try store.put(Self.base, elementSize: 4)
        let beside = try connection.transaction { connection in
            #expect(try connection.query(.blobLockFree(digests: [parent.hex])).count == 1)
            let removed = try connection.query(
                .blobOrphansRemove(digests: [parent.hex], graceSeconds: 0))
            #expect(removed.count == 1)
            let beside = Beside(database) {
                try Self.storeRecipe(in: BlobStore($0, maker: Self.maker))
            }
            try beside.untilLocked(control)
            return beside
        }
        beside.finish()
        #expect(try store.info(parent) == nil)
        #expect(try store.info(digest)?.parent == nil && store.get(digest) == Self.bytes)
    }

    @Test("a move keeps bytes that are stored anew meanwhile", arguments: BlobPlace.allCases)
    func moving(to place: BlobPlace) throws {
        let path = try TemporaryFolder.make(prefix: "ofa-store")
        defer {
            do { try FileManager.default.removeItem(atPath: path) } catch { Issue.record(error) }
        }
        try StoreRule.set(
            path: path, fromBytes: place == .folder ? 1 << 40 : 0, kinds: [], connection)
        try store.put(Self.base, elementSize: 4)
        try Self.storeRecipe(in: store)
        let digest = digest
        #expect(try store.info(digest)?.parent != nil)
        #expect(try store.info(digest)?.place != place)
        let beside = try connection.transaction { connection in
            try connection.execute(.fileLock(key: digest.lockKey))
            let beside = Beside(database) {
                _ = try BlobStore($0, maker: Self.maker).move(digest, to: place)
            }
            try beside.untilLocked(control)
            try replace()
            return beside
        }
        beside.finish()
        #expect(try store.get(digest) == Self.bytes)
    }

    @Test("a reader of a recipe that is replaced or collected meanwhile reports no damage")
    func reading() throws {
        let parent = try store.put(Self.base, elementSize: 4)
        try Self.storeRecipe(in: store)
        let replaced = try BlobReader(digest, store)
        try replace()
        var read = [UInt8]()
        while let piece = try replaced.next() { read += piece }
        #expect(read == Self.bytes)

        let other = Self.base.map { $0 &+ 4 }
        let second = try store.put(
            other, elementSize: 4, kind: "subnet", recipe: BlobRecipe([4], parent: parent))
        let collected = try BlobReader(second, store)
        try connection.script(
            """
            update ofa.blob set collected_at = now(), stored_bytes = 0, parent = null
            where digest = decode('\(second.hex)', 'hex');
            delete from ofa.blob_chunk where digest = decode('\(parent.hex)', 'hex')
            """)
        let error = #expect(throws: ArtifactsError.self) { try collected.next() }
        #expect(error?.code == .collected)
    }
}
