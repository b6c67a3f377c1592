// ScaledForm: how large a fault test is: seconds in CI, as long as OFA_FAULT_SECONDS says on demand.
import Foundation
import TestSupport

/// The form in which the fault tests of this process run.
enum ScaledForm {
    /// The wanted length of a long test in seconds; nil for the short form.
    static let seconds: Double? = ProcessInfo.processInfo.environment["OFA_FAULT_SECONDS"]
        .flatMap(Double.init)

    /// The small number in CI, the large one on demand.
    static func pick<T>(_ short: T, _ long: T) -> T { seconds == nil ? short : long }

    /// A seed that is printed: that of OFA_FAULT_SEED, else a fixed one in CI and a new one on demand.
    static func seed(_ test: String) -> UInt64 {
        let given = ProcessInfo.processInfo.environment["OFA_FAULT_SEED"].flatMap(UInt64.init)
        let seed = given ?? pick(4, UInt64.random(in: 1...1_000_000))
        print("\(test): seed \(seed)")
        return seed
    }
}

/// SplitMix64: random numbers that a seed decides.
struct StormRandom: RandomNumberGenerator {
    private var state: UInt64

    /// Starts at a seed.
    init(_ seed: UInt64) { state = seed }

    /// The next 64 bits.
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
