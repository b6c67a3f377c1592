// Random numbers that are a function of where they are used, not of what was drawn before: a run that is
// stopped and resumed draws the same numbers again. Philox 4x32, ten rounds (Salmon et al., SC 2011).

import Foundation

/// A counter-based stream: the same key and counter give the same numbers on every machine.
public struct RandomStream: RandomNumberGenerator, Sendable {
    private let key: (UInt32, UInt32)
    private let counter: (UInt32, UInt32, UInt32)
    private var block: UInt32 = 0
    private var ready: UInt64?

    /// The stream for one purpose: `seed` of the run, then for example the epoch, the step and the draw.
    public init(seed: UInt64, _ first: Int = 0, _ second: Int = 0, _ third: Int = 0) {
        key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        counter = (
            UInt32(truncatingIfNeeded: first), UInt32(truncatingIfNeeded: second),
            UInt32(truncatingIfNeeded: third)
        )
    }

    /// The next 64 random bits.
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

    /// A number in [0, 1) with 24 random bits.
    public mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

    /// A number from the normal distribution with mean 0 and deviation 1 (Box and Muller, 1958).
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
