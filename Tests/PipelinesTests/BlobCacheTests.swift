// Files with the bytes of blobs: made once, made again when gone, never half there.
import Artifacts
import Datasets
import Foundation
import Postgres
import TestSupport
import Testing

@testable import Pipelines

@Suite struct BlobCacheTests {
    private let database: TemporaryDatabase
    private let store: BlobStore
    private let folder: String
    private let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 9) }

    init() throws {
        database = try TemporaryDatabase()
        store = BlobStore(try database.connect())
        folder = try TemporaryFolder.make(prefix: "ofa-cache")
    }

    private func content(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(filePath: path)))
    }

    @Test("the file holds the bytes and is found again, and made again when it was deleted")
    func path() throws {
        defer { unlinkFolder() }
        let digest = try store.put(bytes, elementSize: 4),
            cache = BlobCache(folder: folder + "/below/that")
        let path = try cache.path(of: digest, from: store)
        #expect(try content(path) == bytes)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder + "/below/that").count == 1)
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSince1970: 5)], ofItemAtPath: path)
        #expect(try cache.path(of: digest, from: store) == path)
        let date =
            try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
        #expect(date == Date(timeIntervalSince1970: 5))
        try FileManager.default.removeItem(atPath: path)
        #expect(try content(cache.path(of: digest, from: store)) == bytes)
    }

    @Test("a full disk is told apart from other errors, and with room again the file is made")
    func full() throws {
        defer { unlinkFolder() }
        let mounting = try ChildProcess().run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder])
        guard mounting.exitCode == 0 else {
            return print("skipped: a small disk cannot be mounted here: \(mounting.output)")
        }
        defer {
            do { #expect(try ChildProcess().run(["umount", folder]).exitCode == 0) } catch {
                Issue.record(error)
            }
        }
        let digest = try store.put(bytes, elementSize: 4), cache = BlobCache(folder: folder)
        let error = #expect(throws: PipelineError.self) {
            try cache.path(of: digest, from: store)
        }
        #expect(error?.code == .noRoom)
        #expect(error?.message.contains("OFA_HOME") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        #expect(try ChildProcess().run(["mount", "-o", "remount,size=9m", folder]).exitCode == 0)
        #expect(try content(cache.path(of: digest, from: store)) == bytes)
    }

    @Test("a shard's file that was damaged or cut is noticed and made again")
    func damaged() throws {
        defer { unlinkFolder() }
        let images = TinyImages(count: 30, size: 12, classes: 5, seed: 1)
        let shard = try ImageShard.encode(
            images: images.images, labels: images.labels,
            layout: .init(count: 30, height: 12, width: 12, channels: 1, classes: 5))
        let digest = try store.put(shard, elementSize: 1), cache = BlobCache(folder: folder)
        let whole = try cache.shard(of: digest, from: store).fingerprint
        let path = try cache.path(of: digest, from: store)
        var flipped = shard
        flipped[1000] ^= 4
        for damage in [Array(shard.prefix(1000)), flipped, []] {
            try Data(damage).write(to: URL(filePath: path))
            #expect(try cache.shard(of: digest, from: store).fingerprint == whole)
            #expect(try content(path) == shard)
        }
    }

    @Test("a blob that is no shard is an error, however often it is read")
    func noShard() throws {
        defer { unlinkFolder() }
        let digest = try store.put(bytes, elementSize: 4)
        let error = #expect(throws: DatasetError.self) {
            try BlobCache(folder: folder).shard(of: digest, from: store)
        }
        #expect(error?.code == .wrongFormat)
    }

    @Test("an unknown blob is an error and leaves no file behind")
    func unknown() throws {
        defer { unlinkFolder() }
        let digest = Digest.of([1, 2, 3])
        #expect(throws: (any Error).self) {
            try BlobCache(folder: folder).path(of: digest, from: store)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }

    @Test("a folder that cannot be made is an error that names it")
    func unwritable() throws {
        defer { unlinkFolder() }
        let digest = try store.put([1, 2, 3], elementSize: 1)
        try Data().write(to: URL(filePath: folder + "/file"))
        let error = #expect(throws: (any Error).self) {
            try BlobCache(folder: folder + "/file/below").path(of: digest, from: store)
        }
        #expect(error.map { "\($0)" }?.isEmpty == false)
    }

    private func unlinkFolder() {
        do { try FileManager.default.removeItem(atPath: folder) } catch {
            print("\(folder) stays: \(error)")
        }
    }
}
