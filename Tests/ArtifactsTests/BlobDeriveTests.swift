// Blobs stored as recipes and as deltas: bytes come back, parents are kept, and what saves too little is stored whole.

import Foundation
import Postgres
import TestSupport
import Testing

@testable import Artifacts

@Suite struct BlobDeriveTests {
    private let database: TemporaryDatabase
    private let connection: Connection
    private let store: BlobStore

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
        // A recipe is one byte, which is added to every byte of the parent.
        store = BlobStore(connection) { recipe, parent in
            guard let step = recipe.first, recipe.count == 1 else {
                throw ArtifactsError(.codec, "a recipe of \(recipe.count) bytes")
            }
            return parent.map { $0 &+ step }
        }
    }

    private func count(_ sql: String) throws -> Int {
        try connection.queryOne(Statement(name: "Test\(sql.hashValue)", sql: sql)).int("count")
    }

    private func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = WordStream(state: seed)
        return random.bytes(count)
    }

    /// Returns bytes like `bytes`, of which the low bits of every twentieth float differ.
    private func near(_ bytes: [UInt8], seed: UInt64) -> [UInt8] {
        var random = WordStream(state: seed), near = bytes
        for place in stride(from: 0, to: bytes.count, by: 80) { near[place] ^= random.bytes(1)[0] }
        return near
    }

    /// Stores a parent of 2.5 MB and a recipe of it; returns the digests and the bytes that the recipe makes.
    private func made(_ step: UInt8 = 3) throws -> (parent: Digest, digest: Digest, bytes: [UInt8])
    {
        let base = bytes(2_500_000, seed: 1)
        let parent = try store.put(base, elementSize: 4), made = base.map { $0 &+ step }
        let digest = try store.put(
            made, elementSize: 4, kind: "subnet", recipe: BlobRecipe([step], parent: parent))
        return (parent, digest, made)
    }

    private func collect() throws -> BlobCollection.Collected {
        try BlobCollection(connection, graceSeconds: 0).collect(limit: 100)
    }

    private func damage(_ digest: Digest) throws {
        try connection.script(
            """
            update ofa.blob_chunk set data = set_byte(data, 20, get_byte(data, 20) # 4)
            where ordinal = 0 and digest = decode('\(digest.hex)', 'hex')
            """)
    }

    // MARK: Recipes

    @Test("a recipe is stored for its bytes, which come back under their own digest")
    func recipe() throws {
        let (parent, digest, bytes) = try made()
        #expect(digest == Digest.of(bytes))
        #expect(try store.get(digest) == bytes)
        #expect(try store.state(of: digest) == .whole)
        let info = try #require(try store.info(digest))
        #expect(info.parent == parent && info.coding == BlobCoding(filter: .recipe, codec: .lz4))
        #expect(info.rawBytes == bytes.count && info.storedBytes < 400)
        let path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
        #expect(try store.get(digest, toFile: path) == bytes.count)
        #expect(FileManager.default.contents(atPath: path).map { [UInt8]($0) } == bytes)
        unlink(path)
        // A second put, of the bytes or of a recipe, changes nothing.
        #expect(try store.put(bytes, elementSize: 4) == digest)
        let again = BlobRecipe([3], parent: parent)
        #expect(try store.put(bytes, elementSize: 4, kind: "subnet", recipe: again) == digest)
        #expect(try store.info(digest)?.parent == parent)
    }

    @Test(
        "a recipe of more than a twentieth of the bytes, or of a parent that is gone, is not stored"
    )
    func whole() throws {
        let parent = try store.put(bytes(4000, seed: 1), elementSize: 4)
        let small = bytes(4000, seed: 1).map { $0 &+ 1 }
        let digest = try store.put(
            small, elementSize: 4, kind: "subnet", recipe: BlobRecipe([1], parent: parent))
        #expect(try store.info(digest)?.parent == nil)
        #expect(try store.get(digest) == small)
        let large = bytes(100_000, seed: 2)
        let other = try store.put(
            large, elementSize: 4, kind: "subnet",
            recipe: BlobRecipe([1], parent: Digest.of([9])))
        #expect(try store.info(other)?.parent == nil)
        #expect(try store.get(other) == large)
    }

    @Test(
        "collection of everything else keeps the parent of a recipe, and takes it after the recipe")
    func kept() throws {
        let (parent, digest, bytes) = try made()
        let artifacts = ArtifactStore(connection)
        let supernet = try artifacts.insert(
            Artifact.New(
                kind: "supernet", name: "s", digest: parent, run: 1, job: 1, token: 1, stage: "t"))
        let subnet = try artifacts.insert(
            Artifact.New(
                kind: "subnet", name: "n", digest: digest, run: 1, job: 2, token: 2, stage: "m"))
        let collection = BlobCollection(connection, graceSeconds: 0)
        func collectable(_ kind: String) throws -> (named: [BlobCollection.Named], gone: Int) {
            let selection = BlobCollection.Selection(run: 1, kind: kind)
            let named = try collection.named(selection, needed: [])
            return (named, try collection.collect(named, of: selection, needed: { [] }).count)
        }
        let first = try collectable("supernet")
        #expect(first.named.map(\.kept) == ["a recipe needs it"] && first.gone == 0)
        // An older program, which does not ask, is refused and leaves everything as it was.
        let refused = #expect(throws: PostgresError.self) {
            try connection.transaction {
                _ = try $0.query(.blobCollect(digests: [parent.hex]))
                try $0.execute(.blobsChunksDelete(digests: [parent.hex]))
            }
        }
        #expect(refused?.sqlState == "23503")
        #expect(try store.get(digest) == bytes)
        #expect(try collect().blobs == 0)
        #expect(try collectable("subnet").gone == 1)
        #expect(try store.info(digest)?.parent == nil)
        #expect(try collectable("supernet").gone == 1)
        #expect(try [supernet, subnet].map { try artifacts.get($0).name } == ["s", "n"])
        // A recipe of collected bytes makes them anew, if its parent is there again.
        _ = try made()
        #expect(try store.get(digest) == bytes && store.info(digest)?.parent == parent)
    }

    @Test("an unreferenced recipe is garbage, and then its parent is")
    func orphans() throws {
        // Whichever of the two digests is greater.
        for step in UInt8(1)...6 {
            let (parent, digest, _) = try made(step)
            let collection = BlobCollection(connection, graceSeconds: 0)
            let size = try [parent, digest].reduce(0) {
                try $0 + (store.info($1)?.storedBytes ?? 0)
            }
            let before = try collection.collectable()
            #expect(before.blobs == 2 && before.bytes == size)
            #expect(try collect() == before)
            #expect(try store.info(digest) == nil && store.info(parent) == nil)
        }
        let (parent, digest, _) = try made()
        #expect(try store.pin(digest, reason: "kept"))
        let collection = BlobCollection(connection, graceSeconds: 0)
        #expect(try collection.collectable().blobs == 0 && collect().blobs == 0)
        #expect(try store.info(parent) != nil)
    }

    @Test("damage of the parent is damage of the recipe, and healing the parent heals both")
    func damagedParent() throws {
        let (parent, digest, bytes) = try made()
        try damage(parent)
        guard case .damaged(let problem) = try store.state(of: digest) else {
            Issue.record("not damaged")
            return
        }
        #expect(problem.contains("it is made from blob \(parent.short)"))
        try store.put(self.bytes(2_500_000, seed: 1), elementSize: 4)
        #expect(try store.get(digest) == bytes)
        #expect(try store.info(digest)?.parent == parent)
    }

    @Test("a damaged recipe is replaced by the whole bytes; one that makes other bytes is damage")
    func damagedRecipe() throws {
        let (parent, digest, bytes) = try made()
        try damage(digest)
        guard case .damaged = try store.state(of: digest) else {
            Issue.record("not damaged")
            return
        }
        let again = BlobRecipe([3], parent: parent)
        #expect(try store.put(bytes, elementSize: 4, kind: "subnet", recipe: again) == digest)
        #expect(try store.get(digest) == bytes && store.info(digest)?.parent == nil)
        let other = bytes.map { $0 &+ 7 }
        let wrong = try BlobStore(connection) { _, _ in other }.put(
            other, elementSize: 4, kind: "subnet", recipe: BlobRecipe([9], parent: parent))
        let error = #expect(throws: ArtifactsError.self) { try store.get(wrong) }
        #expect(error?.code == .corrupt && error?.reason.contains("another digest") == true)
    }

    @Test("a recipe that does not make the bytes is not stored; a damaged parent is named")
    func tried() throws {
        let parent = try made().parent, base = bytes(2_500_000, seed: 1)
        for recipe: [UInt8] in [[9], [7, 7]] {
            let other = base.map { $0 &+ 7 &+ UInt8(recipe.count) }
            let digest = try store.put(
                other, elementSize: 4, kind: "subnet", recipe: BlobRecipe(recipe, parent: parent))
            #expect(try store.info(digest)?.parent == nil && store.get(digest) == other)
        }
        let supernet = try ArtifactStore(connection).insert(
            Artifact.New(broughtAs: "supernet", name: "s", digest: parent))
        try damage(parent)
        let error = #expect(throws: ArtifactsError.self) {
            try store.put(
                base.map { $0 &+ 1 }, elementSize: 4, kind: "subnet",
                recipe: BlobRecipe([1], parent: parent))
        }
        #expect(error?.code == .corrupt)
        #expect(
            error?.reason.contains("artifact \(supernet) (supernet s)") == true, "\(error as Any)")
    }

    @Test("a form that this program cannot read is no damage, and a put replaces it")
    func unreadable() throws {
        let base = bytes(2_500_000, seed: 1), other = base.map { $0 &+ 4 }
        let parent = try store.put(base, elementSize: 4)
        let newer = BlobStore(connection) { recipe, parent in parent.map { $0 &+ recipe[1] } }
        let digest = try newer.put(
            other, elementSize: 4, kind: "subnet", recipe: BlobRecipe([2, 4], parent: parent))
        #expect(try newer.info(digest)?.parent == parent && newer.get(digest) == other)
        #expect(try store.state(of: digest) == .unreadable("a recipe of 2 bytes"))
        #expect(try store.put(other, elementSize: 4, kind: "subnet") == digest)
        #expect(try store.info(digest)?.parent == nil && store.get(digest) == other)
    }

    @Test("a reader that cannot follow recipes says so")
    func noMaker() throws {
        let (_, digest, _) = try made()
        let error = #expect(throws: ArtifactsError.self) { try BlobStore(connection).get(digest) }
        #expect(error?.code == .codec)
    }

    // MARK: Deltas

    @Test("a delta is stored if it saves a tenth, and the bytes come back")
    func delta() throws {
        let base = bytes(2_500_002, seed: 5), other = near(base, seed: 6)
        let parent = try store.put(base, elementSize: 4, kind: "checkpoint")
        let digest = try store.put(other, kind: "checkpoint", base: DeltaBase(parent, base))
        let info = try #require(try store.info(digest))
        #expect(info.coding == BlobCoding(filter: .xor, codec: .lz4) && info.parent == parent)
        #expect(info.blobClass == .checkpoint && info.storedBytes * 5 < other.count)
        #expect(try store.get(digest) == other && Digest.of(other) == digest)
        for unlike in [bytes(2_500_002, seed: 7), Array(other.dropLast(4))] {
            let digest = try store.put(
                unlike, kind: "checkpoint", base: DeltaBase(parent, base))
            #expect(try store.info(digest)?.parent == nil)
            #expect(try store.get(digest) == unlike)
        }
    }

    @Test("the base of a delta is stored whole")
    func depth() throws {
        let first = bytes(200_000, seed: 8), second = near(first, seed: 101)
        let third = near(second, seed: 102)
        let base = DeltaBase(try store.put(first, elementSize: 4, kind: "checkpoint"), first)
        let delta = try store.put(second, kind: "checkpoint", base: base)
        #expect(try store.info(delta)?.parent == base.digest)
        let whole = try store.put(third, kind: "checkpoint", base: DeltaBase(delta, second))
        #expect(try store.info(whole)?.parent == nil && store.get(whole) == third)
    }

    @Test("a checkpoint's base stays while a delta needs it, and goes with the last")
    func removal() throws {
        let base = bytes(200_000, seed: 9)
        let parent = try store.put(base, elementSize: 4, kind: "checkpoint")
        let deltas = try (1...2).map {
            try store.put(
                near(base, seed: UInt64(200 + $0)), kind: "checkpoint",
                base: DeltaBase(parent, base))
        }
        func remove(_ digests: Digest...) throws -> Int {
            let removed = try connection.transaction { _ in
                try store.removeCheckpointBlobs(digests.map(\.bytes))
            }
            try store.afterRemoving(removed)
            return removed.count
        }
        #expect(try remove(parent) == 0)
        #expect(try remove(deltas[0]) == 1)
        #expect(try store.state(of: deltas[1]) == .whole)
        #expect(try remove(deltas[1]) == 2)
        #expect(try count("select count(*) from ofa.blob") == 0)
        #expect(try count("select count(*) from ofa.blob_chunk") == 0)
    }

    @Test("a damaged base that is put again as a delta of its own delta is stored whole")
    func noCycle() throws {
        let base = bytes(200_000, seed: 10), other = near(base, seed: 11)
        let parent = try store.put(base, elementSize: 4, kind: "checkpoint")
        let digest = try store.put(other, kind: "checkpoint", base: DeltaBase(parent, base))
        try damage(parent)
        let back = DeltaBase(digest, other)
        #expect(try store.put(base, kind: "checkpoint", base: back) == parent)
        #expect(try store.info(parent)?.parent == nil)
        #expect(try store.get(digest) == other && store.get(parent) == base)
    }

    @Test("recipes and deltas move to the folder and back, and are stored there by the rule")
    func folder() throws {
        let path = try TemporaryFolder.make(prefix: "ofa-store")
        defer {
            do { try FileManager.default.removeItem(atPath: path) } catch { Issue.record(error) }
        }
        let (parent, digest, bytes) = try made()
        let other = near(bytes, seed: 12)
        let delta = try store.put(
            other, kind: "checkpoint", base: DeltaBase(parent, self.bytes(2_500_000, seed: 1)))
        try StoreRule.set(path: path, fromBytes: 0, kinds: [], connection)
        for place in [BlobPlace.folder, .database, .folder] {
            for one in [digest, parent, delta] { #expect(try store.move(one, to: place)) }
            #expect(try store.info(digest)?.place == place && store.get(digest) == bytes)
            #expect(try store.info(delta)?.place == place && store.get(delta) == other)
        }
        let third = bytes.map { $0 &+ 1 }
        let placed = try store.put(
            third, elementSize: 4, kind: "subnet", recipe: BlobRecipe([4], parent: parent))
        #expect(try store.info(placed)?.place == .folder && store.info(placed)?.parent == parent)
        #expect(try store.get(placed) == third)
    }
}
