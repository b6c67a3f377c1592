// Medians, spreads and means of repeated measurements.
import Foundation

/// What is said about a series of measurements.
struct Statistics: Codable, Equatable {
    /// The middle one; of an even number the mean of the two in the middle.
    let median: Double
    /// The smallest and the largest.
    let min, max: Double
    /// How many there are.
    let count: Int

    /// Sums up at least one measurement.
    init(_ values: [Double]) {
        precondition(!values.isEmpty, "there is nothing to sum up")
        let sorted = values.sorted()
        let middle = sorted.count / 2
        median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
        min = sorted[0]
        max = sorted[sorted.count - 1]
        count = sorted.count
    }

    /// The largest over the smallest; rounds of one side should agree.
    var spread: Double { max / min }

    /// The mean that suits ratios: the root of their product. All values are above 0.
    static func geometricMean(_ values: [Double]) -> Double {
        exp(values.reduce(0) { $0 + log($1) } / Double(Swift.max(values.count, 1)))
    }
}

/// Theirs over ours: the ratio of the medians, and of every round on its own.
struct Ratio: Codable, Equatable {
    /// Median of the peer's rounds over the median of ours: above 1 we are faster.
    let ratio: Double
    /// The smallest and the largest ratio of a round.
    let min, max: Double
    /// The peer's fastest pass over ours: what other work on the machine disturbs least.
    let fastest: Double

    /// Compares the medians of as many rounds of either.
    init(peer: [Double], ours: [Double], fastestPeer: Double, fastestOurs: Double) {
        precondition(peer.count == ours.count, "\(peer.count) rounds beside \(ours.count)")
        ratio = Statistics(peer).median / Statistics(ours).median
        let rounds = Statistics(zip(peer, ours).map { $0 / $1 })
        (min, max) = (rounds.min, rounds.max)
        fastest = fastestPeer / fastestOurs
    }
}
