// Pictures train to the same bits from the database, from the folder store, and from files as they
// were written.
import Artifacts
import Datasets
import Foundation
import Networks
import Postgres
import Tensors
import TestSupport
import Testing
import Training

@testable import Pipelines

@Suite struct PictureStoresTests {
    private let folder: String
    private let databases: [TemporaryDatabase]
    /// The bytes of shards of squares of 16 pixels, and the record of their set.
    private let shards: [[UInt8]]
    private let manifest: PictureSetManifest

    init() throws {
        folder = try TemporaryFolder.make(prefix: "ofa-pictures")
        databases = [try TemporaryDatabase(), try TemporaryDatabase()]
        let made = TinyImages(count: 48, size: 16, classes: 5, seed: 6)
        var writer = PictureShardWriter(store: .pixels, channels: 1, mostBytes: 5_000)
        var sums = PixelSums(channels: 1), shards: [[UInt8]] = []
        var entries: [PictureSetManifest.Shard] = []
        func finish() {
            let count = writer.count, bytes = writer.finish()
            entries.append(
                .init(digest: Digest.of(bytes).hex, count: count, byteCount: bytes.count))
            shards.append(bytes)
        }
        for (number, label) in made.labels.enumerated() {
            let pixels = Array(made.images[number * 256..<(number + 1) * 256])
            sums.add(pixels)
            func add() throws -> Bool {
                try writer.add(pixels, height: 16, width: 16, label: Int(label))
            }
            if try !add() {
                finish()
                _ = try add()
            }
        }
        finish()
        self.shards = shards
        manifest = PictureSetManifest(
            dataset: "tiny", form: .imageFolder, store: .pixels, size: 16, channels: 1,
            resize: .published, classes: (0..<5).map { ByteName("\($0)") }, shards: entries,
            classCounts: [10, 10, 10, 9, 9], heights: 16...16, widths: 16...16, sums: sums)
    }

    /// The weights after a few steps on the shards that `open` finds.
    private func weights(_ open: (Digest) throws -> PictureShard) throws -> [Float] {
        let set = try PictureSet(
            manifest, shards: try manifest.shards.map { try open(Digest(hex: $0.digest)) })
        let space = SearchSpace.tiny()
        let trainer = try Trainer(
            try Network(
                supernet: try Weights(supernetOf: space, seed: 1), of: space,
                engine: try CPUEngine(threads: 2)),
            of: space,
            phase: TrainingPhase(
                name: "full", kernelSizes: [7], expandRatios: [4], depths: [2],
                resolutions: [8, 10], epochs: 2, batch: 8, learningRate: 0.05,
                augmentation: .imageNet),
            teacher: nil,
            data: TrainingData(
                BatchLoader(set, normalization: manifest.normalization), images: Array(0..<40)),
            seed: 3)
        while !trainer.isFinished { _ = try trainer.trainStep() }
        return trainer.network.weights.parameters.all.values
    }

    @Test("shards in the database, in the folder store and in plain files train the same weights")
    func stores() throws {
        defer {
            do { try FileManager.default.removeItem(atPath: folder) } catch {
                print("\(folder) stays: \(error)")
            }
        }
        #expect(shards.count > 2)
        let expected = try weights { digest in
            let bytes = try #require(shards.first { Digest.of($0) == digest })
            let path = "\(folder)/\(digest.hex).shard"
            try Data(bytes).write(to: URL(filePath: path))
            return try PictureShard(path)
        }
        for (number, place) in [BlobPlace.database, .folder].enumerated() {
            let connection = try databases[number].connect()
            if place == .folder {
                let store = "\(folder)/store"
                try FileManager.default.createDirectory(
                    atPath: store, withIntermediateDirectories: true)
                try StoreRule.set(path: store, fromBytes: 0, kinds: [], connection)
            }
            let store = BlobStore(connection)
            for bytes in shards {
                let digest = try store.put(bytes, elementSize: 1)
                #expect(try store.info(digest)?.place == place)
            }
            let cache = BlobCache(folder: "\(folder)/cache-\(number)")
            let found = try weights { digest in
                try cache.opened(digest, from: store) { try PictureShard($0) }
            }
            #expect(found == expected, "\(place)")
            try damaged(cache, store)
        }
    }

    /// A cached file whose pictures were damaged opens, its first read names the picture, and it is
    /// removed, so that the next opening fetches it again.
    private func damaged(_ cache: BlobCache, _ store: BlobStore) throws {
        let digests = try manifest.shards.map { try Digest(hex: $0.digest) }
        func open() throws -> PictureShard {
            try cache.opened(digests[1], from: store) { try PictureShard($0) }
        }
        let path = try cache.path(of: digests[1], from: store)
        var bytes = shards[1]
        bytes[64 + 256 + 9] ^= 4
        unlink(path)
        try Data(bytes).write(to: URL(filePath: path))
        let shard = try open()
        #expect(try shard.bytes(0).count == 256)
        let error = #expect(throws: DatasetError.self) { try shard.bytes(1) }
        #expect(error?.code == .corrupt)
        #expect(try cache.removeDamaged(digests) == 1)
        #expect(try open().bytes(1).count == 256)
        #expect(try cache.removeDamaged(digests) == 0)
    }
}
