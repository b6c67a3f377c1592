// Damaged pictures: any bytes are decoded or refused, in bounded time and memory.
import Foundation
import TestSupport
import Tensors
import Testing

@testable import Datasets

struct PictureMutationTests {
    /// Words that matter to the two formats: markers, chunk names, extreme sizes.
    private static let words = [
        "IHDR", "IDAT", "PLTE", "tRNS", "IEND", "iCCP", "zTXt", "acTL", "fdAT", "Adobe", "JFIF",
        "Exif", "ICC_PROFILE",
    ]

    private func mutate(_ folder: String, share: Double) throws {
        let corpus = try Mutations.corpus(folder).map(\.bytes)
        var limits = PictureDecoder.Limits()
        // A mutated header may declare any size; that a large one works is another test.
        limits.pixels = 1 << 20
        limits.memoryBytes = 8 << 20
        let colour = PictureDecoder(channels: 3, limits: limits)
        let grey = PictureDecoder(channels: 1, limits: limits)
        var number = 0
        try Mutations("pictures-" + folder, of: corpus, words: Self.words, seed: 19).run(
            Mutations.cases(share: share), throwing: DatasetError.self
        ) { input in
            number += 1
            let bytes = Self.repaired(input, number)
            var stream = RandomStream(seed: 19, number)
            let decoder = number % 4 == 0 ? grey : colour
            let isChecked = number % 2 == 0
            let choice = number % 3
            _ = try decoder.view(encoded: bytes, isChecked: isChecked) { width, height in
                switch choice {
                case 0: .evaluation(width: width, height: height, size: 48)
                case 1:
                    Augmentation.imageNet.view(
                        width: width, height: height, size: 48, using: &stream)
                default: .whole(width: width, height: height)
                }
            }
        }
    }

    /// Half of the PNGs get right checksums again, so that mutations reach the code behind them.
    private static func repaired(_ input: [UInt8], _ number: Int) -> [UInt8] {
        guard number % 2 == 0, PictureKind(input) == .png else { return input }
        var bytes = input, at = 8
        while at + 12 <= bytes.count {
            let length = bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
            guard length <= bytes.count - at - 12 else { break }
            let end = at + 8 + length
            var sum = crc(bytes[at + 4..<end])
            for place in (end..<end + 4).reversed() {
                bytes[place] = UInt8(truncatingIfNeeded: sum)
                sum >>= 8
            }
            at = end + 4
        }
        return bytes
    }

    private static let table: [UInt32] = (0..<256).map { n in
        (0..<8).reduce(UInt32(n)) { c, _ in c & 1 == 1 ? 0xEDB8_8320 ^ c >> 1 : c >> 1 }
    }

    private static func crc(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        ~bytes.reduce(UInt32.max) { table[Int(($0 ^ UInt32($1)) & 0xFF)] ^ $0 >> 8 }
    }

    @Test("a damaged JPEG is decoded or refused")
    func jpeg() throws { try mutate("jpeg", share: 0.1) }

    @Test("a damaged PNG is decoded or refused")
    func png() throws { try mutate("png", share: 0.1) }

    @Test("any first bytes have a kind and a message")
    func kinds() throws {
        let corpus = try Mutations.corpus("kinds").map { Array($0.bytes.prefix(64)) }
        try Mutations("pictures-kinds", of: corpus, seed: 19).run(
            Mutations.cases(share: 0.05), throwing: DatasetError.self
        ) { input in
            if let refusal = PictureKind(input).refusal { throw refusal }
        }
    }
}
