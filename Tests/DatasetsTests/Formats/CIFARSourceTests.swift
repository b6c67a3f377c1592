// CIFAR: the fixtures' folders, archives and faults.
import Datasets
import Foundation
import TestSupport
import Testing

@Suite(.enabled(if: SharedFolders.images != nil, "no folder of image fixtures"))
struct CIFARSourceTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private var root: String { scratch.folder.path }

    @Test("folder and archive give the stated records, labels, names and pixels, recognised too")
    func records() throws {
        let sets = try FormsIndex.read().cifar.filter { $0.files != nil }
        #expect(sets.count == 2)
        for set in sets {
            let folder = try #require(set.folder), archive = try #require(set.archive)
            for path in [folder, archive] {
                for stated in [DatasetForm.cifar, nil] {
                    let read = try Reading(
                        DatasetForm.open(FormsIndex.fixture(path).path, stated: stated))
                    try check(set, read)
                }
            }
        }
    }

    private func check(_ set: FormsIndex.CIFAR, _ read: Reading) throws {
        #expect(read.error == nil && read.refused.isEmpty)
        #expect(read.survey.form == .cifar)
        #expect(read.survey.classes.map(\.description) == set.classes)
        let files = try #require(set.files)
        let records = files.flatMap { file in file.records.map { (file, $0) } }
        #expect(read.samples.count == records.count)
        for (sample, (file, record)) in zip(read.samples, records) {
            #expect(sample.part.rawValue == file.split)
            #expect(sample.classIndex == record.label ?? record.fine)
            #expect(file.file.hasSuffix("/" + sample.file.description))
            #expect(sample.pixels?.shape == [32, 32, 3])
            #expect(sha256(sample.pixels?.bytes ?? []) == record.sha256)
        }
        #expect(
            read.survey.parts.map(\.count)
                == ["train", "test"].map { part in
                    records.filter { $0.0.split == part }.count
                })
    }

    @Test("every faulty file is refused with its reason")
    func faults() throws {
        let faults = try FormsIndex.read().cifar.filter { $0.outcome == "refused" }
        #expect(faults.count == 12)
        for fault in faults {
            let path = try FormsIndex.fixture(try #require(fault.file)).path
            let reason = try #require(fault.reason)
            let name = String(path.split(separator: "/").last ?? "")
            let error = try error(of: path, name)
            let words =
                [
                    "empty file": "is an empty file", "gzip data is truncated": "of its gzip data",
                    "not a multiple of 3,073, but a multiple of 3,074: looks like CIFAR-100":
                        "not a multiple of 3,073, but a multiple of 3,074: looks like CIFAR-100",
                ][reason] ?? reason.replacing("; use", with: ": use")
            #expect(error.message.contains(words), "\(name): \(error)")
        }
    }

    /// The error of an archive, of a pickled file, or of a folder with this file as its first.
    private func error(of path: String, _ name: String) throws -> DatasetError {
        var place = path
        if name.hasSuffix(".bin") {
            let isHundred = name.hasPrefix("cifar-100-fine")
            let folder = isHundred ? "cifar-100-binary" : "cifar-10-batches-bin"
            let copy = scratch.folder.appending(path: name)
            try FileManager.default.copyItem(
                at: FormsIndex.fixture("cifar/\(folder)"), to: copy)
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o700], ofItemAtPath: copy.path)
            let file = copy.appending(path: isHundred ? "train.bin" : "data_batch_1.bin")
            try FileManager.default.removeItem(at: file)
            try FileManager.default.copyItem(at: URL(filePath: path), to: file)
            place = copy.path
        }
        return try #require(throws: DatasetError.self, "\(name)") {
            let read = try Reading(DatasetForm.open(place, stated: .cifar))
            if let error = read.error { throw error }
        }
    }

    @Test("missing files, two data sets and archives beside their folder")
    func folders() throws {
        let ten = scratch.folder.appending(path: "cifar-10-batches-bin")
        try FileManager.default.copyItem(
            at: FormsIndex.fixture("cifar/cifar-10-batches-bin"), to: ten)
        try FileManager.default.copyItem(
            at: FormsIndex.fixture("cifar/cifar-10-binary.tar.gz"),
            to: scratch.folder.appending(path: "cifar-10-binary.tar.gz"))
        #expect(try Reading(DatasetForm.open(root)).samples.count == 27)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: ten.path)
        try FileManager.default.removeItem(at: ten.appending(path: "batches.meta.txt"))
        func message() throws -> String {
            try #require(throws: DatasetError.self) { try DatasetForm.open(root).survey() }.message
        }
        #expect(try message().contains("batches.meta.txt is missing"))
        try FileManager.default.removeItem(at: ten)
        #expect(try Reading(DatasetForm.open(root)).samples.count == 27)
        try FileManager.default.copyItem(
            at: FormsIndex.fixture("cifar/cifar-100-binary"),
            to: scratch.folder.appending(path: "cifar-100-binary"))
        #expect(try message().contains("files of CIFAR-10 and of CIFAR-100"))
    }
}
