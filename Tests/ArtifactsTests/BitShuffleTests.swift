// The bit shuffle against its definition, bit by bit.

import Artifacts
import Testing

/// Deterministic random words (SplitMix64).
struct WordStream {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }

    mutating func words(_ count: Int) -> [UInt32] {
        (0..<count).map { _ in UInt32(truncatingIfNeeded: next()) }
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    /// Bytes of `count` float32 values like weights: about normal, standard deviation 0.05.
    mutating func weights(_ count: Int) -> [UInt8] {
        (0..<count).flatMap { _ in
            let sum = (0..<12).reduce(Float(-6)) { sum, _ in
                sum + Float(next() >> 40) / Float(1 << 24)
            }
            let bits = (sum * 0.05).bitPattern
            return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
        }
    }
}

@Suite struct BitShuffleTests {
    /// The definition: plane b of a block holds bit b of its elements in order.
    private func naive(_ elements: [UInt32]) -> [UInt32] {
        var output = elements
        for start in stride(from: 0, to: elements.count, by: 2048) {
            let count = min(2048, elements.count - start) / 32 * 32
            for bit in 0..<32 {
                for word in 0..<(count / 32) {
                    output[start + bit * (count / 32) + word] = (0..<32).reduce(UInt32(0)) {
                        sum, index in
                        sum | (elements[start + word * 32 + index] >> UInt32(bit) & 1)
                            << UInt32(index)
                    }
                }
            }
        }
        return output
    }

    private func bytes(_ words: [UInt32]) -> [UInt8] {
        words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
    }

    private func words(_ bytes: [UInt8]) -> [UInt32] {
        stride(from: 0, to: bytes.count, by: 4).map { start in
            (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) }
        }
    }

    @Test(
        "every size gives the planes of the definition and comes back",
        arguments: [
            0, 1, 31, 32, 33, 96, 128, 160, 255, 2047, 2048, 2049, 2048 + 224, 3 * 2048 + 37,
        ])
    func sizes(count: Int) {
        var random = WordStream(state: UInt64(count))
        let elements = random.words(count)
        // Up to three bytes more than whole elements are copied.
        let tail = [UInt8](repeating: 7, count: count % 4)
        let shuffled = BitShuffle.shuffle(bytes(elements) + tail)
        #expect(shuffled == bytes(naive(elements)) + tail)
        #expect(BitShuffle.unshuffle(shuffled) == bytes(elements) + tail)
    }

    @Test("a set bit lands in its plane")
    func oneBit() {
        var elements = [UInt32](repeating: 0, count: 2048)
        elements[77] = 1 << 31
        let planes = words(BitShuffle.shuffle(bytes(elements)))
        #expect(planes[31 * 64 + 77 / 32] == 1 << (77 % 32))
        #expect(planes.filter { $0 != 0 }.count == 1)
    }
}
