// The measurement tier: a letter that says how an energy was measured. It is stated with each
// energy.

/// How an energy was measured; the best tier comes first.
public enum MeteringTier: String, Codable, Sendable, CaseIterable, Comparable {
    /// An energy counter of the hardware (RAPL, NVML).
    case counter = "A"
    /// Power sampled over time.
    case sampled = "B"
    /// A counter that a hypervisor passes through.
    case hypervisor = "C"
    /// A model of the power as a function of the load.
    case model = "M"
    /// A constant.
    case constant = "K"
    /// Declared by a person.
    case declared = "U"

    /// Orders tiers by trust: a better tier is smaller.
    public static func < (left: MeteringTier, right: MeteringTier) -> Bool {
        left.rank < right.rank
    }

    /// Returns the tier of a sum: the worst tier of its parts; nil if there are no parts.
    public static func ofSum(_ parts: [MeteringTier]) -> MeteringTier? { parts.max() }

    private var rank: Int {
        switch self {
        case .counter: 0
        case .sampled: 1
        case .hypervisor: 2
        case .model: 3
        case .constant: 4
        case .declared: 5
        }
    }
}
