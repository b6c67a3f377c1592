// Recognising a form by looking: each form, none, and several.
import Datasets
import Foundation
import TestSupport
import Testing

@Suite struct DatasetFormTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private var root: String { scratch.folder.path }

    private func write(_ names: String...) throws {
        for name in names {
            let file = scratch.folder.appending(path: name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data().write(to: file)
        }
    }

    private func form(_ path: String) throws -> DatasetForm { try DatasetForm.open(path).form }

    private func message(_ path: String) throws -> String {
        try #require(throws: DatasetError.self) { try form(path) }.message
    }

    @Test("each form is recognised by its files")
    func each() throws {
        try write("a/train/cat/x.jpg", "b/cat/deep/er/x.PNG", "c/cat/only.gif")
        for name in ["a", "b", "c"] { #expect(try form("\(root)/\(name)") == .imageFolder) }
        try write("d/x-000.tar", "e/train/0.TGZ", "f/raw/train-images-idx3-ubyte.gz")
        #expect(try form("\(root)/d") == .webDataset && form("\(root)/e") == .webDataset)
        try write("g/emnist-letters-test-labels.idx1-ubyte", "h/cifar-10-binary.tar.gz")
        #expect(try form("\(root)/f") == .idx && form("\(root)/g") == .idx)
        try write("i/train.bin", "i/test.bin", "j/cifar-100-python.tar.gz")
        for name in ["h", "i", "j"] { #expect(try form("\(root)/\(name)") == .cifar) }
    }

    @Test("none and several are errors that say what was looked for and found")
    func unclear() throws {
        #expect(
            try message(root).hasSuffix(
                "it is empty: name the folder that holds the data set, or state its format"))
        try write("x.jpg", "notes.txt")
        let none = try message(root)
        #expect(none.contains("class folders with pictures"))
        #expect(none.contains("it holds notes.txt, x.jpg: put the pictures of each class in"))
        try write("cat/x.jpg", "all.tar")
        #expect(
            try message(root).hasSuffix(
                "may be of several forms: webdataset (all.tar), image-folder (cat/x.jpg): state "
                    + "which one as format, or move the rest out of it"))
        #expect(try DatasetForm.open(root, stated: .imageFolder).form == .imageFolder)
        #expect(try message("\(root)/none") == "there is no file or folder \(root)/none")
        #expect(try message("\(root)/notes.txt").contains("is an empty file"))
        #expect(try message("/dev/null").contains("is neither a file nor a folder"))
        #expect(try message("").contains("is no path"))
    }

    @Test(
        "files of the fixtures are recognised by their content",
        .enabled(if: SharedFolders.images != nil, "no folder of image fixtures"))
    func files() throws {
        func path(_ name: String) throws -> String { try FormsIndex.fixture(name).path }
        #expect(try form(path("pictures")) == .imageFolder)
        #expect(try form(path("tars/gzip-inside.tar")) == .webDataset)
        #expect(try form(path("cifar/cifar-100-binary.tar.gz")) == .cifar)
        #expect(try form(path("cifar/faults/cifar-10-python.tar.gz")) == .cifar)
        #expect(try message(path("cifar/faults/data_batch_1")).contains("Python version"))
        #expect(try message(path("tars/not-a-tar.tar")).contains("is not a tar archive"))
    }

    @Test(
        "the fixtures' pictures are a folder of three classes",
        .enabled(if: SharedFolders.images != nil, "no folder of image fixtures"))
    func pictures() throws {
        let read = try Reading(DatasetForm.open(FormsIndex.fixture("pictures").path))
        #expect(read.survey.classes.map(\.description) == ["jpeg", "names", "png"])
        let counts = read.survey.parts.map(\.classCounts)
        #expect(zip(counts[0], counts[1]).map { $0 + $1 } == [58, 22, 55])
        #expect(read.ignored.count == 6)
        #expect(read.refused.count == 7 && read.samples.count == 58 + 22 + 55 - 7)
    }
}
