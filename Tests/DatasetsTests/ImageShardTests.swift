// Shards: what is written is mapped back, and nothing damaged is.
import Datasets
import Foundation
import Testing

@Suite struct ImageShardTests {
    let scratch: Scratch
    let layout = ImageShard.Layout(count: 5, height: 3, width: 2, channels: 2, classes: 4)
    let images = (0..<60).map { UInt8($0 * 4) }
    let labels: [UInt8] = [0, 3, 1, 2, 0]

    init() throws { scratch = try Scratch() }

    private func code(_ bytes: [UInt8]) throws -> DatasetError.Code? {
        let path = try scratch.file("damaged", bytes)
        return #expect(throws: DatasetError.self) { try ImageShard(path) }?.code
    }

    @Test("a shard is mapped back as it was written")
    func roundTrip() throws {
        let path = scratch.folder.appending(path: "a.shard").path
        try ImageShard.write(path, images: images, labels: labels, layout: layout)
        let shard = try ImageShard(path)
        #expect(shard.layout == layout)
        #expect(shard.labels == labels)
        #expect(shard.withImages { Array($0) } == images)
        #expect(shard.image(3) == Array(images[36..<48]))
        #expect(shard.fingerprint.hasPrefix("5x3x2x2-4-"))
    }

    @Test("the fingerprint follows the content")
    func fingerprint() throws {
        let bytes = try ImageShard.encode(images: images, labels: labels, layout: layout)
        #expect(try ImageShard.encode(images: images, labels: labels, layout: layout) == bytes)
        var others = images
        others[0] ^= 1
        let first = try ImageShard(try scratch.file("a", bytes))
        let changed = try ImageShard.encode(images: others, labels: labels, layout: layout)
        #expect(try ImageShard(scratch.file("b", changed)).fingerprint != first.fingerprint)
    }

    @Test("every flipped bit and every cut is noticed")
    func damage() throws {
        let bytes = try ImageShard.encode(images: images, labels: labels, layout: layout)
        for place in bytes.indices {
            var damaged = bytes
            damaged[place] ^= 0x10
            #expect(try code(damaged) != nil)
        }
        #expect(try code([]) == .truncated)
        #expect(try code(Array(bytes.dropLast())) == .truncated)
        #expect(try code(bytes + [0]) == .wrongDimensions)
        #expect(try code(Array(repeating: 0, count: 200)) == .wrongFormat)
        var flipped = bytes
        flipped[70] ^= 1
        #expect(try code(flipped) == .corrupt)
    }

    @Test("sizes and labels that contradict each other are not written")
    func contradictions() {
        func code(_ images: [UInt8], _ labels: [UInt8], _ layout: ImageShard.Layout) -> DatasetError
            .Code?
        {
            #expect(throws: DatasetError.self) {
                try ImageShard.encode(images: images, labels: labels, layout: layout)
            }?.code
        }
        #expect(code(Array(images.dropLast()), labels, layout) == .wrongDimensions)
        #expect(code(images, [0, 1], layout) == .wrongDimensions)
        #expect(code(images, [0, 1, 2, 3, 4], layout) == .wrongDimensions)
        var empty = layout
        empty.count = 0
        #expect(code([], [], empty) == .wrongDimensions)
    }

    @Test("a missing file and a folder are unreadable")
    func missing() {
        for path in [scratch.folder.appending(path: "none").path, scratch.folder.path] {
            let error = #expect(throws: DatasetError.self) { try ImageShard(path) }
            #expect(error?.code == .unreadable)
        }
    }
}
