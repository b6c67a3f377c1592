// Medians, ranges and means of repeated measurements.
import Foundation

/// A summary of a series of measurements.
struct Statistics: Codable, Equatable {
    /// The median; for an even count the mean of the middle two.
    let median: Double
    /// The smallest and the largest.
    let min, max: Double
    /// How many there are.
    let count: Int

    /// `values` must not be empty.
    init(_ values: [Double]) {
        precondition(!values.isEmpty, "there is nothing to sum up")
        let sorted = values.sorted()
        let middle = sorted.count / 2
        median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
        min = sorted[0]
        max = sorted[sorted.count - 1]
        count = sorted.count
    }

    /// max / min; rounds of one side should agree.
    var spread: Double { max / min }

    /// The geometric mean. All values must be positive.
    static func geometricMean(_ values: [Double]) -> Double {
        exp(values.reduce(0) { $0 + log($1) } / Double(Swift.max(values.count, 1)))
    }
}

/// The peer's time over ours: the ratio of the medians, and its range over rounds.
struct Ratio: Codable, Equatable {
    /// Median of the peer's rounds over the median of ours: above 1 we are faster.
    let ratio: Double
    /// The smallest and the largest ratio of a round.
    let min, max: Double
    /// The peer's fastest pass over ours, the ratio least affected by other load.
    let fastest: Double

    /// `peer` and `ours` are medians of equally many rounds.
    init(peer: [Double], ours: [Double], fastestPeer: Double, fastestOurs: Double) {
        precondition(peer.count == ours.count, "\(peer.count) rounds beside \(ours.count)")
        ratio = Statistics(peer).median / Statistics(ours).median
        let rounds = Statistics(zip(peer, ours).map { $0 / $1 })
        (min, max) = (rounds.min, rounds.max)
        fastest = fastestPeer / fastestOurs
    }
}
