// Philox against its published vectors, and the properties that draws promise.
import Testing

@testable import Tensors

@Suite struct RandomStreamTests {
    /// A (counter, key) and the block that ten rounds make of it: the known-answer file of Random123 1.14.
    private static let vectors: [(counter: [UInt32], key: [UInt32], block: [UInt32])] = [
        ([0, 0, 0, 0], [0, 0], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        (
            .init(repeating: .max, count: 4), [.max, .max],
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        ),
        (
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        ),
    ]

    @Test("ten rounds give the published blocks")
    func published() {
        for (counter, key, block) in Self.vectors {
            let words = RandomStream.philox(
                (counter[0], counter[1], counter[2], counter[3]), (key[0], key[1]))
            #expect([words.0, words.1, words.2, words.3] == block)
        }
    }

    @Test("the first draws of the zero stream are the zero block, two words each")
    func words() {
        var stream = RandomStream(seed: 0)
        #expect(stream.next() == 0x6627_e8d5_e169_c58d)
        #expect(stream.next() == 0xbc57_ac4c_9b00_dbd8)
        #expect(stream.next() != 0x6627_e8d5_e169_c58d)
    }

    @Test("a stream depends on its seed and every counter, and on nothing drawn before")
    func independence() {
        func first(_ seed: UInt64, _ a: Int, _ b: Int, _ c: Int) -> UInt64 {
            var stream = RandomStream(seed: seed, a, b, c)
            return stream.next()
        }
        let draws = [
            first(1, 0, 0, 0), first(1 << 32, 0, 0, 0), first(0, 1, 0, 0), first(0, 0, 1, 0),
            first(0, 0, 0, 1),
        ]
        #expect(Set(draws).count == draws.count)
        var copy = RandomStream(seed: 3, 4, 5, 6)
        for _ in 0..<5 { _ = copy.next() }
        #expect(first(3, 4, 5, 6) == first(3, 4, 5, 6))
    }

    @Test("uniform numbers lie in [0, 1), normal ones have mean 0 and variance 1")
    func distributions() {
        var stream = RandomStream(seed: 11)
        let n = 100_000
        let uniform = (0..<n).map { _ in Double(stream.uniform()) }
        #expect(uniform.allSatisfy { $0 >= 0 && $0 < 1 })
        // Five standard deviations of each estimate.
        #expect(
            abs(uniform.reduce(0, +) / Double(n) - 0.5) < 5 * (1.0 / 12 / Double(n)).squareRoot())
        let normal = (0..<n).map { _ in Double(stream.normal()) }
        #expect(normal.allSatisfy { $0.isFinite })
        #expect(abs(normal.reduce(0, +) / Double(n)) < 5 / Double(n).squareRoot())
        #expect(
            abs(normal.reduce(0) { $0 + $1 * $1 } / Double(n) - 1) < 5
                * (2 / Double(n)).squareRoot())
    }
}
