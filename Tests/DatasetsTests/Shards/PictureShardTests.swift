// Shards of pictures: what was added comes back, full shards say so, and no bytes get past the checks.
import Foundation
import Tensors
import TestSupport
import Testing

@testable import Datasets

@Suite struct PictureShardTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func open(_ bytes: [UInt8]) throws -> PictureShard {
        try PictureShard(try scratch.file("shard", bytes))
    }

    private func error(_ bytes: [UInt8]) -> DatasetError? {
        #expect(throws: DatasetError.self) { try open(bytes) }
    }

    @Test("pictures come back with their sizes and labels", arguments: PictureShard.Store.allCases)
    func roundTrip(store: PictureShard.Store) throws {
        for channels in [1, 3] {
            let made = TinyPictures(count: 23, channels: channels)
            let bytes = try made.shards(store)
            #expect(bytes.count == 1)
            let shard = try open(bytes[0])
            #expect(shard.count == 23 && shard.store == store && shard.channels == channels)
            #expect(shard.byteCount == bytes[0].count)
            #expect(shard.labels == made.pictures.map(\.label))
            for (number, picture) in made.pictures.enumerated() {
                #expect(shard.size(number) == (picture.height, picture.width))
                #expect(try shard.bytes(number) == made.stored(number, store))
                let decoded = try shard.withPicture(number) { source in
                    switch source {
                    case .encoded(let file):
                        try PictureDecoder(channels: channels).decode(Array(file)).pixels
                    case .pixels(let pixels, let width, let height, let depth):
                        (width, height, depth) == (picture.width, picture.height, channels)
                            ? Array(pixels) : []
                    }
                }
                // JPEG changes pixels; the rest does not.
                if store == .pixels || number % 2 == 0 { #expect(decoded == picture.pixels) }
            }
        }
    }

    @Test("equal pictures make equal bytes, and the highest label is 65,535")
    func deterministic() throws {
        let made = TinyPictures(count: 7)
        #expect(try made.shards(.files) == made.shards(.files))
        var writer = PictureShardWriter(store: .pixels, channels: 1)
        for label in [65_535, 0] {
            #expect(try writer.add([7], height: 1, width: 1, label: label))
        }
        #expect(writer.count == 2 && writer.byteCount == 64 + 2 * (1 + 28))
        let first = writer.finish()
        #expect(first.count == 64 + 2 * (1 + 28))
        #expect(try open(first).labels == [65_535, 0])
        #expect(writer.count == 0)
        for label in [65_535, 0] {
            #expect(try writer.add([7], height: 1, width: 1, label: label))
        }
        #expect(writer.finish() == first)
    }

    @Test(
        "a full shard refuses the next picture and stays as it is; one that never fits is an error")
    func full() throws {
        var writer = PictureShardWriter(store: .pixels, channels: 3, mostBytes: 64 + 2 * (12 + 28))
        let picture = [UInt8](0..<12)
        #expect(try writer.add(picture, height: 2, width: 2, label: 1))
        #expect(try writer.add(picture, height: 1, width: 4, label: 2))
        #expect(try !writer.add([1, 2, 3], height: 1, width: 1, label: 3))
        #expect(writer.count == 2)
        let bytes = writer.finish()
        #expect(bytes.count == writer.mostBytes)
        #expect(try open(bytes).labels == [1, 2])
        #expect(try open(bytes).bytes(1) == picture)
        let large = [UInt8](repeating: 0, count: 75)
        let error = #expect(throws: DatasetError.self) {
            try writer.add(large, height: 5, width: 5, label: 0)
        }
        #expect(error?.code == .tooLarge && error?.reason.contains("5x5") == true)
        #expect(try writer.add(picture, height: 2, width: 2, label: 0))
        let many = try TinyPictures(count: 40).shards(.pixels, mostBytes: 20_000)
        #expect(many.count > 5 && many.allSatisfy { $0.count <= 20_000 })
    }

    @Test("a changed byte is noticed: of header and index when opened, of a picture when read")
    func damage() throws {
        let bytes = try TinyPictures(count: 5).shards(.files)[0]
        let index = bytes.count - 5 * 28
        for place in Array(0..<64) + Array(index..<bytes.count) {
            var changed = bytes
            changed[place] ^= 0x10
            let error = error(changed)
            #expect(error?.message.contains("shard") == true, "\(place)")
        }
        var stream = RandomStream(seed: 3)
        for _ in 0..<20 {
            var changed = bytes
            changed[64 + stream.below(index - 64)] ^= 1
            let shard = try open(changed)
            let results = (0..<5).map { number -> DatasetError? in
                do throws(any Error) {
                    #expect(
                        try shard.bytes(number) == TinyPictures(count: 5).stored(number, .files))
                    return nil
                } catch { return error as? DatasetError }
            }
            let found = results.compactMap { $0 }
            #expect(found.count == 1 && found[0].code == .corrupt)
            #expect(found[0].reason.contains("picture \(results.firstIndex { $0 != nil } ?? -1) "))
        }
        #expect(error(Array(bytes.dropLast()))?.code == .truncated)
        #expect(error(bytes + [0])?.code == .wrongDimensions)
        #expect(error(Array(bytes.prefix(63)))?.code == .truncated)
        #expect(error([UInt8](repeating: 0, count: 64))?.code == .wrongFormat)
        #expect(error([])?.code == .truncated)
    }

    /// A shard of one grey pixel whose index is rewritten, with a matching checksum.
    private func forged(
        store: Int = 0, channels: Int = 1, count: Int = 1, payload: Int = 1,
        _ entry: (offset: Int, bytes: Int, height: Int, width: Int, label: Int)
    ) throws -> [UInt8] {
        var header = PictureShardLayout.magic
        for value in [1, store, channels, count] {
            PictureShardLayout.append(value, bytes: 4, to: &header)
        }
        PictureShardLayout.append(payload, bytes: 8, to: &header)
        var index: [UInt8] = []
        PictureShardLayout.append(
            .init(
                offset: entry.offset, byteCount: entry.bytes, height: entry.height,
                width: entry.width, label: entry.label, crc32: 0), to: &index)
        PictureShardLayout.append(Int(Self.crc32(header + index)), bytes: 4, to: &header)
        return header + [UInt8](repeating: 0, count: 64 - header.count) + [9] + index
    }

    /// CRC-32 as in gzip, bit by bit.
    private static func crc32(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { sum, byte in
            (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in
                sum >> 1 ^ (sum & 1 == 1 ? 0xEDB8_8320 : 0)
            }
        }
    }

    @Test("an index with a valid checksum and impossible entries is refused before it is used")
    func hostile() throws {
        #expect(try open(forged((0, 1, 1, 1, 65_535))).labels == [65_535])
        let huge = 0xFFFF_FFFF
        let cases: [(code: DatasetError.Code, bytes: [UInt8])] = [
            (.wrongDimensions, try forged((1, 1, 1, 1, 0))),
            (.wrongDimensions, try forged((-1, 1, 1, 1, 0))),
            (.wrongDimensions, try forged((1 << 62, 1, 1, 1, 0))),
            (.wrongDimensions, try forged((0, 0, 1, 1, 0))),
            (.wrongDimensions, try forged((0, 2, 1, 1, 0))),
            (.wrongDimensions, try forged((0, huge, 1, 1, 0))),
            (.wrongDimensions, try forged((0, 1, 1, 2, 0))),
            (.wrongDimensions, try forged((0, 1, 1, 1, 65_536))),
            (.wrongDimensions, try forged((0, 1, 1, 1, huge))),
            (.tooLarge, try forged((0, 1, 0, 1, 0))),
            (.tooLarge, try forged((0, 1, 1, 0, 0))),
            (.tooLarge, try forged((0, 1, huge, huge, 0))),
            (.tooLarge, try forged(store: 1, (0, 1, 1 << 20, 1 << 20, 0))),
            (.wrongDimensions, try forged(store: 2, (0, 1, 1, 1, 0))),
            (.wrongDimensions, try forged(channels: 2, (0, 1, 1, 1, 0))),
            (.wrongDimensions, try forged(channels: 0, (0, 1, 1, 1, 0))),
            (.wrongDimensions, try forged(count: 0, (0, 1, 1, 1, 0))),
            (.truncated, try forged(count: 2, (0, 1, 1, 1, 0))),
            (.truncated, try forged(count: huge, (0, 1, 1, 1, 0))),
            (.truncated, try forged(payload: -1, (0, 1, 1, 1, 0))),
            (.truncated, try forged(payload: 1 << 62, (0, 1, 1, 1, 0))),
            (.wrongDimensions, try forged(payload: 0, (0, 1, 1, 1, 0))),
        ]
        for (number, entry) in cases.enumerated() {
            #expect(error(entry.bytes)?.code == entry.code, "case \(number)")
        }
    }

    @Test("mutated shards are read or refused")
    func mutated() throws {
        let corpus = try PictureShard.Store.allCases.flatMap {
            try TinyPictures(count: 3).shards($0)
        }
        let path = scratch.folder.appending(path: "mutated").path
        try Mutations("picture-shards", of: corpus).run(
            Mutations.cases(share: 0.005), throwing: DatasetError.self
        ) { bytes in
            try Data(bytes).write(to: URL(filePath: path))
            let shard = try PictureShard(path)
            for number in 0..<shard.count { _ = try shard.bytes(number) }
        }
    }

    @Test("what is not a file is refused by name")
    func noFile() {
        for path in ["/nowhere/shard", "/dev/null", scratch.folder.path] {
            let error = #expect(throws: DatasetError.self) { try PictureShard(path) }
            #expect(error?.code == .unreadable && error?.reason.contains(path) == true)
        }
    }
}
