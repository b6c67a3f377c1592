// Import of units: what is stored of a picture, counts by class, refusals by name, and records that do
// not depend on how a data set is divided.
import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite struct UnitImporterTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// A colour picture whose bytes depend on `seed`.
    private func pixels(_ width: Int, _ height: Int, _ seed: Int, channels: Int = 3) -> [UInt8] {
        (0..<width * height * channels).map { UInt8(truncatingIfNeeded: ($0 * 7 + seed * 31) >> 2) }
    }

    private func png(_ width: Int, _ height: Int, _ seed: Int) throws -> [UInt8] {
        try PictureEncoder.png(pixels(width, height, seed), width: width, height: height)
    }

    private func write(_ name: String, _ bytes: [UInt8]) throws {
        let file = scratch.folder.appending(path: name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
    }

    /// Shards in memory, by what takes the place of their digest.
    private final class Shelf {
        var shards: [String: [UInt8]] = [:]
        var names: [String: SampleList] = [:]

        func put(_ shard: UnitImporter.Shard) -> ImportRecord.Shard {
            let digest = sha256(shard.bytes)
            shards[digest] = shard.bytes
            names[digest] = shard.names
            return ImportRecord.Shard(
                shard: PictureSetManifest.Shard(
                    digest: digest, count: shard.count, byteCount: shard.bytes.count),
                names: digest)
        }
    }

    private func importer(
        _ storage: PictureStorage, _ shelf: Shelf, threads: Int = 1
    ) throws -> UnitImporter {
        try UnitImporter(
            storage, threads: threads, digest: { Array(sha256($0).utf8) }, emit: { shelf.put($0) })
    }

    /// Imports all units of the data set at `path`, each by its own importer.
    private func imported(
        _ path: String, _ storage: PictureStorage, unit: Int = 1024, threads: Int = 1,
        _ shelf: Shelf = Shelf()
    ) throws -> (ImportRecord, DatasetSurvey) {
        var options = SourceOptions()
        options.unitSamples = unit
        let source = try DatasetForm.open(path, options: options)
        let survey = try source.survey()
        var record = ImportRecord(survey)
        for unit in survey.units {
            let importer = try importer(storage, shelf, threads: threads)
            try source.read(unit, classes: survey.classes) { try importer.take($0) }
            record.add(try importer.finish())
        }
        return (record, survey)
    }

    @Test(
        "the fixtures' pictures are counted by class, refused by name and ignored as the index says",
        .enabled(if: SharedFolders.images != nil, "no folder of image fixtures"))
    func fixtures() throws {
        struct Index: Decodable {
            struct Folder: Decodable {
                let classes: [String]
                let decoded, refused, ignored: [String: Int]
            }
            let pictures_as_folder: Folder
            let pictures: [PictureFixture]
        }
        let index = try JSONDecoder().decode(
            Index.self, from: Data(contentsOf: FormsIndex.fixture("index.json")))
        let folder = try FormsIndex.fixture("pictures").path
        let stated = index.pictures_as_folder
        let (record, survey) = try imported(
            folder, PictureStorage(store: .files, size: nil, channels: 3), unit: 40)
        #expect(survey.classes.map(\.description) == stated.classes)
        var counts = Array(repeating: 0, count: stated.classes.count)
        for part in record.parts.values {
            for (label, count) in part.classCounts { counts[label] += count }
        }
        #expect(counts == stated.classes.map { stated.decoded[$0] ?? 0 })
        #expect(record.refused.count == stated.refused.values.reduce(0, +))
        #expect(record.ignored.count == stated.ignored.values.reduce(0, +))
        let expected = index.pictures.filter { $0.outcome == "refused" }.map {
            String($0.path.dropFirst("pictures/".count))
        }
        #expect(Set(record.refused.entries.map { $0.name.description }) == Set(expected))
        #expect(record.refused.entries.allSatisfy { !$0.reason.isEmpty })
    }

    @Test("units change nothing but the shards, and threads not even these")
    func units() throws {
        for label in ["b", "a", "c"] {
            for number in 0..<7 {
                try write("train/\(label)/\(number).png", png(20 + number, 30, number))
                try write("test/\(label)/\(number).png", png(24, 16 + number, 50 + number))
            }
        }
        try write("train/b/broken.jpg", [0xFF, 0xD8, 0xFF, 0xE0, 0, 16])
        var known: ImportRecord?
        var knownShards: [DatasetPart: [ImportRecord.Shard]]?
        for (unit, threads) in [(1, 1), (4, 3), (100, 1), (100, 2), (100, 5)] {
            let storage = PictureStorage(store: .pixels, size: 12, channels: 3)
            var (record, survey) = try imported(
                scratch.folder.path, storage, unit: unit, threads: threads)
            #expect(survey.classes.map(\.description) == ["a", "b", "c"])
            #expect(record.parts[.train]?.count == 21 && record.parts[.test]?.count == 21)
            #expect(record.refused.count == 1)
            #expect(record.parts[.train]?.classCounts == [0: 7, 1: 7, 2: 7])
            if unit == 100 {
                let shards = record.parts.mapValues(\.shards)
                if let knownShards { #expect(shards == knownShards) }
                knownShards = shards
            }
            for part in record.parts.keys { record.parts[part]?.shards = [] }
            if let known { #expect(record == known) }
            known = record
        }
    }

    @Test("shards hold the pictures in the order of their names, with the labels of their folders")
    func shards() throws {
        for number in 0..<5 {
            try write("train/x/\(number).png", png(9 + number, 8, number))
            try write("train/y/\(number).png", png(8, 9 + number, number + 10))
        }
        try write("test/x/0.png", png(8, 8, 99))
        let shelf = Shelf()
        let (record, _) = try imported(
            scratch.folder.path, PictureStorage(store: .pixels, size: nil, channels: 3), shelf)
        let entry = try #require(record.parts[.train]?.shards.first)
        let path = try scratch.file("shard", try #require(shelf.shards[entry.shard.digest]))
        let shard = try PictureShard(path)
        #expect(shard.labels == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
        #expect(shard.count == entry.shard.count)
        let names = try #require(shelf.names[entry.names])
        for number in 0..<5 {
            #expect(try shard.bytes(number) == pixels(9 + number, 8, number))
            #expect(try shard.bytes(5 + number) == pixels(8, 9 + number, number + 10))
            #expect(names.name(number) == ByteName("train/x/\(number).png"))
        }
        #expect(record.parts[.train]?.widths == 8...13)
        #expect(record.parts[.train]?.heights == 8...13)
        var sums = PixelSums(channels: 3)
        for number in 0..<10 { sums.add(try shard.bytes(number)) }
        #expect(record.parts[.train]?.sums == sums)
    }

    @Test("files stay as they are, or are scaled once if they are larger")
    func files() throws {
        let small = try png(20, 14, 1), large = try png(60, 40, 2)
        let storer = PictureStorer(PictureStorage(store: .files, size: 16, channels: 3))
        let kept = try storer.stored(.encoded(small))
        #expect(kept.bytes == small && kept.width == 20 && kept.height == 14)
        let scaled = try storer.stored(.encoded(large))
        #expect(scaled.width == 24 && scaled.height == 16)
        let view = PictureView.shrunk(width: 60, height: 40, shorterSide: 16)
        let decoder = PictureDecoder(channels: 3)
        let pixels = try decoder.view(encoded: large) { _, _ in view }.pixels
        let encoded = try PictureEncoder.jpeg(pixels, width: 24, height: 16)
        #expect(scaled.bytes == encoded)
        // As pixels the same picture is stored without loss.
        let decoded = PictureStorer(PictureStorage(store: .pixels, size: 16, channels: 3))
        #expect(try decoded.stored(.encoded(large)).bytes == pixels)
        let whole = PictureStorer(PictureStorage(store: .files, size: nil, channels: 3))
        #expect(try whole.stored(.encoded(large)).bytes == large)
    }

    @Test("pixels without files are converted to the channels that networks take")
    func channels() throws {
        let grey = pixels(6, 5, 3, channels: 1)
        let storer = PictureStorer(PictureStorage(store: .pixels, size: nil, channels: 3))
        let stored = try storer.stored(.pixels(height: 5, width: 6, channels: 1, grey))
        #expect(stored.bytes == grey.flatMap { [$0, $0, $0] })
        #expect(stored.sums.pixels == 30)
    }

    @Test("a picture whose pixels would not fit into a shard is refused by its size")
    func tooLarge() throws {
        let long = try PictureEncoder.png(
            [UInt8](repeating: 7, count: 400_000 * 60), width: 400_000, height: 60, channels: 1)
        let storer = PictureStorer(PictureStorage(store: .pixels, size: nil, channels: 3))
        let error = #expect(throws: DatasetError.self) { try storer.stored(.encoded(long)) }
        #expect(error?.code == .tooLarge, "\(error?.message ?? "")")
        let files = PictureStorer(PictureStorage(store: .files, size: nil, channels: 3))
        #expect(try files.stored(.encoded(long)).bytes == long)
    }
}
