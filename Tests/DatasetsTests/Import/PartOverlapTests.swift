// Lists of the names of pictures, pictures in two parts, and counts by reason.
import Foundation
import Testing

@testable import Datasets

@Suite struct PartOverlapTests {
    private func list(_ entries: [(String, UInt8)]) -> SampleList {
        var list = SampleList()
        for (name, seed) in entries {
            list.add(ByteName(name), digest: (0..<32).map { seed &+ UInt8($0) })
        }
        return list
    }

    @Test("a list of names is read as it was written, and a damaged one is refused")
    func lists() throws {
        let list = list([("a/1.jpg", 1), ("", 2), (String(repeating: "é", count: 300), 3)])
        let bytes = list.encoded
        let read = try SampleList(encoded: bytes)
        #expect(read == list)
        #expect(read.name(0) == ByteName("a/1.jpg") && read.name(1) == ByteName(""))
        #expect(read.name(2).bytes.count == 600)
        for length in 0..<bytes.count {
            #expect(throws: DatasetError.self) {
                try SampleList(encoded: Array(bytes[..<length]))
            }
        }
    }

    @Test("pictures in two parts are found and counted; those twice in one part are not")
    func overlap() {
        let train = list([("t/1", 1), ("t/2", 2), ("t/2 again", 2), ("t/3", 3)])
        let val = list([("v/9", 9), ("v/2", 2)]), test = list([("e/3", 3), ("e/2", 2), ("e/8", 8)])
        var overlap = PartOverlap(pictures: 9)
        #expect(overlap.passes == 1)
        for (number, (samples, part)) in [
            (train, DatasetPart.train), (val, .val), (test, .test),
        ].enumerated() {
            overlap.add(samples, part: part, shard: number, pass: 0)
        }
        overlap.endPass()
        #expect(overlap.count == 3)
        typealias Place = PartOverlap.Place
        let pairs = overlap.pairs.sorted { ($0.0.picture, $0.1.shard) < ($1.0.picture, $1.1.shard) }
        #expect(
            pairs.map(\.0) == [
                Place(part: .train, shard: 0, picture: 1),
                Place(part: .train, shard: 0, picture: 1),
                Place(part: .train, shard: 0, picture: 3),
            ])
        #expect(
            pairs.map(\.1) == [
                Place(part: .val, shard: 1, picture: 1), Place(part: .test, shard: 2, picture: 1),
                Place(part: .test, shard: 2, picture: 0),
            ])
    }

    @Test("many pictures are compared in several passes with the same result")
    func passes() {
        let count = 5_000_000
        var overlap = PartOverlap(pictures: count)
        #expect(overlap.passes == 3)
        let train = list((0..<100).map { ("t/\($0)", UInt8($0)) })
        let test = list((50..<150).map { ("e/\($0)", UInt8($0)) })
        for pass in 0..<overlap.passes {
            overlap.add(train, part: .train, shard: 0, pass: pass)
            overlap.add(test, part: .test, shard: 1, pass: pass)
            overlap.endPass()
        }
        #expect(overlap.count == 50)
        #expect(overlap.pairs.count == 20)
        #expect(overlap.pairs.allSatisfy { $0.picture == $1.picture + 50 })
    }

    @Test("reasons are counted without what differs from picture to picture")
    func reasons() {
        #expect(ImportTally.short("truncated JPEG (Premature end of file)") == "truncated JPEG")
        #expect(
            ImportTally.short("unsupported format JPEG 2000 (by its content)")
                == "unsupported format JPEG 2000")
        #expect(
            ImportTally.short("has 67108865 bytes; at most 67108864 are read")
                == "has n bytes; at most n are read")
        var tally = ImportTally()
        for number in 0..<2000 { tally.add(ByteName("\(number)"), "reason \(number) of many") }
        #expect(tally.count == 2000 && tally.counts.count == 65)
        #expect(tally.entries.count == ImportTally.mostEntries)
        var both = tally
        both.add(tally)
        #expect(both.count == 4000 && both.entries == tally.entries)
    }

    @Test("a stated validation part is held out, and nothing of it is trained on")
    func validation() throws {
        let split = try Split(trainCount: 100, validation: 30, heldOut: 20, seed: 5)
        #expect(Set(split.training) == Set(0..<70))
        #expect(split.heldOut.count == 20 && split.heldOut.allSatisfy { $0 >= 70 })
        #expect(Set(split.heldOut).count == 20)
        #expect(try Split(trainCount: 100, validation: 30, heldOut: 20, seed: 5) == split)
        for (validation, heldOut) in [(100, 1), (30, 31), (-1, 0)] {
            #expect(throws: DatasetError.self) {
                try Split(trainCount: 100, validation: validation, heldOut: heldOut, seed: 1)
            }
        }
    }
}
