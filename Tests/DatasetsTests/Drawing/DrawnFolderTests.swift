// Folders of drawn pictures: complete or absent, the same from any number of threads, and never
// written over.
import Foundation
import Testing

@testable import Datasets

@Suite struct DrawnFolderTests {
    private let scratch: Scratch
    private var path: String { scratch.folder.appending(path: "pictures").path }
    private let drawing = DrawnFolder(classes: 3, train: 4, test: 2, seed: 5)

    init() throws { scratch = try Scratch() }

    /// The bytes of all files below a folder, by their paths.
    private func files(_ folder: String) throws -> [String: Data] {
        let names = try FileManager.default.subpathsOfDirectory(atPath: folder)
        return Dictionary(
            uniqueKeysWithValues: names.compactMap { name in
                FileManager.default.contents(atPath: "\(folder)/\(name)").map { (name, $0) }
            })
    }

    @Test("one thread and five draw the same files, whose names say part, class and number")
    func threads() throws {
        #expect(try drawing.write(to: path, threads: 1) == .drawn)
        #expect(try drawing.write(to: path + "-5", threads: 5) == .drawn)
        let one = try files(path)
        #expect(try one == files(path + "-5"))
        #expect(one.count == 18)
        #expect(one["train/striped-disc/0003.jpg"] != nil)
        #expect(one["test/plain-ring/0001.jpg"] != nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.folder.path).count == 2)
    }

    @Test("an import finds the classes and both parts")
    func imported() throws {
        _ = try drawing.write(to: path, threads: 1)
        let survey = try DatasetForm.open(path).survey { _ in }
        #expect(survey.form == .imageFolder)
        #expect(survey.classes.map(\.description) == drawing.classNames.sorted())
        #expect(survey.parts.map(\.part) == [.train, .test])
        #expect(survey.parts.map(\.count) == [12, 6])
    }

    @Test("a larger folder of the same seed begins with the same pictures")
    func larger() throws {
        _ = try drawing.write(to: path, threads: 1)
        let more = DrawnFolder(classes: 4, train: 5, test: 3, seed: 5)
        _ = try more.write(to: path + "-more", threads: 1)
        let some = try files(path), all = try files(path + "-more")
        #expect(some.allSatisfy { all[$0.key] == $0.value })
    }

    @Test("the same again writes nothing; other files, numbers or seeds are refused and stay")
    func again() throws {
        _ = try drawing.write(to: path, threads: 1)
        #expect(try drawing.write(to: path, threads: 1) == .found)
        let before = try files(path)
        for other in [
            DrawnFolder(classes: 2, train: 4, test: 2, seed: 5),
            DrawnFolder(classes: 3, train: 5, test: 2, seed: 5),
            DrawnFolder(classes: 3, train: 4, test: 0, seed: 5),
            DrawnFolder(classes: 3, train: 4, test: 2, seed: 6),
        ] {
            let error = #expect(throws: DatasetError.self) {
                try other.write(to: path, threads: 1)
            }
            #expect(error?.message.contains("name another folder") == true)
        }
        #expect(try files(path) == before)
        try Data([1]).write(to: URL(filePath: path + "/train/striped-disc/mine.jpg"))
        #expect(throws: DatasetError.self) { try drawing.write(to: path, threads: 1) }
    }

    @Test("what is stopped leaves no folder, and the next drawing removes what it left")
    func stopped() throws {
        struct Stop: Error {}
        #expect(throws: Stop.self) {
            try drawing.write(to: path, threads: 1) { if $0 == 7 { throw Stop() } }
        }
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(FileManager.default.fileExists(atPath: path + ".unfinished"))
        #expect(try drawing.write(to: path, threads: 1) == .drawn)
        #expect(try files(path).count == 18)
        #expect(!FileManager.default.fileExists(atPath: path + ".unfinished"))
    }

    @Test("an empty folder is filled; a file, and what others left beside it, are refused")
    func places() throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
        #expect(try drawing.write(to: path, threads: 1) == .drawn)
        let file = try scratch.file("file", [1])
        let refused = #expect(throws: DatasetError.self) {
            try drawing.write(to: file, threads: 1)
        }
        #expect(refused?.message.contains("is a file, not a folder") == true)
        let other = scratch.folder.appending(path: "other").path
        try FileManager.default.createDirectory(
            atPath: other + ".unfinished/letters", withIntermediateDirectories: true)
        let error = #expect(throws: DatasetError.self) {
            try drawing.write(to: other, threads: 1)
        }
        #expect(error?.message.contains("in the way") == true)
        #expect(FileManager.default.fileExists(atPath: other + ".unfinished/letters"))
    }
}
