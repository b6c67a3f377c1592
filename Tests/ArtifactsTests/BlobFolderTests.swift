// Bytes in the folder beside the database: what goes there, that damage is told with the path, and moving there and back.

import Foundation
import Postgres
import TestSupport
import Testing

@testable import Artifacts

@Suite final class BlobFolderTests {
    private let database: TemporaryDatabase
    private let connection: Connection
    private let store: BlobStore
    private let path: String

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
        store = BlobStore(connection)
        path = try TemporaryFolder.make(prefix: "ofa-store")
    }

    deinit {
        do { try FileManager.default.removeItem(atPath: path) } catch { Issue.record(error) }
    }

    private func set(fromBytes: Int = 0, kinds: [String] = []) throws {
        try StoreRule.set(path: path, fromBytes: fromBytes, kinds: kinds, connection)
    }

    private func file(_ digest: Digest) throws -> String {
        try #require(try store.folder()).files.file(of: digest)
    }

    private func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = WordStream(state: seed)
        return random.weights(count / 4)
    }

    private func strays() throws -> Int {
        try BlobCollection(connection, graceSeconds: 0).collectFiles(isDryRun: true)
    }

    @Test("kind and size decide where bytes go, and they come back the same from both places")
    func places() throws {
        try set(fromBytes: 1000, kinds: ["dataset"])
        let large = bytes(3_000_000, seed: 1), small = bytes(400, seed: 2)
        for (data, kind, place) in [
            (large, "dataset", BlobPlace.folder), (small, "dataset", .database),
            (bytes(2_000_000, seed: 3), "supernet", .database),
        ] {
            let digest = try store.put(data, elementSize: 4, kind: kind)
            let info = try #require(try store.info(digest))
            #expect(info.place == place)
            #expect(FileManager.default.fileExists(atPath: try file(digest)) == (place == .folder))
            #expect(try store.get(digest) == data)
            #expect(try store.put(data, elementSize: 4, kind: kind) == digest)
        }
        // The file is the frames and the trailer, as in the database.
        let digest = Digest.of(large)
        let stored = [UInt8](
            try #require(FileManager.default.contents(atPath: try file(digest))))
        let info = try #require(try store.info(digest))
        #expect(stored.count == info.storedBytes && stored.count < large.count)
        #expect(info.coding.codec == .lz4 && Array(stored[0..<4]) == [0x04, 0x22, 0x4D, 0x18])
        #expect(try strays() == 0)
    }

    @Test("a damaged or missing file is told with its path, and made whole by a put")
    func damage() throws {
        try set()
        let data = bytes(2_500_000, seed: 4)
        let digest = try store.put(data, elementSize: 4)
        let file = try file(digest)
        var stored = try Data(contentsOf: URL(filePath: file))
        stored[stored.count / 2] ^= 1
        try stored.write(to: URL(filePath: file))
        guard case .damaged(let problem) = try store.state(of: digest) else {
            Issue.record("not damaged")
            return
        }
        #expect(problem.contains(file) && problem.contains("chunk 2 of 4"), "\(problem)")
        #expect(try store.put(data, elementSize: 4) == digest)
        #expect(try store.get(digest) == data)
        try FileManager.default.removeItem(atPath: file)
        guard case .damaged(let missing) = try store.state(of: digest) else {
            Issue.record("not missing")
            return
        }
        #expect(missing.contains(file) && missing.contains("is missing"), "\(missing)")
        #expect(try store.put(data, elementSize: 4) == digest)
        #expect(try store.state(of: digest) == .whole)
    }

    @Test("a folder that is not mounted here is no loss, and another database's is refused")
    func mark() throws {
        try set()
        let digest = try store.put(bytes(5000, seed: 5), elementSize: 4)
        try FileManager.default.moveItem(
            atPath: path + "/ofa-store.json", toPath: path + "/aside.json")
        let error = #expect(throws: ArtifactsError.self) { try store.state(of: digest) }
        #expect(error?.code == .file && error?.remedy?.contains("OFA_STORE") == true)
        // Nor does the empty folder become the store by being set again.
        let empty = #expect(throws: ArtifactsError.self) { try set() }
        #expect(empty?.code == .conflict && empty?.remedy?.contains("mount it") == true)
        #expect(!FileManager.default.fileExists(atPath: path + "/ofa-store.json"))
        try FileManager.default.moveItem(
            atPath: path + "/aside.json", toPath: path + "/ofa-store.json")
        #expect(try store.state(of: digest) == .whole)
        let other = try TemporaryDatabase()
        let refused = #expect(throws: ArtifactsError.self) {
            try StoreRule.set(path: path, fromBytes: 0, kinds: [], try other.connect())
        }
        #expect(refused?.code == .conflict)
        #expect(try !StoreRule.remove(connection))
    }

    @Test("bytes move into the folder and back; a file that a row does not name is found")
    func moved() throws {
        let data = bytes(2_500_000, seed: 6)
        let digest = try store.put(data, elementSize: 4)
        #expect(throws: ArtifactsError.self) { try store.move(digest, to: .folder) }
        try set()
        #expect(try store.move(digest, to: .folder))
        #expect(try !store.move(digest, to: .folder))
        let count = Statement(
            name: "Data", sql: "select count(*) as n from ofa.blob_chunk where data is not null")
        #expect(try connection.queryOne(count).int("n") == 0)
        #expect(try store.get(digest) == data)
        #expect(try store.move(digest, to: .database))
        #expect(!FileManager.default.fileExists(atPath: try file(digest)))
        #expect(try connection.queryOne(count).int("n") == 4)
        #expect(try store.get(digest) == data)
        #expect(try strays() == 0)

        // As after a kill between the new name of a file and the commit.
        let stray = try file(Digest.of([7]))
        try FileManager.default.createDirectory(
            atPath: (stray as NSString).deletingLastPathComponent, withIntermediateDirectories: true
        )
        try Data([7]).write(to: URL(filePath: stray))
        try Data([7]).write(to: URL(filePath: path + "/incoming/half"))
        #expect(try strays() == 2)
        #expect(try BlobCollection(connection, graceSeconds: 0).collectFiles() == 2)
        #expect(try strays() == 0)
        #expect(try store.get(digest) == data)
    }

    @Test("a damaged blob is not moved, and stays where it is")
    func damagedStays() throws {
        try set(fromBytes: 1 << 40)
        let digest = try store.put(bytes(2_000_000, seed: 7), elementSize: 4)
        try connection.script(
            "update ofa.blob_chunk set data = set_byte(data, 9, get_byte(data, 9) # 1)")
        let error = #expect(throws: ArtifactsError.self) { try store.move(digest, to: .folder) }
        #expect(error?.code == .corrupt)
        #expect(try store.info(digest)?.place == .database && strays() == 0)
    }

    @Test("bytes in the folder are collected with their file")
    func collected() throws {
        try set()
        let digest = try store.put(bytes(5000, seed: 8), elementSize: 4)
        let file = try file(digest)
        let found = try BlobCollection(connection, graceSeconds: 0).collect(limit: 10)
        #expect(found.blobs == 1 && !FileManager.default.fileExists(atPath: file))
        #expect(try store.info(digest) == nil && StoreRule.remove(connection))
    }
}
