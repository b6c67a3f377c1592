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

    @Test("a draw below a bound is the high half of a product with the next word")
    func below() {
        // The first two words of the zero stream are 0x6627e8d5e169c58d and 0xbc57ac4c9b00dbd8.
        var stream = RandomStream(seed: 0)
        #expect(stream.below(1000) == 399)  // 0x6627… / 2^64 = 0.39904647…
        #expect(stream.below(1000) == 735)  // 0xbc57… / 2^64 = 0.73571278…
        var same = RandomStream(seed: 0)
        #expect(same.below(1) == 0 && same.below(10) == 7)
        // What was drawn before these functions existed is drawn still.
        var old = RandomStream(seed: 5, 1, 2, 3), new = old
        for count in 1...500 {
            let word = old.next().multipliedFullWidth(by: UInt64(count)).high
            #expect(new.below(count) == Int(word))
        }
    }

    @Test("draws below a bound are unbiased: what would favour some values is drawn again")
    func unbiased() {
        // Of 2^64 words 2^62 are too many for three times 2^62 values: they are the low products below 2^62.
        let count = 3 << 61
        var stream = RandomStream(seed: 3), words = RandomStream(seed: 3)
        let excess = (0 &- UInt64(count)) % UInt64(count)
        var again = 0
        for _ in 0..<1000 {
            var product = words.next().multipliedFullWidth(by: UInt64(count))
            while product.low < excess {
                again += 1
                product = words.next().multipliedFullWidth(by: UInt64(count))
            }
            #expect(stream.below(count) == Int(product.high))
        }
        #expect(again > 100)
        // Each of seven values within five deviations of a seventh of 70,000 draws.
        var counts = [Int](repeating: 0, count: 7)
        for _ in 0..<70_000 { counts[stream.below(7)] += 1 }
        let deviation = (70_000.0 * 6 / 49).squareRoot()
        #expect(counts.allSatisfy { abs(Double($0) - 10_000) < 5 * deviation }, "\(counts)")
    }

    @Test("a shuffle is that of Fisher and Yates from the end, and every order is as likely")
    func shuffle() {
        var stream = RandomStream(seed: 20), draws = stream
        var expected = Array(0..<100)
        for last in stride(from: 99, to: 0, by: -1) { expected.swapAt(last, draws.below(last + 1)) }
        #expect(stream.shuffled(Array(0..<100)) == expected)
        var known = RandomStream(seed: 0)
        // Words 0.399 and 0.735: the last of three changes with 0.399 * 3 = 1, then the second with 0.735 * 2 = 1.
        #expect(known.shuffled(["a", "b", "c"]) == ["a", "c", "b"])
        var counts: [[Int]: Int] = [:]
        for _ in 0..<24_000 { counts[stream.shuffled([1, 2, 3, 4]), default: 0] += 1 }
        let deviation = (24_000.0 * 23 / (24 * 24)).squareRoot()
        #expect(counts.count == 24)
        #expect(counts.values.allSatisfy { abs(Double($0) - 1000) < 5 * deviation })
        var none: [Int] = []
        stream.shuffle(&none)
        #expect(none.isEmpty && stream.shuffled([4]) == [4])
    }

    @Test("a number within a range is the lower end plus a share of its width")
    func within() {
        var stream = RandomStream(seed: 8), plain = stream
        for _ in 0..<1000 {
            let value = stream.uniform(in: -3...5)
            #expect(value == -3 + 8 * plain.uniform() && (-3...5).contains(value))
        }
        #expect(stream.uniform(in: 2...2) == 2)
    }
}
