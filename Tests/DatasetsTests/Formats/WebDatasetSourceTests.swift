// WebDataset: every shard of the fixtures, parts by names, and archives made here with tar.
import Datasets
import Foundation
import TestSupport
import Testing

@Suite struct WebDatasetSourceTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private var root: String { scratch.folder.path }

    /// Reasons that only decoding can tell.
    private static let fromContent: Set = [
        "truncated JPEG", "unsupported format GIF (by content)", "not a picture",
    ]
    /// The words of our refusals for the reasons of the index, where they differ.
    private static let words = [
        "no field jpg, jpeg or png; names hold a dot too many":
            "no field jpg, jpeg or png: names hold a dot too many",
        "archive is truncated": "is truncated", "empty file": "is an empty file",
        "gzip data is truncated": "in the middle of its gzip data", "no sample": "no sample",
        "gzip checksum": "incorrect data check", "corrupt tar header": "corrupt tar header",
        "not a tar archive": "is not a tar archive",
    ]
    /// Members without the other half of their sample, which the index does not list.
    private static let halves = ["harmless": "no picture", "nul": "no picture"]

    private func run(_ arguments: String...) throws -> [UInt8] {
        let process = Process(), output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return [UInt8](bytes)
    }

    private func write(_ name: String, _ content: String = "x") throws {
        let file = scratch.folder.appending(path: name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(content.utf8).write(to: file)
    }

    @Test(
        "the fixtures' shards give exactly the stated samples and refusals",
        .enabled(if: SharedFolders.images != nil, "no folder of image fixtures"))
    func shards() throws {
        let archives = try FormsIndex.read().webdataset
        #expect(archives.count == 47)
        for archive in archives {
            let path = try FormsIndex.fixture(archive.path).path
            try check(archive, try Reading(DatasetForm.open(path, stated: .webDataset)))
            for forbidden in archive.must_not_exist ?? [] {
                #expect(!FileManager.default.fileExists(atPath: forbidden))
            }
        }
    }

    private func check(_ archive: FormsIndex.Archive, _ read: Reading) throws {
        let refused = archive.refused
        // Whether the bytes are a picture is found by decoding, so the file comes as a sample here.
        let decided = Set(
            refused.filter { Self.fromContent.contains($0.reason ?? "") }.compactMap(\.what))
        let taken = read.samples.filter { !decided.contains($0.key.description) }
        #expect(read.samples.count == taken.count + decided.count, "\(archive.path)")
        var expected = archive.samples.map { (key: ByteName($0.key ?? ""), label: $0.label ?? -1) }
        for good in archive.also_good ?? [] {
            guard case .text(let text) = good[0], case .number(let label) = good[1] else {
                continue
            }
            let key = text == "caf\\xe9" ? bytes(hex: "636166e9") : ByteName(text)
            let other = text == "caf\\xe8" ? bytes(hex: "636166e8") : key
            expected.insert((other, label), at: expected.count - 1)
        }
        if archive.path.contains("symlink") {
            // An ordinary name: it may be kept.
            expected.insert((ByteName("s2/ofa-fixture-evil"), 1), at: 1)
        }
        if read.error != nil {
            // The archive is refused as a whole, whatever came before the fault.
            expected = Array(expected.prefix(taken.count))
            if archive.path.hasSuffix("truncated.tar.gz") {
                expected = [(ByteName("000200"), 4), (ByteName("000201"), 0)]
            }
        }
        #expect(taken.map(\.key) == expected.map(\.key), "\(archive.path)")
        #expect(taken.map(\.classIndex) == expected.map(\.label), "\(archive.path)")
        var notices = read.refused.map { (name: $0.key.description, reason: $0.reason) }
        notices.removeAll { Self.halves[$0.name] == $0.reason }
        if let error = read.error {
            #expect(error.message.contains(archive.path.split(separator: "/").last ?? ""))
            notices.append((notices.isEmpty ? "archive" : "", error.message))
        }
        for entry in refused where !decided.contains(entry.what ?? "") {
            let what = entry.what == "nul\\0hidden" ? "nul\0hidden" : entry.what ?? ""
            let reason = entry.reason ?? ""
            let start = reason.split(separator: ": b'").first.map(String.init) ?? reason
            let words = Self.words[reason] ?? start
            let found = notices.first { notice in
                let isNamed =
                    notice.name == ByteName(what).description || what == "archive"
                    || notice.reason.contains("member \(what).")
                return isNamed && notice.reason.contains(words)
            }
            #expect(found != nil, "\(archive.path): \(what), \(reason) in \(notices)")
        }
        let count = refused.count - decided.count
        #expect(notices.count == count, "\(archive.path): \(notices)")
    }

    @Test(
        "pictures have the bytes that tar unpacks",
        .enabled(if: SharedFolders.images != nil, "no folder of image fixtures"),
        arguments: [
            "plain.tar", "plain.tar.gz", "several-gzip-members.tgz", "long-names-gnu.tar",
            "long-names-pax.tar", "long-names-ustar-prefix.tar", "dots-in-folders.tar",
            "hostile/pax-size.tar",
        ])
    func content(name: String) throws {
        let path = try FormsIndex.fixture("tars/\(name)").path
        let read = try Reading(DatasetForm.open(path, stated: .webDataset))
        #expect(!read.samples.isEmpty)
        for sample in read.samples {
            let member = "\(String(decoding: sample.key.bytes, as: UTF8.self)).jpg"
            #expect(try run("tar", "-xOf", path, member) == sample.encoded, "\(member)")
        }
    }

    @Test(
        "the keys of shards may repeat, and a folder of shards is one data set",
        .enabled(if: SharedFolders.images != nil, "no folder of image fixtures"))
    func set() throws {
        let read = try Reading(DatasetForm.open(FormsIndex.fixture("tars/shards").path))
        #expect(read.survey.form == .webDataset && read.survey.units.count == 3)
        #expect(read.samples.map(\.classIndex) == [0, 1, 1, 2, 2, 3])
        #expect(Set(read.samples.map(\.name)).count == 6 && read.refused.isEmpty)
        #expect(read.samples[2].name.description == "part-000001.tar: 0000")
        #expect(read.survey.isSplitByHash)
    }

    @Test("folders or words in names tell the parts; some names without them are an error")
    func parts() throws {
        try write("0.jpg", "\u{7F}")
        try write("0.cls", "3")
        func make(_ name: String) throws {
            try write(name)
            _ = try run("tar", "-cf", "\(root)/\(name)", "-C", root, "0.cls", "0.jpg")
        }
        for name in ["a/set-train-0.tar", "a/set-val-0.tar", "b/test/0.tar", "b/train/0.tar"] {
            try make(name)
        }
        func parts(_ folder: String) throws -> [DatasetPart] {
            try Reading(WebDatasetSource(ByteName("\(root)/\(folder)"))).samples.map(\.part)
        }
        #expect(try parts("a") == [.train, .val])
        #expect(try parts("b") == [.train, .test])
        try make("a/more.tar")
        func message(_ folder: String) throws -> String {
            try #require(throws: DatasetError.self) { try parts(folder) }.message
        }
        #expect(try message("a").contains("set-train-0.tar tells its part, that of more.tar does"))
        try make("c/val.tar")
        #expect(try message("c").contains("archives of val.tar and none of train"))
        try write("d/readme.txt")
        #expect(try message("d").contains("has no archives"))
        try make("e/train-val.tar")
        #expect(try message("e").contains("tells several parts"))
    }

    @Test("labels beyond the possible classes, two pictures and joined archives are refused")
    func faults() throws {
        for (name, text) in [
            ("0.jpg", "x"), ("0.cls", "65535"), ("1.jpg", "x"), ("1.cls", "65536"), ("2.jpg", "x"),
            ("2.png", "x"), ("2.cls", "1"), ("3.jpg", "x"), ("3.json", "{\"label\":\"dog\"}"),
            ("4.jpg", "x"), ("4.json", "{\"label\": 7, \"label\": 8}"), ("5.jpg", "x"),
            ("5.json", "{\"name\": 7}"), ("6.jpg", ""), ("6.cls", "0"),
        ] { try write(name, text) }
        _ = try run(
            "sh", "-c", "cd \(root) && tar -cf a.tar ?.* && cat a.tar a.tar > joined.tar")
        let read = try Reading(WebDatasetSource(ByteName("\(root)/a.tar")))
        #expect(read.samples.map(\.classIndex) == [65535])
        #expect(
            read.refused.map(\.reason) == [
                "label 65536 is too large; at most 65536 classes are possible, from 0 on",
                "two pictures", "label in json is not a whole number >= 0", "json has two labels",
                "no label", "empty file",
            ])
        let joined = try Reading(WebDatasetSource(ByteName("\(root)/joined.tar")))
        #expect(joined.error?.message.contains("goes on behind the end of its archive") == true)
    }

    @Test("a sparse member is refused with all its map, and what follows is read")
    func sparse() throws {
        let path = try scratch.file("0.jpg", [])
        let file = try FileHandle(forWritingTo: URL(filePath: path))
        for piece in 0..<40 {
            try file.seek(toOffset: UInt64(piece) << 20)
            try file.write(contentsOf: Data("data \(piece)".utf8))
        }
        try file.close()
        for (name, text) in [("0.cls", "1"), ("1.jpg", "x"), ("1.cls", "2")] {
            try write(name, text)
        }
        for format in ["gnu", "pax"] {
            let tar = "\(root)/\(format).tar"
            _ = try run(
                "tar", "-S", "--format=\(format)", "-cf", tar, "-C", root, "0.jpg", "0.cls",
                "1.jpg", "1.cls")
            let read = try Reading(WebDatasetSource(ByteName(tar)))
            #expect(read.error == nil && read.samples.map(\.classIndex) == [2])
            #expect(read.refused.map(\.key.description) == ["0"])
            #expect(read.refused.map(\.reason) == ["sparse member"])
        }
    }

    @Test("a visitor that throws is not called again")
    func stops() throws {
        for (name, text) in [("0.cls", "1"), ("1.jpg", "x"), ("1.cls", "2")] {
            try write(name, text)
        }
        _ = try run("tar", "-cf", "\(root)/a.tar", "-C", root, "0.cls", "1.jpg", "1.cls")
        let source = WebDatasetSource(ByteName(root))
        let survey = try source.survey()
        var calls = 0
        #expect(throws: CancellationError.self) {
            try source.read(survey.units[0], classes: []) { _ in
                calls += 1
                throw CancellationError()
            }
        }
        #expect(calls == 1 && survey.units[0].bytes == 10240)
    }

    @Test("an archive that grows after it was listed is not read")
    func changed() throws {
        try write("0.jpg")
        _ = try run("tar", "-cf", "\(root)/a.tar", "-C", root, "0.jpg")
        let source = WebDatasetSource(ByteName(root))
        let survey = try source.survey()
        try write("a.tar", "short")
        let error = try #require(throws: DatasetError.self) {
            try source.read(survey.units[0], classes: []) { _ in }
        }
        #expect(error.message.contains("has 5 bytes, and had 10240 when it was listed"))
    }
}
