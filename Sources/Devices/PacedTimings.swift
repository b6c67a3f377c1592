// Corrects timings for changes of the machine's speed. Other tenants slow a shared processor by a third or more, for a
// tenth of a second or for minutes, and the thread's CPU time includes the slowdown. So a reference network is timed
// before and after every visit (a few consecutive passes of one network). The times of the reference network show how
// fast the machine was and whether its speed changed during the visit. The visit's timings are scaled to the
// undisturbed speed (`pace`). A slowdown that lasts longer than all visits at one image size, about a minute, cannot be
// detected.
//
// On two processors that other tenants slowed by half most of the time, three latency tables had mean errors of 1.6,
// 0.9 and 1.1 % on 20 networks of ofa-mbv3-w1.0 at 224 pixels. Three tables made of the fastest passes alone had mean
// errors of 18.3, 13.1 and 8.5 %.

/// Consecutive passes of one network, between two timings of the reference network.
struct TimedVisit: Codable, Sendable, Equatable {
    /// The network's index.
    let network: Int
    /// The milliseconds of the network's parts in every pass; a network timed as a whole counts as one part.
    let passes: [[Double]]
    /// Milliseconds of the reference network before and after the visit.
    let before, after: Double

    /// The estimated milliseconds of the reference network during the visit.
    var reference: Double { (before + after) / 2 }
    /// Whether the machine's speed changed by at most a tenth during the visit.
    var isCalm: Bool { max(before, after) <= 1.1 * min(before, after) }
}

/// The timings of all visits of one network, scaled to the machine's undisturbed speed.
struct PacedTimings: Equatable {
    /// The scaled milliseconds of every part in every pass.
    private(set) var all: [[Double]] = []
    /// The passes whose times are averaged: of the passes in calm visits (of all passes if no visit was calm), those in
    /// the middle half by total time.
    private(set) var counted: [[Double]]
    /// Number of passes in visits that were not calm.
    private(set) var disturbed = 0

    /// Combines the visits of one network; the reference network takes `pace` milliseconds at undisturbed speed.
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

    /// Returns the milliseconds of the reference network at undisturbed speed: the 10th percentile of its times in
    /// `visits`. Returns 1 if there are no visits, because then `pace` is not used.
    static func pace(of visits: [TimedVisit]) -> Double {
        let references = visits.flatMap { [$0.before, $0.after] }.sorted()
        return references.isEmpty ? 1 : LatencyEntry.percentile(0.1, of: references)
    }
}
