// Timings on a machine whose speed changes meanwhile. Other tenants slow a shared processor by a
// third or more, for a tenth of a second or for minutes, and the thread's CPU time includes that.
// So every visit of a network is enclosed by two timings of a reference network: they give the
// machine's current speed, scale the visit to the undisturbed speed ("pace"), and show whether the
// speed changed during it. A slowdown longer than the survey of one image size, about a minute,
// cannot be detected.
//
// On two processors that others slowed by half most of the time, table against 20 whole networks of
// ofa-mbv3-w1.0 at 224 pixels, three surveys: 1.6, 0.9 and 1.1 % mean error; using the fastest
// passes alone gave 18.3, 13.1 and 8.5 %.

/// Consecutive passes of one network, between two timings of the reference.
struct TimedVisit: Codable, Sendable, Equatable {
    /// The network's index.
    let network: Int
    /// For every pass the milliseconds of its parts; a network timed as a whole is one part.
    let passes: [[Double]]
    /// Milliseconds of the reference before and after.
    let before, after: Double

    /// The reference's estimated time during the visit, in milliseconds.
    var reference: Double { (before + after) / 2 }
    /// Whether the machine's speed changed by at most a tenth.
    var isCalm: Bool { max(before, after) <= 1.1 * min(before, after) }
}

/// The timings of all visits of one network, scaled to the machine's undisturbed speed.
struct PacedTimings: Equatable {
    /// Every pass, scaled, in milliseconds per part.
    private(set) var all: [[Double]] = []
    /// The passes that count: the middle half, by their sums, of those in calm visits, or of all if
    /// no visit was calm.
    private(set) var counted: [[Double]]
    /// Number of passes in visits that were not calm.
    private(set) var disturbed = 0

    /// Combines the visits of one network; at undisturbed speed the reference takes `pace`
    /// milliseconds.
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

    /// The reference's time at undisturbed speed in milliseconds: its 10th percentile. 1 without
    /// visits, where it is not used.
    static func pace(of visits: [TimedVisit]) -> Double {
        let references = visits.flatMap { [$0.before, $0.after] }.sorted()
        return references.isEmpty ? 1 : LatencyEntry.percentile(0.1, of: references)
    }
}
