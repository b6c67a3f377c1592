// The random draws of a search. A search makes hundreds of millions of draws, so each takes only a few operations.

/// A fast random number generator for searches (SplitMix64: Steele et al., 2014).
struct GeneRandom {
    private var state: UInt64

    /// Mixes `seed` into a state. Without mixing, generators whose seeds differ by a few increments of the state would
    /// produce the same numbers, shifted.
    init(seed: UInt64) {
        state = Self.mixed(seed &+ 0x5851_F42D_4C95_7F2D)
    }

    /// Returns the next 64 random bits.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mixed(state)
    }

    /// Returns `state` mixed so that every input bit affects every output bit.
    static func mixed(_ state: UInt64) -> UInt64 {
        var bits = state
        bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        return bits ^ bits >> 31
    }

    /// Returns a random index below `count`, which is 1 to 2^32.
    mutating func place(below count: Int) -> Int {
        Int(truncatingIfNeeded: ((next() >> 32) &* UInt64(truncatingIfNeeded: count)) >> 32)
    }

    /// Returns true with this probability.
    mutating func happens(_ probability: Double) -> Bool {
        Double(next() >> 11) * 0x1p-53 < probability
    }
}
