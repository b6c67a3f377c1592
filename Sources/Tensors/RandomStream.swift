// Counter-based random numbers: each number is a function of a key and a counter, not of earlier
// draws, so a resumed run draws the same numbers. Philox 4x32, ten rounds (Salmon et al., SC 2011).

import Foundation

/// A counter-based stream: the same key and counter give the same numbers on every machine.
public struct RandomStream: RandomNumberGenerator, Sendable {
    private let key: (UInt32, UInt32)
    private let counter: (UInt32, UInt32, UInt32)
    private var block: UInt32 = 0
    private var ready: UInt64?

    /// Makes the stream of a run's `seed` and up to three further numbers, for example the epoch, the step and the
    /// draw.
    public init(seed: UInt64, _ first: Int = 0, _ second: Int = 0, _ third: Int = 0) {
        key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        counter = (
            UInt32(truncatingIfNeeded: first), UInt32(truncatingIfNeeded: second),
            UInt32(truncatingIfNeeded: third)
        )
    }

    /// Returns the next 64 random bits.
    public mutating func next() -> UInt64 {
        if let word = ready {
            ready = nil
            return word
        }
        let words = Self.philox((block, counter.0, counter.1, counter.2), key)
        block &+= 1
        ready = UInt64(words.2) << 32 | UInt64(words.3)
        return UInt64(words.0) << 32 | UInt64(words.1)
    }

    /// Returns a number in [0, 1) with 24 random bits.
    public mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

    /// Returns a number in `range`, uniform up to rounding, from 24 random bits.
    public mutating func uniform(in range: ClosedRange<Float>) -> Float {
        range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
    }

    /// Returns one of 0 ..< `count`, all equally likely; `count` is at least 1. Uses Lemire's method (ACM TOMACS 29(1),
    /// 2019): the result is the high half of the product of `count` and a 64-bit random number. Fewer than `count` of
    /// the 2^64 random numbers would make some results more likely than others; these numbers are drawn again.
    public mutating func below(_ count: Int) -> Int {
        precondition(count > 0, "below(\(count)): there is nothing to draw from")
        let bound = UInt64(count)
        var product = next().multipliedFullWidth(by: bound)
        if product.low < bound {
            let excess = (0 &- bound) % bound
            while product.low < excess { product = next().multipliedFullWidth(by: bound) }
        }
        return Int(product.high)
    }

    /// Shuffles the elements uniformly (Fisher and Yates, from the last index down).
    ///
    /// The shuffle and the other draws do not use the standard library, which may change its algorithms: the draws of a
    /// seed must not change. The function is inlinable so that it is specialised: swapping generic values would
    /// allocate, and a training step must not allocate.
    @inlinable
    public mutating func shuffle<Element>(_ values: inout [Element]) {
        for last in stride(from: values.count - 1, to: 0, by: -1) {
            values.swapAt(last, below(last + 1))
        }
    }

    /// Returns the elements in uniformly random order.
    @inlinable
    public mutating func shuffled<Element>(_ values: [Element]) -> [Element] {
        var values = values
        shuffle(&values)
        return values
    }

    /// Returns a standard normal number (Box and Muller, 1958).
    public mutating func normal() -> Float {
        let radius = (-2 * log(1 - Double(next() >> 11) * 0x1p-53)).squareRoot()
        return Float(radius * cos(2 * Double.pi * Double(next() >> 11) * 0x1p-53))
    }

    static func philox(
        _ counter: (UInt32, UInt32, UInt32, UInt32), _ key: (UInt32, UInt32)
    ) -> (UInt32, UInt32, UInt32, UInt32) {
        var (c0, c1, c2, c3) = counter
        var (k0, k1) = key
        for _ in 0..<10 {
            let p0 = UInt64(0xD251_1F53) * UInt64(c0), p1 = UInt64(0xCD9E_8D57) * UInt64(c2)
            (c0, c1, c2, c3) = (
                UInt32(truncatingIfNeeded: p1 >> 32) ^ c1 ^ k0, UInt32(truncatingIfNeeded: p1),
                UInt32(truncatingIfNeeded: p0 >> 32) ^ c3 ^ k1, UInt32(truncatingIfNeeded: p0)
            )
            k0 &+= 0x9E37_79B9
            k1 &+= 0xBB67_AE85
        }
        return (c0, c1, c2, c3)
    }
}
