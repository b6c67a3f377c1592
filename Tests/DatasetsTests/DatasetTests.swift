// Importing the MNIST family: real files, and files that do not belong together.
import Datasets
import Foundation
import Testing

@Suite struct DatasetTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    @Test("a pair of IDX files becomes a shard")
    func pair() throws {
        let images = try scratch.gzip("i", Scratch.idx([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]))
        let labels = try scratch.gzip("l", Scratch.idx([2], [1, 0]))
        let bytes = try ImageShard.encode(idxImages: images, idxLabels: labels, classes: 2)
        let shard = try ImageShard(try scratch.file("s", bytes))
        #expect(shard.layout == .init(count: 2, height: 2, width: 2, channels: 1, classes: 2))
        #expect(shard.image(1) == [5, 6, 7, 8])
        #expect(shard.labels == [1, 0])
    }

    @Test("images and labels of different counts, and files in the wrong place, are refused")
    func mismatch() throws {
        let images = try scratch.gzip("i", Scratch.idx([2, 1, 1], [1, 2]))
        let labels = try scratch.gzip("l", Scratch.idx([3], [1, 0, 1]))
        func code(_ images: String, _ labels: String) -> DatasetError.Code? {
            #expect(throws: DatasetError.self) {
                try ImageShard.encode(idxImages: images, idxLabels: labels, classes: 2)
            }?.code
        }
        #expect(code(images, labels) == .wrongDimensions)
        #expect(code(labels, images) == .wrongFormat)
    }

    @Test("a training and a test shard of different images do not pair")
    func pairing() throws {
        func shard(_ name: String, width: Int) throws -> ImageShard {
            let path = scratch.folder.appending(path: name).path
            try ImageShard.write(
                path, images: Array(repeating: 1, count: 2 * width), labels: [0, 1],
                layout: .init(count: 2, height: 1, width: width, channels: 1, classes: 2))
            return try ImageShard(path)
        }
        let (narrow, wide) = (try shard("a", width: 2), try shard("b", width: 3))
        #expect(throws: DatasetError.self) { try Dataset(name: "x", train: narrow, test: wide) }
        let dataset = try Dataset(name: "x", train: narrow, test: narrow)
        #expect(dataset.fingerprint == "x:\(narrow.fingerprint):\(narrow.fingerprint)")
    }

    @Test(
        "Fashion-MNIST becomes shards of 60,000 and 10,000 balanced images",
        .enabled(
            if: fashionFolder != nil,
            "no Fashion-MNIST: install dataset-fashion-mnist or set OFA_FASHION_MNIST"))
    func fashion() throws {
        let folder = URL(filePath: try #require(fashionFolder))
        let names = ImageShard.idxNames
        func shard(_ images: String, _ labels: String) throws -> ImageShard {
            let bytes = try ImageShard.encode(
                idxImages: folder.appending(path: images).path,
                idxLabels: folder.appending(path: labels).path, classes: 10)
            return try ImageShard(try scratch.file(labels, bytes))
        }
        let train = try shard(names.trainImages, names.trainLabels)
        let test = try shard(names.testImages, names.testLabels)
        let dataset = try Dataset(name: "fashion-mnist", train: train, test: test)
        #expect(
            dataset.train.layout
                == .init(count: 60_000, height: 28, width: 28, channels: 1, classes: 10))
        #expect(dataset.test.layout.count == 10_000)
        for (shard, count) in [(train, 6000), (test, 1000)] {
            let counts = shard.labels.reduce(into: Array(repeating: 0, count: 10)) {
                $0[Int($1)] += 1
            }
            #expect(counts == Array(repeating: count, count: 10))
        }
        #expect(train.labels.prefix(5) == [9, 0, 0, 3, 0])
    }
}
