// The expected outcomes of the image fixtures' folders and archives, and a reader of whole sources.
import Datasets
import Foundation
import TestSupport
import Testing

/// The parts of the fixtures' index that tell of folders and archives.
struct FormsIndex: Decodable {
    struct Named: Decodable {
        let path, reason: String?
        let path_hex, what: String?
        let key, name_hex: String?
        let label, index: Int?
        let `class`: Int?
        let sha256: String?
    }
    struct Tree: Decodable {
        let tar, root: String?
        let classes, samples, refused, ignored: [Named]?
        let empty_classes: [String]?
        let parts: [Tree]?
        let class_index: [String: [String: Int]]?
    }
    struct Archive: Decodable {
        let path: String
        let samples, refused: [Named]
        let accept, must_not_exist: [String]?
        let also_good: [[AlsoGood]]?
    }
    enum AlsoGood: Decodable {
        case text(String), number(Int)

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            do {
                self = .number(try container.decode(Int.self))
            } catch {
                self = .text(try container.decode(String.self))
            }
        }
    }
    struct CIFAR: Decodable {
        struct Record: Decodable {
            let label, coarse, fine: Int?
            let sha256: String
        }
        struct File: Decodable {
            let file, split: String
            let records: [Record]
        }
        let folder, archive, file, outcome, reason: String?
        let classes: [String]?
        let files: [File]?
    }
    struct IDX: Decodable {
        let file: String
        let shape, labels: [Int]?
        let sha256: [String]?
        let outcome, reason: String?
    }
    let trees: [Tree]
    let webdataset: [Archive]
    let cifar: [CIFAR]
    let idx: [IDX]

    static let missing = "no folder of image fixtures"

    /// Reads the index.
    static func read() throws -> FormsIndex {
        try JSONDecoder().decode(
            FormsIndex.self, from: Data(contentsOf: fixture("index.json")))
    }

    /// A file of the fixtures.
    static func fixture(_ path: String) throws -> URL {
        try #require(SharedFolders.images).appending(path: path)
    }
}

/// Bytes written as hexadecimal digits.
func bytes(hex: String) -> ByteName {
    let digits = Array(hex.utf8)
    return ByteName(
        stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
        })
}

/// Everything that a source tells.
struct Reading {
    var survey: DatasetSurvey
    var samples: [SourceSample] = []
    var refused: [SourceEvent.Notice] = []
    var ignored: [SourceEvent.Notice] = []
    /// The first error of a unit.
    var error: DatasetError?

    /// Surveys a source and reads its units, each stored as JSON in between.
    init(_ source: any DatasetSource) throws {
        var refused: [SourceEvent.Notice] = [], ignored: [SourceEvent.Notice] = []
        survey = try source.survey { event in
            switch event {
            case .sample: Issue.record("a survey gave a sample")
            case .refused(let notice): refused.append(notice)
            case .ignored(let notice): ignored.append(notice)
            }
        }
        #expect(survey.refused.count == refused.count && survey.ignored.count == ignored.count)
        (self.refused, self.ignored) = (refused, ignored)
        let stored = try JSONEncoder().encode(survey)
        let again = try JSONDecoder().decode(DatasetSurvey.self, from: stored)
        #expect(again == survey)
        do {
            for unit in again.units {
                let before = samples.count + self.refused.count
                try read(unit, source)
                if let count = unit.count {
                    #expect(samples.count + self.refused.count - before == count)
                }
            }
        } catch let error as DatasetError {
            self.error = error
        }
        // A visitor may throw; a unit is the same whenever it is read.
        if error == nil, let unit = again.units.last {
            let (all, refusals) = (samples, self.refused)
            try read(unit, source)
            #expect(samples.count + self.refused.count >= all.count + refusals.count)
            #expect(
                samples.suffix(samples.count - all.count) == all.suffix(samples.count - all.count))
            (samples, self.refused) = (all, refusals)
        }
    }

    private mutating func read(_ unit: ImportUnit, _ source: any DatasetSource) throws {
        try source.read(unit, classes: survey.classes) { event in
            switch event {
            case .sample(let sample): samples.append(sample)
            case .refused(let notice): refused.append(notice)
            case .ignored(let notice): ignored.append(notice)
            }
        }
    }
}

extension SourceSample {
    /// The encoded bytes; empty for pixels.
    var encoded: [UInt8] {
        if case .encoded(let bytes) = content { return bytes }
        return []
    }

    /// The pixels with height, width and channels; nil for an encoded picture.
    var pixels: (shape: [Int], bytes: [UInt8])? {
        if case .pixels(let height, let width, let channels, let bytes) = content {
            return ([height, width, channels], bytes)
        }
        return nil
    }
}
