// Medians, ranges and means of repeated measurements.
import Foundation

/// A summary of a series of measurements.
struct Statistics: Codable, Equatable {
    /// The median; for an even count the mean of the middle two values.
    let median: Double
    /// The smallest and the largest value.
    let min, max: Double
    /// The number of values.
    let count: Int

    /// Summarises `values`, which must not be empty.
    init(_ values: [Double]) {
        precondition(!values.isEmpty, "there is nothing to sum up")
        let sorted = values.sorted()
        let middle = sorted.count / 2
        median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
        min = sorted[0]
        max = sorted[sorted.count - 1]
        count = sorted.count
    }

    /// The largest value divided by the smallest: near 1 if the rounds of one side agree.
    var spread: Double { max / min }

    /// Returns the geometric mean of `values`, which must be positive.
    static func geometricMean(_ values: [Double]) -> Double {
        exp(values.reduce(0) { $0 + log($1) } / Double(Swift.max(values.count, 1)))
    }
}

/// The peer's time divided by ours: the ratio of the medians, and the range of the rounds' ratios.
struct Ratio: Codable, Equatable {
    /// The median of the peer's rounds divided by the median of ours: above 1 if our engine is faster.
    let ratio: Double
    /// The smallest and the largest of the rounds' ratios.
    let min, max: Double
    /// The time of the peer's fastest pass divided by the time of our fastest pass. Other programs affect this ratio
    /// less than the ratios of medians.
    let fastest: Double

    /// Compares `peer` and `ours`, the medians of equally many rounds, and the fastest pass of each side.
    init(peer: [Double], ours: [Double], fastestPeer: Double, fastestOurs: Double) {
        precondition(peer.count == ours.count, "\(peer.count) rounds beside \(ours.count)")
        ratio = Statistics(peer).median / Statistics(ours).median
        let rounds = Statistics(zip(peer, ours).map { $0 / $1 })
        (min, max) = (rounds.min, rounds.max)
        fastest = fastestPeer / fastestOurs
    }
}
