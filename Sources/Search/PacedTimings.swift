// Timings on a machine whose speed changes while they are made. Other tenants slow a shared processor by a third or more,
// for a tenth of a second or for minutes, and the thread's own clock does not leave that out. So every go of a network
// stands between two timings of a reference network: they say how fast the machine was just then, what the go would
// have taken at the machine's own pace, and whether the speed changed meanwhile. A
// mood that outlasts the measurement of a size, a minute, cannot be told from the machine.
//
// On two processors that others slowed by half most of the time, table against 20 whole networks of ofa-mbv3-w1.0 at 224
// pixels, three surveys: 1.6, 0.9 and 1.1 % mean error, where the fastest passes alone gave 18.3, 13.1 and 8.5 %.

/// Passes of one network in one go, between two timings of the reference.
struct TimedVisit: Codable, Sendable, Equatable {
    /// Which network.
    let network: Int
    /// Milliseconds of the parts of every pass; a network that is timed whole is one part.
    let passes: [[Double]]
    /// Milliseconds of the reference before and after.
    let before, after: Double

    /// Milliseconds of the reference meanwhile, as far as is known.
    var reference: Double { (before + after) / 2 }
    /// Whether the machine kept its speed, within a tenth.
    var isCalm: Bool { max(before, after) <= 1.1 * min(before, after) }
}

/// What the visits of one network say together.
struct PacedTimings: Equatable {
    /// Every pass at the machine's own pace, in milliseconds a part.
    private(set) var all: [[Double]] = []
    /// Those that count: of the passes of calm visits the middle half, by their sums; of all where no visit was calm.
    private(set) var counted: [[Double]]
    /// Passes of visits during which the machine changed its speed.
    private(set) var disturbed = 0

    /// Looks at the visits of one network; at the machine's own pace the reference takes `pace` milliseconds.
    init(_ visits: [TimedVisit], pace: Double) {
        var calm: [[Double]] = []
        for visit in visits {
            let scale = pace / visit.reference
            let passes = visit.passes.map { parts in parts.map { $0 * scale } }
            all += passes
            if visit.isCalm { calm += passes } else { disturbed += passes.count }
        }
        let candidates = calm.isEmpty ? all : calm
        let sums = candidates.map { $0.reduce(0, +) }
        let order = candidates.indices.sorted { sums[$0] < sums[$1] }
        counted = order.dropFirst(order.count / 4).dropLast(order.count / 4).map { candidates[$0] }
    }

    /// Milliseconds of the reference when nothing slows the machine: those of its fastest tenth. Without visits it is 1,
    /// and nothing is asked of it.
    static func pace(of visits: [TimedVisit]) -> Double {
        let references = visits.flatMap { [$0.before, $0.after] }.sorted()
        return references.isEmpty ? 1 : LatencyEntry.percentile(0.1, of: references)
    }
}
