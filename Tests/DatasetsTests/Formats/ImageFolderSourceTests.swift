// Image folders: the fixtures' trees, parts, links, names that are not text, and folders that change.
import Datasets
import Foundation
import TestSupport
import Testing

@Suite struct ImageFolderSourceTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private var root: String { scratch.folder.path }
    private static let jpeg: [UInt8] = [0xFF, 0xD8, 0xFF, 0xE0]

    /// Reasons that only decoding can tell.
    private static let fromContent: Set = [
        "truncated or corrupt picture", "not a picture", "unsupported format GIF (by content)",
        "truncated JPEG",
    ]

    private func unpack(_ tar: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["tar", "-xf", try FormsIndex.fixture(tar).path, "-C", root]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    private func write(_ names: [String], _ content: [UInt8] = jpeg) throws {
        for name in names {
            let file = scratch.folder.appending(path: name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(content).write(to: file)
        }
    }

    private func reading(_ folder: String = "", unit: Int = 1024) throws -> Reading {
        var options = SourceOptions()
        options.unitSamples = unit
        return try Reading(
            DatasetForm.open(
                folder.isEmpty ? root : "\(root)/\(folder)", stated: .imageFolder, options: options)
        )
    }

    private func error(_ folder: String = "") throws -> DatasetError {
        try #require(throws: DatasetError.self) { try reading(folder) }
    }

    @Test(
        "the fixtures' trees give exactly the stated classes, samples, refusals and ignored files",
        .enabled(if: SharedFolders.images != nil, "no folder of image fixtures"),
        arguments: [1, 3, 1024])
    func trees(unit: Int) throws {
        for tree in try FormsIndex.read().trees {
            try unpack(try #require(tree.tar))
            for part in tree.parts ?? [tree] {
                let folder = try #require(part.root)
                try check(part, try reading(folder, unit: unit), folder, unit)
            }
        }
    }

    private func check(
        _ tree: FormsIndex.Tree, _ read: Reading, _ folder: String, _ unit: Int
    ) throws {
        let classes = try #require(tree.classes)
        #expect(read.survey.classes == classes.map { bytes(hex: $0.name_hex ?? "") })
        #expect(read.error == nil)
        #expect(read.survey.units.map(\.index) == Array(read.survey.units.indices))
        // Whether the bytes are a picture is found by decoding, so the file comes as a sample here.
        let refusedNames = Set(read.refused.map(\.name))
        let left = (tree.refused ?? []).filter {
            !refusedNames.contains(bytes(hex: $0.path_hex ?? ""))
        }
        for entry in left {
            #expect(Self.fromContent.contains(entry.reason ?? ""), "\(entry)")
        }
        let leftNames = Set(left.map { bytes(hex: $0.path_hex ?? "") })
        let taken = read.samples.filter { !leftNames.contains($0.key) }
        #expect(read.samples.count == taken.count + left.count, "\(folder)")
        let samples = try #require(tree.samples)
        #expect(taken.map(\.key) == samples.map { bytes(hex: $0.path_hex ?? "") }, "\(folder)")
        #expect(taken.map(\.classIndex) == samples.map { $0.class ?? -1 })
        #expect(
            refusedNames.union(leftNames)
                == Set((tree.refused ?? []).map { bytes(hex: $0.path_hex ?? "") }))
        #expect(
            Set(read.ignored.map(\.name))
                == Set((tree.ignored ?? []).map { bytes(hex: $0.path_hex ?? "") }))
        #expect(read.ignored.count == tree.ignored?.count)
        for notice in read.refused + read.ignored {
            let entry = ((tree.refused ?? []) + (tree.ignored ?? [])).first {
                bytes(hex: $0.path_hex ?? "") == notice.name
            }
            let expected = entry?.reason ?? ""
            let isSame = expected == notice.reason
            #expect(isSame || notice.reason == "no extension", "\(notice), not \(expected)")
        }
        if unit == 1 {
            #expect(read.survey.units.allSatisfy { $0.count == 1 })
        } else if unit > 1000 {
            #expect(read.survey.units.count == 1)
        }
        for sample in taken {
            let path = "\(root)/\(folder)/".utf8 + sample.key.bytes
            guard let name = String(validating: Array(path), as: UTF8.self) else { continue }
            #expect([UInt8](try Data(contentsOf: URL(filePath: name))) == sample.encoded)
        }
    }

    @Test(
        "classes without pictures are refused by name unless they are permitted",
        .enabled(if: SharedFolders.images != nil, "no folder of image fixtures"))
    func empty() throws {
        try unpack("trees/clutter.tar")
        let read = try reading("clutter")
        // As after decoding: what is cut or broken is no picture.
        var counts = read.survey.classes.map { _ in 0 }
        for sample in read.samples
        where ["cat/1.jpg", "dog/2.png"].contains(sample.key.description) {
            counts[sample.classIndex] += 1
        }
        let error = try #require(throws: DatasetError.self) {
            try DatasetSurvey.refuseEmpty(read.survey.classes, counts: counts)
        }
        let names = try FormsIndex.read().trees.compactMap(\.empty_classes)[0]
        #expect(error.message.contains("no picture: \(names.joined(separator: ", ")):"))
        try DatasetSurvey.refuseEmpty(read.survey.classes, counts: counts.map { max(1, $0) })
        // Counted before decoding: everything that should be a picture.
        let listed = read.survey.parts.map(\.classCounts).reduce(Array(repeating: 0, count: 6)) {
            zip($0, $1).map { $0 + $1 }
        }
        #expect(listed == [7, 1, 0, 1, 0, 0])
    }

    @Test(
        "val takes its indices from train",
        .enabled(if: SharedFolders.images != nil, "no folder of image fixtures"))
    func parts() throws {
        try unpack("trees/splits.tar")
        let read = try reading("splits")
        let index = try #require(try FormsIndex.read().trees.compactMap(\.class_index).first)
        #expect(read.survey.parts.map(\.part) == [.train, .val])
        #expect(read.survey.parts.map(\.count) == [6, 4])
        #expect(read.survey.parts[1].classCounts == [2, 0, 2])
        #expect(!read.survey.isSplitByHash && read.samples.count == 10)
        for sample in read.samples {
            let name = sample.key.description.split(separator: "/")[0]
            #expect(sample.classIndex == index[sample.part.rawValue]?[String(name)])
            #expect(sample.file.description == "\(sample.part.rawValue)/\(sample.key)")
        }
    }

    @Test("a class that train has not is an error, as are parts that cannot be told from classes")
    func unclear() throws {
        try write(["train/a/1.jpg", "val/a/1.jpg", "val/b/1.jpg"])
        #expect(try error().message.contains("has 1 classes that train has not: b"))
        try write(["c/1.jpg"])
        #expect(try error().message.contains("folders of parts (train, val) and others (c)"))
        try write(["alone/val/a/1.jpg", "twice/train/a/1.jpg", "twice/val/a/1.jpg"])
        #expect(try error("alone").message.contains("has val and no train"))
        try write(["twice/valid/a/1.jpg", "none/x.jpg"])
        #expect(try error("twice").message.contains("two folders for one part: train, val, valid"))
        #expect(try error("none").message.contains("no class folders"))
        // A train among vehicles.
        try write(["vehicles/bus/1.jpg", "vehicles/train/1.jpg"])
        #expect(try reading("vehicles").survey.classes.map(\.description) == ["bus", "train"])
        try write(["mixed/bus/1.jpg", "mixed/train/a/1.jpg"])
        #expect(try error("mixed").message.contains("parts (train) and others (bus)"))
        #expect(try error("nowhere").message == "\(root)/nowhere does not exist")
    }

    @Test("without parts the hash of class and name decides, whatever else is there")
    func hashed() throws {
        let names = (0..<400).map { "\($0 % 4)/\($0).jpg" }
        try write(names)
        let first = try reading(unit: 7)
        #expect(first.survey.isSplitByHash && first.samples.count == 400)
        let held = first.samples.filter { $0.part == .val }.map(\.key)
        #expect(first.survey.parts.map(\.count) == [400 - held.count, held.count])
        #expect((20...60).contains(held.count))
        try write((0..<50).map { "new/\($0).jpg" })
        let second = try reading()
        let heldThen = second.samples.filter { $0.part == .val }.map(\.key)
        #expect(heldThen.filter { !$0.description.hasPrefix("new/") } == held)
    }

    @Test("a folder that changes after it was listed is noticed, a file that does is refused")
    func changes() throws {
        try write(["a/1.jpg", "a/2.jpg", "b/3.jpg"])
        let source = ImageFolderSource(ByteName(root))
        let survey = try source.survey()
        let unit = try #require(survey.units.first)
        try write(["a/15.jpg"])
        let error = try #require(throws: DatasetError.self) {
            try source.read(unit, classes: survey.classes) { _ in }
        }
        #expect(error.message.contains("not those that were listed"))
        try FileManager.default.removeItem(atPath: "\(root)/a/15.jpg")
        var events: [SourceEvent] = []
        try source.read(unit, classes: survey.classes) { event in
            if events.isEmpty { try FileManager.default.removeItem(atPath: "\(root)/b/3.jpg") }
            events.append(event)
        }
        guard case .refused(let notice) = events[2] else {
            Issue.record("\(events[2])")
            return
        }
        #expect(notice.name.description == "b/3.jpg" && notice.reason.contains("No such file"))
    }

    @Test("too large, empty and foreign files are told apart without reading them whole")
    func sizes() throws {
        try write(["a/1.jpg"], [])
        try write(["a/2.jpg"], Self.jpeg + [UInt8](repeating: 1, count: 100_000))
        try write(["a/3.png"], [UInt8](repeating: 0, count: 100_000))
        var options = SourceOptions()
        options.mostPictureBytes = 100_003
        let read = try Reading(ImageFolderSource(ByteName(root), options: options))
        #expect(
            read.refused.map(\.reason) == [
                "empty file", "has 100004 bytes; at most 100003 are read",
            ])
        #expect(read.samples.map(\.encoded.count) == [4096])
        #expect(try reading().samples.map(\.encoded.count) == [100_004, 4096])
    }

    @Test(
        "files and folders without permission are refused by name",
        .enabled(if: geteuid() != 0, "root may read everything"))
    func permissions() throws {
        try write(["a/1.jpg", "a/2.jpg", "a/sub/3.jpg", "b/4.jpg"])
        for name in ["a/2.jpg", "a/sub", "b"] { chmod("\(root)/\(name)", 0) }
        defer { for name in ["a/sub", "b"] { chmod("\(root)/\(name)", 0o700) } }
        let read = try reading()
        #expect(read.samples.map(\.key.description) == ["a/1.jpg"])
        #expect(read.refused.map(\.name.description) == ["a/sub", "b", "a/2.jpg"])
        #expect(read.refused.allSatisfy { $0.reason.hasSuffix(": Permission denied") })
    }

    @Test("a class that leads back to the root is empty, and links that multiply come to an end")
    func links() throws {
        try write(["a/1.jpg", "b/2.jpg"])
        try FileManager.default.createSymbolicLink(
            atPath: "\(root)/c", withDestinationPath: ".")
        let read = try reading()
        #expect(read.survey.classes.map(\.description) == ["a", "b", "c"])
        #expect(read.survey.parts.flatMap { $0.classCounts }.count == 3 * read.survey.parts.count)
        #expect(read.samples.map(\.key.description) == ["a/1.jpg", "b/2.jpg"])
        // Each of 24 folders has two links to the next: 2^24 paths.
        for level in 0..<24 {
            try write(["deep/x/\(level)/1.txt"])
            for link in ["l", "m"] {
                try FileManager.default.createSymbolicLink(
                    atPath: "\(root)/deep/x/\(level)/\(link)",
                    withDestinationPath: "../\(level + 1)")
            }
        }
        try write(["deep/x/24/1.jpg"])
        #expect(try error("deep").code == .tooLarge)
    }
}
