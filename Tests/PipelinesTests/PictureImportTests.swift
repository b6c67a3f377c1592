// import-dataset through a real queue: four forms, refusals, parts, stores, and what later stages read.
import Artifacts
import Datasets
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

@testable import Pipelines

/// A database, a folder, and a worker for import stages.
private final class ImportPlace {
    let database: TemporaryDatabase
    let connection: Connection
    let folder: String

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
        folder = try TemporaryFolder.make(prefix: "ofa-import")
    }

    deinit {
        do { try FileManager.default.removeItem(atPath: folder) } catch {
            print("\(folder) stays: \(error)")
        }
    }

    /// A colour picture whose bytes depend on `seed`, as a PNG.
    static func png(_ width: Int, _ height: Int, _ seed: Int) throws -> [UInt8] {
        let pixels = (0..<width * height * 3).map {
            UInt8(truncatingIfNeeded: ($0 &* 5 &+ seed &* 37) >> 2)
        }
        return try PictureEncoder.png(pixels, width: width, height: height)
    }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        let file = URL(filePath: folder).appending(path: name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
    }

    /// Pictures of three classes: 12 a class in train, 4 in test.
    func writeClasses(parts: [String: Int] = ["train": 12, "test": 4]) throws {
        var seed = 0
        for (part, count) in parts.sorted(by: { $0.key < $1.key }) {
            for name in ["heron", "ibis", "jay"] {
                for number in 0..<count {
                    seed += 1
                    try write("data/\(part)/\(name)/\(number).png", Self.png(20, 24, seed))
                }
            }
        }
    }

    /// Runs a pipeline with the one stage `data`; returns the run.
    func run(
        _ keys: String = "", folder: String = "data", channels: Int = 3, classes: Int = 3,
        slots: Int = 2
    ) throws -> RunID {
        let text = """
            name: import
            seed: 9
            space: {base: ofa-mbv3-w1.0, name: birds, classes: \(classes), channels: \(channels), resolutions: [64]}
            stages:
              data: {kind: import-dataset, dataset: birds, folder: "\(folder)"\(keys)}
            """
        let spec = try PipelineDefinition(text: text, file: self.folder + "/p.yaml").runSpec()
        let run = try JobQueue(connection).enqueue(spec)
        try work(slots: slots)
        return run
    }

    func work(slots: Int) throws {
        let cache = BlobCache(folder: folder + "/cache")
        try Worker(
            databaseURL: database.url, registry: StageRegistry.handlers(cache: cache),
            options: WorkerOptions(
                slots: slots, threads: 1, ttlSeconds: 30, untilIdle: true, report: { _ in })
        ).run()
    }

    /// The problem of the failed stage.
    func problem(_ run: RunID) throws -> String {
        let stage = try #require(try JobQueue(connection).runStatus(run).stages.first)
        #expect(stage.state == .failed)
        return try #require(stage.problem)
    }

    func artifact(_ run: RunID, _ role: ArtifactRole) throws -> Artifact {
        let status = try JobQueue(connection).runStatus(run)
        let all = try ArtifactStore(connection).list(run: run, kind: role.rawValue)
        return try #require(all.last, "\(status.stages.map(\.problem))")
    }

    func manifest(_ run: RunID, _ role: ArtifactRole) throws -> PictureSetManifest {
        try #require(
            try ImportedImages.manifest(of: try artifact(run, role), connection))
    }

    func open(_ run: RunID, _ role: ArtifactRole) throws -> any ImageSource {
        try ImportedImages.open(
            try artifact(run, role), connection, cache: BlobCache(folder: folder + "/cache"))
    }

    func metadata(_ run: RunID) throws -> DatasetMetadata {
        try JSONText.decode(
            DatasetMetadata.self, from: try artifact(run, .dataset).metadataJSON, what: "test")
    }
}

@Suite struct PictureImportTests {
    private let place: ImportPlace

    init() throws { place = try ImportPlace() }

    @Test("an image folder becomes two sets of pictures, whose shards are their inputs")
    func folder() throws {
        try place.writeClasses()
        try place.write("data/train/jay/notes.txt", Array("text".utf8))
        let run = try place.run()
        let train = try place.manifest(run, .dataset), test = try place.manifest(run, .testImages)
        #expect(train.count == 36 && test.count == 12)
        #expect(train.classes.map(\.description) == ["heron", "ibis", "jay"])
        #expect(train.classCounts == [12, 12, 12] && test.classCounts == [4, 4, 4])
        #expect(train.store == .files && train.resize == .published && train.form == .imageFolder)
        #expect(train.widths == 20...20 && train.heights == 24...24)
        #expect(train.ignored.values.reduce(0, +) == 1 && train.refused.isEmpty)
        let metadata = try place.metadata(run)
        #expect(metadata.heldOut == 3 && metadata.images == 36 && metadata.validation == nil)
        let split = try metadata.split()
        #expect(split.training.count == 33)
        let source = try place.open(run, .dataset)
        #expect(source.count == 36 && source.label(0) == 0 && source.label(35) == 2)
        #expect(source.classNames == train.classes && source.fingerprint == train.fingerprint)
        let inputs = try Lineage(place.connection).up(try place.artifact(run, .dataset).id)
        let shards = Set((train.shards + test.shards).map(\.digest))
        #expect(Set(inputs.artifacts.dropFirst().map(\.digest.hex)) == shards)
        #expect(inputs.artifacts.dropFirst().allSatisfy { $0.kind == "dataset-shard" })
    }

    @Test("the same data set gives the same bytes with one slot and with two, and again")
    func deterministic() throws {
        try place.writeClasses()
        let runs = try [1, 2, 2].map { try place.run(slots: $0) }
        for role in [ArtifactRole.dataset, .testImages] {
            let digests = try runs.map { try place.artifact($0, role).digest }
            #expect(Set(digests).count == 1)
        }
    }

    @Test("a val part beside a test part is held out and never trained on")
    func validation() throws {
        try place.writeClasses(parts: ["train": 5, "val": 2, "test": 3])
        let run = try place.run()
        let metadata = try place.metadata(run)
        #expect(metadata.images == 21 && metadata.validation == 6 && metadata.heldOut == 6)
        let split = try metadata.split()
        #expect(split.training.count == 15 && split.heldOut.allSatisfy { $0 >= 15 })
        #expect(try place.manifest(run, .testImages).count == 9)
        let few = try place.metadata(try place.run(", held_out: 2"))
        #expect(few.heldOut == 2 && few.validation == 6)
    }

    @Test("class folders directly in the root: a tenth of the pictures tests, by their names")
    func withoutParts() throws {
        for (seed, name) in ["a", "b"].enumerated() {
            for number in 0..<60 {
                try place.write(
                    "data/\(name)/\(number).png", ImportPlace.png(16, 16, seed * 100 + number))
            }
        }
        let run = try place.run(classes: 2)
        let test = try place.manifest(run, .testImages).count
        #expect((3...25).contains(test))
        #expect(try place.manifest(run, .dataset).count == 120 - test)
    }

    @Test(
        "pictures that cannot be read stop the import with their names, or are left out and counted"
    )
    func badFiles() throws {
        try place.writeClasses()
        try place.write("data/train/ibis/half.jpg", [0xFF, 0xD8, 0xFF, 0xE0, 0, 16, 74, 70])
        try place.write("data/train/jay/really.jpg", Array("GIF89a and the rest".utf8))
        let problem = try place.problem(try place.run())
        #expect(problem.contains("2 files of"), "\(problem)")
        #expect(problem.contains("train/ibis/half.jpg: "), "\(problem)")
        #expect(problem.contains("train/jay/really.jpg: unsupported format GIF"), "\(problem)")
        #expect(problem.contains("on_bad_file: skip"), "\(problem)")
        let skipped = try place.manifest(try place.run(", on_bad_file: skip"), .dataset)
        #expect(skipped.count == 36 && skipped.refused.values.reduce(0, +) == 2)
        #expect(skipped.refused["unsupported format GIF"] == 1, "\(skipped.refused)")
    }

    @Test("a picture in two parts is an error that names both")
    func twice() throws {
        try place.writeClasses()
        let bytes = try ImportPlace.png(20, 24, 1000)
        try place.write("data/train/ibis/one.png", bytes)
        try place.write("data/test/ibis/other.png", bytes)
        let problem = try place.problem(try place.run())
        #expect(problem.contains("train/ibis/one.png (train)"), "\(problem)")
        #expect(problem.contains("test/ibis/other.png (test)"), "\(problem)")
    }

    @Test("empty classes, too many classes, and nothing to test on are errors")
    func refusals() throws {
        try place.writeClasses()
        try place.write("data/train/kite/readme.txt", [65])
        let empty = try place.problem(try place.run(", classes: 4", classes: 4))
        #expect(empty.contains("1 of 4 classes have no picture: kite"), "\(empty)")
        let many = try place.problem(try place.run())
        #expect(many.contains("has 4 classes") && many.contains("tell 3 apart"), "\(many)")
        try FileManager.default.removeItem(atPath: place.folder + "/data/test")
        let alone = try place.problem(try place.run(classes: 4))
        #expect(alone.contains("pictures of train only"), "\(alone)")
    }

    @Test("a folder that the worker cannot see is reported with its host")
    func missing() throws {
        let problem = try place.problem(try place.run(folder: "nowhere"))
        let host = ProcessInfo.processInfo.hostName
        #expect(
            problem.contains("on host \(host): there is no folder \(place.folder)/nowhere"),
            "\(problem)")
    }

    @Test("archives of WebDataset become a data set whose classes are numbered")
    func webDataset() throws {
        for (part, count) in [("train", 9), ("test", 3)] {
            for number in 0..<count {
                let key = "loose/\(part)/\(part)\(number)"
                try place.write(
                    key + ".png", ImportPlace.png(18, 12, number + (part == "test" ? 50 : 0)))
                try place.write(key + ".cls", Array("\(number % 3)\n".utf8))
            }
            try FileManager.default.createDirectory(
                atPath: place.folder + "/data", withIntermediateDirectories: true)
            let tar = try ChildProcess().run([
                "tar", "--format=ustar", "--sort=name", "-C", place.folder + "/loose/\(part)",
                "-cf",
                place.folder + "/data/\(part)-0.tar", ".",
            ])
            try #require(tar.exitCode == 0, "\(tar.output)")
        }
        let run = try place.run()
        let train = try place.manifest(run, .dataset)
        #expect(train.form == .webDataset && train.store == .files && train.count == 9)
        #expect(train.classes.map(\.description) == ["0", "1", "2"])
        #expect(train.classCounts == [3, 3, 3])
        #expect(try place.manifest(run, .testImages).count == 3)
    }

    @Test("IDX files become pixels of a set if a store is stated, with the pixels of the files")
    func idx() throws {
        let train = TinyImages(count: 30, size: 12, classes: 3, seed: 1)
        let test = TinyImages(count: 12, size: 12, classes: 3, seed: 2)
        try FileManager.default.createDirectory(
            atPath: place.folder + "/data", withIntermediateDirectories: true)
        try train.write(
            to: place.folder + "/data", images: "train-images-idx3-ubyte.gz",
            labels: "train-labels-idx1-ubyte.gz")
        try test.write(
            to: place.folder + "/data", images: "t10k-images-idx3-ubyte.gz",
            labels: "t10k-labels-idx1-ubyte.gz")
        let plain = try place.run(", held_out: 5", channels: 1)
        #expect(try place.metadata(plain).form == nil)
        let shard = try #require(try place.open(plain, .dataset) as? ImageShard)
        let run = try place.run(", held_out: 5, store: pixels", channels: 1)
        #expect(try place.metadata(run).form == .idx)
        let set = try #require(try place.open(run, .dataset) as? PictureSet)
        #expect(set.fixedSize?.height == 12 && set.count == 30)
        for image in 0..<30 {
            #expect(set.label(image) == shard.label(image))
            let bytes = try set.withPicture(image) { source in
                if case .pixels(let bytes, _, _, _) = source { Array(bytes) } else { [UInt8]() }
            }
            #expect(bytes == shard.image(image))
        }
        let all = PixelNormalization(shard, images: Array(0..<30))
        #expect(set.normalization(of: []) == all)
    }

    @Test("pixels are stored scaled; grey networks get grey pictures")
    func pixels() throws {
        try place.writeClasses()
        let run = try place.run(", store: pixels, size: 10, channels: 1", channels: 1)
        let manifest = try place.manifest(run, .dataset)
        #expect(manifest.store == .pixels && manifest.size == 10 && manifest.channels == 1)
        #expect(manifest.widths == 10...10 && manifest.heights == 12...12)
        let set = try #require(try place.open(run, .dataset) as? PictureSet)
        #expect(set.size(0).height == 12 && set.size(0).width == 10)
    }

    @Test("the folder store and the database hold the same data set")
    func stores() throws {
        try place.writeClasses()
        let first = try place.artifact(try place.run(), .dataset).digest
        let other = try ImportPlace()
        try StoreRule.set(
            path: other.folder + "/store", fromBytes: 1, kinds: [], other.connection)
        try other.writeClasses()
        let run = try other.run()
        #expect(try other.artifact(run, .dataset).digest == first)
        let shard = try #require(try other.manifest(run, .dataset).shards.first)
        let info = try BlobStore(other.connection).info(try Digest(hex: shard.digest))
        #expect(info?.place == .folder)
    }

    @Test("a shard whose bytes are lost is made again by the job that made it")
    func healed() throws {
        try place.writeClasses()
        let run = try place.run()
        let artifact = try place.artifact(run, .datasetShard)
        guard case .run(let spec) = try Healing(place.connection).remedy(for: artifact) else {
            return #expect(Bool(false), "no remedy")
        }
        try place.connection.execute(
            Statement(
                name: "TestLoss",
                sql: "delete from ofa.blob where digest = '\\x\(artifact.digest.hex)'"))
        let again = try JobQueue(place.connection).enqueue(spec)
        try place.work(slots: 1)
        #expect(try BlobStore(place.connection).state(of: artifact.digest) == .whole)
        #expect(try Healing(place.connection).made(by: again, insteadOf: artifact) == nil)
    }

    @Test("a killed worker's units are imported again, with the same result")
    func interrupted() throws {
        try place.writeClasses()
        let whole = try place.artifact(try place.run(), .dataset).digest
        let other = try ImportPlace()
        try other.writeClasses()
        let text = """
            name: import
            seed: 9
            space: {base: ofa-mbv3-w1.0, name: birds, classes: 3, channels: 3, resolutions: [64]}
            stages:
              data: {kind: import-dataset, dataset: birds, folder: data}
            """
        let spec = try PipelineDefinition(text: text, file: other.folder + "/p.yaml").runSpec()
        let run = try JobQueue(other.connection).enqueue(spec)
        // Every first attempt of a job fails after it has read its units.
        let cache = BlobCache(folder: other.folder + "/cache")
        let failing = StageRegistry.handler(cache: cache) { context in
            guard case .importDataset(let parameters) = context.arguments.parameters else {
                throw JobInterruption.cancelled
            }
            let output = try ImportDatasetStage.run(context, parameters)
            if context.job.lease.attempt == 1 { throw Unlucky() }
            return output
        }
        for _ in 0..<10 where try JobQueue(other.connection).runStatus(run).run.endedAt == nil {
            try Worker(
                databaseURL: other.database.url,
                registry: [StageKind.importDataset.rawValue: failing],
                options: WorkerOptions(
                    slots: 2, threads: 1, ttlSeconds: 30, untilIdle: true, report: { _ in })
            ).run()
        }
        #expect(try other.artifact(run, .dataset).digest == whole)
    }

    private struct Unlucky: Error {}
}

@Suite(.enabled(if: SharedFolders.images != nil, "no folder of image fixtures"))
struct FixtureImportTests {
    private let place: ImportPlace

    init() throws { place = try ImportPlace() }

    private func fixture(_ name: String) throws -> String {
        try #require(SharedFolders.images).appending(path: name).path
    }

    @Test("CIFAR becomes pixels that are not resized, with the names of its classes")
    func cifar() throws {
        for name in ["cifar/cifar-10-batches-bin", "cifar/cifar-10-binary.tar.gz"] {
            let run = try place.run(", held_out: 1", folder: try fixture(name), classes: 10)
            let train = try place.manifest(run, .dataset)
            #expect(train.form == .cifar && train.store == .pixels && train.resize == .none)
            #expect(train.widths == 32...32 && train.heights == 32...32)
            #expect(train.classes.map(\.description).contains("airplane"))
            let source = try place.open(run, .dataset)
            #expect(source.fixedSize?.height == 32 && source.count == train.count)
        }
        let problem = try place.problem(
            try place.run(
                ", store: files", folder: try fixture("cifar/cifar-10-binary.tar.gz"), classes: 10))
        #expect(
            problem.contains("stages.data.store is files, and cifar holds pixels"), "\(problem)")
    }
}
