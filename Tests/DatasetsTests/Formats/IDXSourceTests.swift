// IDX as a source: the fixtures' files in a data set's folder, and labels.
import Datasets
import Foundation
import TestSupport
import Testing

@Suite struct IDXSourceTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private var root: String { scratch.folder.path }
    private static let names = [
        "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ]

    private func reading() throws -> Reading {
        let read = try Reading(DatasetForm.open(root))
        if let error = read.error { throw error }
        return read
    }

    /// Makes the folder hold these fixtures, or these bytes, under the usual names.
    private func put(_ files: [String]) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: root) {
            try FileManager.default.removeItem(atPath: "\(root)/\(name)")
        }
        for (name, file) in zip(Self.names, files) {
            try FileManager.default.copyItem(
                atPath: FormsIndex.fixture(file).path,
                toPath: "\(root)/\(name)\(file.hasSuffix(".gz") ? ".gz" : "")")
        }
    }

    @Test(
        "every file of the fixtures gives its pictures and labels, or is refused with its reason",
        .enabled(if: SharedFolders.images != nil, "no folder of image fixtures"))
    func fixtures() throws {
        let entries = try FormsIndex.read().idx
        let images = "idx/train-images-idx3-ubyte", labels = "idx/train-labels-idx1-ubyte"
        let wanted = try #require(entries.first { $0.file == labels }?.labels)
        for entry in entries {
            let isLabels = entry.file.contains("labels")
            let pair = isLabels ? [images, entry.file] : [entry.file, labels]
            if entry.outcome == "refused" {
                try put(pair + pair)
                let error = try #require(throws: DatasetError.self, "\(entry)") { try reading() }
                let words = [
                    "truncated IDX file": "is truncated",
                    "more data than declared": "more data than",
                    "not an IDX file": "it is not IDX",
                    "gzip data is truncated": "in the middle of its gzip data",
                ]
                let reason = entry.reason ?? ""
                #expect(error.message.contains(words[reason] ?? reason), "\(entry.file): \(error)")
            } else if entry.shape?[0] == 3 {
                try writeLabels(3, images: entry.file)
                try check(try reading(), entry, labels: [0, 1, 2])
            } else {
                try put(pair + pair)
                let read = try reading()
                let shape = entries.first { $0.file == images }
                try check(read, try #require(shape), labels: wanted)
            }
        }
    }

    private func writeLabels(_ count: UInt8, images: String) throws {
        try put([images, images, images, images])
        let labels = Data(Scratch.idx([Int(count)], Array(0..<count)))
        for name in [Self.names[1], Self.names[3]] {
            try FileManager.default.removeItem(atPath: "\(root)/\(name)")
            try labels.write(to: scratch.folder.appending(path: name))
        }
    }

    private func check(_ read: Reading, _ entry: FormsIndex.IDX, labels: [Int]) throws {
        let shape = try #require(entry.shape), digests = try #require(entry.sha256)
        #expect(read.survey.form == .idx)
        #expect(read.survey.parts.map(\.count) == [shape[0], shape[0]])
        #expect(read.samples.map(\.classIndex) == labels + labels)
        #expect(read.samples.map { sha256($0.pixels?.bytes ?? []) } == digests + digests)
        #expect(read.samples.allSatisfy { $0.pixels?.shape == Array(shape[1...]) + [1] })
        let parts = [DatasetPart.train, .test].flatMap { Array(repeating: $0, count: shape[0]) }
        #expect(read.samples.map(\.part) == parts)
        #expect(read.survey.classes.count == (labels.max() ?? 0) + 1)
    }

    @Test("labels from 1 are classes from 0 with the numbers as names; a stated number counts")
    func labels() throws {
        func write(_ labels: [UInt8], _ test: [UInt8]) throws {
            for (name, values) in zip(Self.names, [[1, 2, 3], labels, [4, 5, 6], test]) {
                let dimensions = name.contains("images") ? [3, 1, 1] : [3]
                _ = try scratch.file(name, Scratch.idx(dimensions, values))
            }
        }
        try write([1, 3, 2], [3, 3, 1])
        let read = try reading()
        #expect(read.survey.classes.map(\.description) == ["1", "2", "3"])
        #expect(read.samples.map(\.classIndex) == [0, 2, 1, 2, 2, 0])
        #expect(read.survey.parts.map(\.classCounts) == [[1, 1, 1], [1, 0, 2]])
        var options = SourceOptions()
        options.classes = 5
        let five = try Reading(DatasetForm.open(root, options: options))
        #expect(five.samples.map(\.classIndex) == [1, 3, 2, 3, 3, 1])
        options.classes = 2
        let error = try #require(throws: DatasetError.self) {
            try DatasetForm.open(root, options: options).survey()
        }
        #expect(error.message.contains("have labels 0 to 1"))
        try write([0, 1, 2], [0, 3, 1])
        #expect(throws: DatasetError.self) { try reading() }
    }
}
