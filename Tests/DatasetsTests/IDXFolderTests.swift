// The names and places under which the MNIST family's files lie about, and labels that begin at 1.
import Datasets
import Foundation
import TestSupport
import Testing

@Suite struct IDXFolderTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private var root: String { scratch.folder.path }

    private func write(_ names: [String]) throws {
        for name in names {
            let file = scratch.folder.appending(path: name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data().write(to: file)
        }
    }

    private func message(_ folder: String) throws -> String {
        try #require(throws: DatasetError.self) { try IDXFolder(folder) }.message
    }

    @Test(
        "the files are found compressed or plain, with dash or dot, in raw, and with a prefix",
        arguments: [
            [
                "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
                "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
            ],
            [
                "train-images.idx3-ubyte", "train-labels.idx1-ubyte", "t10k-images.idx3-ubyte",
                "t10k-labels.idx1-ubyte",
            ],
            [
                "raw/train-images-idx3-ubyte", "raw/train-labels-idx1-ubyte.gz",
                "raw/t10k-images.idx3-ubyte", "raw/t10k-labels-idx1-ubyte",
            ],
            [
                "emnist-letters-train-images-idx3-ubyte.gz",
                "emnist-letters-train-labels-idx1-ubyte.gz",
                "emnist-letters-test-images-idx3-ubyte.gz",
                "emnist-letters-test-labels-idx1-ubyte.gz",
            ],
        ])
    func names(files: [String]) throws {
        try write(files + ["README", "emnist-letters-mapping.txt"])
        let found = try IDXFolder(root)
        #expect(
            [found.trainImages, found.trainLabels, found.testImages, found.testLabels]
                == files.map { "\(root)/\($0)" })
    }

    @Test("a stray file in the folder does not hide the four files in raw")
    func stray() throws {
        let files = ["train-images", "train-labels", "t10k-images", "t10k-labels"].map {
            "raw/\($0)-idx\($0.hasSuffix("images") ? 3 : 1)-ubyte"
        }
        try write(files + ["train-images-idx3-ubyte", "old-t10k-labels-idx1-ubyte.gz"])
        #expect(try IDXFolder(root).trainImages == "\(root)/\(files[0])")
    }

    @Test(
        "a file in two forms is read where they hold the same, and refused with both names where not"
    )
    func twins() throws {
        let images = Scratch.idx([1, 2, 2], [1, 2, 3, 4]), labels = Scratch.idx([1], [0])
        let names = [
            "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        ]
        for name in names {
            let bytes = name.contains("images") ? images : labels
            _ = try scratch.gzip(name, bytes)
            // As torchvision leaves them.
            _ = try scratch.file(name, bytes)
        }
        #expect(try IDXFolder(root).trainImages == "\(root)/train-images-idx3-ubyte.gz")
        for other in ["train-images-idx3-ubyte", "train-images.idx3-ubyte", "raw/\(names[0])"] {
            let changed = scratch.folder.appending(path: other)
            try FileManager.default.createDirectory(
                at: changed.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(Scratch.idx([1, 2, 2], [9, 2, 3, 4])).write(to: changed)
            #expect(
                try message(root)
                    == "\(root)/train-images-idx3-ubyte.gz and \(root)/\(other) are forms of one file but differ:"
                    + " keep one of them")
            try Data(images).write(to: changed)
        }
    }

    @Test(
        "images to test with are of the size of those to train on; labels that are all equal are told"
    )
    func sizes() throws {
        func write(_ test: [Int], _ labels: [UInt8]) throws -> IDXFolder {
            _ = try scratch.gzip(
                "train-images-idx3-ubyte", Scratch.idx([2, 2, 3], Array(repeating: 7, count: 12)))
            _ = try scratch.file("train-labels-idx1-ubyte", Scratch.idx([2], labels))
            let pixels = Array(repeating: UInt8(7), count: test.reduce(1, *))
            _ = try scratch.file("t10k-images-idx3-ubyte", Scratch.idx(test, pixels))
            _ = try scratch.file("t10k-labels-idx1-ubyte", Scratch.idx([test[0]], [3]))
            return try IDXFolder(root)
        }
        let folder = try write([1, 2, 3], [4, 4])
        #expect(try folder.dimensions().train == [2, 2, 3])
        #expect(try folder.warning()?.contains("all 2 labels of \(root)/train-labels") == true)
        #expect(try write([1, 2, 3], [4, 5]).warning() == nil)
        let other = try write([1, 3, 3], [4, 5])
        let error = #expect(throws: DatasetError.self) { try other.dimensions() }
        #expect(error?.message.contains("images of 2×3 pixels") == true)
        #expect(error?.message.contains("t10k-images-idx3-ubyte of 3×3") == true)
    }

    @Test("what is missing, and what a folder holds instead, is said")
    func missing() throws {
        #expect(try message("\(root)/none") == "there is no folder \(root)/none")
        #expect(try message(root).hasSuffix("it is empty"))
        try write(["notes.txt", "cat.jpg"])
        #expect(try message("\(root)/cat.jpg").hasSuffix("is a file, not a folder"))
        #expect(try message(root).hasSuffix("it holds cat.jpg, notes.txt"))
        try write(["train-images-idx3-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
        #expect(
            try message(root)
                == "\(root) lacks the train labels (such as train-labels-idx1-ubyte.gz)")
        let parts = [
            "train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1",
        ]
        try write(parts.flatMap { ["a-\($0)-ubyte", "b-\($0)-ubyte"] })
        #expect(try message(root).contains("holds several data sets (a-train-…, b-train-…)"))
    }

    @Test("a plain file is read as its compressed twin")
    func plain() throws {
        let bytes = Scratch.idx([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8])
        let plain = try scratch.file("plain", bytes)
        let gzip = try scratch.gzip("packed", bytes)
        #expect(try IDX(path: plain, rank: 3) == IDX(path: gzip, rank: 3))
        // Not a file of one's own: it must neither block nor be read for ever.
        #expect(throws: DatasetError.self) {
            try GzipFile.plain("/dev/zero", maximumBytes: 1 << 20)
        }
    }

    @Test("labels from 1 are recognised and become classes from 0")
    func labels() throws {
        let images = try scratch.file("i", Scratch.idx([3, 1, 1], [7, 8, 9]))
        func shard(_ labels: [UInt8], classes: Int, as first: ImageShard.FirstLabel?) throws
            -> [UInt8]
        {
            let path = try scratch.file("l", Scratch.idx([3], labels))
            let found = try ImageShard.firstLabel(idxLabels: path, classes: classes)
            let bytes = try ImageShard.encode(
                idxImages: images, idxLabels: path, classes: classes, firstLabel: first ?? found)
            return try ImageShard(try scratch.file("s", bytes)).labels
        }
        #expect(try shard([1, 2, 3], classes: 3, as: nil) == [0, 1, 2])
        #expect(try shard([0, 1, 2], classes: 3, as: nil) == [0, 1, 2])
        // With more classes than labels, 1 may be the second class.
        #expect(try shard([1, 2, 3], classes: 4, as: nil) == [1, 2, 3])
        for (labels, classes, first) in [
            ([UInt8(0), 1, 3], 3, ImageShard.FirstLabel?.none), ([0, 1, 2], 3, .one),
            ([1, 2, 5], 3, nil),
        ] {
            let error = #expect(throws: DatasetError.self) {
                try shard(labels, classes: classes, as: first)
            }
            #expect(error?.message.contains("classes from") == true, "\(error?.message ?? "")")
        }
    }

    @Test(
        "the IDX files of others are read or refused as their index says",
        .enabled(if: SharedFolders.images != nil, "no folder of image fixtures"))
    func others() throws {
        let folder = try #require(SharedFolders.images)
        struct Entry: Decodable {
            let file: String
            let shape: [Int]?
            let labels: [UInt8]?
            let outcome: String?
        }
        struct Index: Decodable { let idx: [Entry] }
        let index = try JSONDecoder().decode(
            Index.self, from: Data(contentsOf: folder.appending(path: "index.json")))
        #expect(!index.idx.isEmpty)
        for entry in index.idx {
            let path = folder.appending(path: entry.file).path
            if entry.outcome == "refused", !entry.file.contains("labels") {
                let error = #expect(throws: DatasetError.self) { try IDX(path: path, rank: 3) }
                #expect(error?.message.contains(path) == true)
            } else if let shape = entry.shape {
                #expect(try IDX(path: path, rank: 3).dimensions == shape)
            } else if let labels = entry.labels {
                #expect(try IDX(path: path, rank: 1).values == labels)
            }
        }
    }
}
