// The shares of a network's time that its parts and their classes take, and the overlaps of two networks' shares, from
// which the covariances of their latencies follow.

import Foundation

/// Numbers for the classes and parts of the measured networks, in order of first occurrence.
struct PartNames: Sendable {
    private(set) var classes: [String: Int] = [:]
    private(set) var parts: [String: Int] = [:]

    init(_ networks: [[ReferencePart]]) {
        for part in networks.joined() {
            if parts[part.name] == nil { parts[part.name] = parts.count }
            for one in part.classes where classes[one.name] == nil {
                classes[one.name] = classes.count
            }
        }
    }
}

/// The shares of a network's time that its parts and their classes take, given the logarithms of the parts' factors.
struct Shares: Sendable {
    /// The network's time in milliseconds.
    let milliseconds: Double
    /// The share of every part, in network order.
    let perPart: [Double]
    /// The shares of the classes and parts that have a number in `PartNames`.
    let classes, parts: [(number: Int, share: Double)]
    /// The overlap of the network with itself, including classes and parts that have no number.
    let own: Overlap

    init(_ list: [ReferencePart], _ logFactors: [Double], _ names: PartNames) {
        let times = zip(list, logFactors).map { $0.milliseconds * exp($1) }
        let total = times.reduce(0, +)
        let shares = times.map { total > 0 ? $0 / total : 0 }
        var classes = ShareSums(), parts = ShareSums()
        for (part, share) in zip(list, shares) {
            parts.add(part.name, share)
            for one in part.classes { classes.add(one.name, share * one.weight) }
        }
        milliseconds = total
        perPart = shares
        own = Overlap(classes: classes.squares, parts: parts.squares)
        self.classes = classes.numbered(names.classes)
        self.parts = parts.numbered(names.parts)
    }
}

/// Sums of shares by name, in order of first occurrence.
private struct ShareSums {
    private var places: [String: Int] = [:]
    private var sums: [(name: String, share: Double)] = []

    mutating func add(_ name: String, _ share: Double) {
        if let place = places[name] {
            sums[place].share += share
        } else {
            places[name] = sums.count
            sums.append((name, share))
        }
    }

    var squares: Double { sums.reduce(0) { $0 + $1.share * $1.share } }

    func numbered(_ numbers: [String: Int]) -> [(number: Int, share: Double)] {
        sums.compactMap { one in numbers[one.name].map { ($0, one.share) } }
    }
}

/// The overlap of two networks: the sums of products of their shares, over classes and over parts.
struct Overlap: Sendable {
    let classes, parts: Double

    /// Returns the covariance of the logarithms of the two networks' factors.
    func covariance(_ deviations: FactorDeviations) -> Double {
        deviations.ofClasses * deviations.ofClasses * classes + deviations.ofParts
            * deviations.ofParts * parts
    }
}

/// The shares of the measured networks, prepared for overlaps with any network.
struct MeasuredShares: Sendable {
    let all: [Shares]
    private let classRows, partRows: [[Double]]

    init(_ all: [Shares], _ names: PartNames) {
        func row(_ shares: [(number: Int, share: Double)], _ count: Int) -> [Double] {
            var row = [Double](repeating: 0, count: count)
            for one in shares { row[one.number] = one.share }
            return row
        }
        self.all = all
        classRows = all.map { row($0.classes, names.classes.count) }
        partRows = all.map { row($0.parts, names.parts.count) }
    }

    /// Returns the overlaps of `shares` with each measured network.
    func overlaps(_ shares: Shares) -> [Overlap] {
        zip(classRows, partRows).map { classes, parts in
            Overlap(
                classes: shares.classes.reduce(0) { $0 + $1.share * classes[$1.number] },
                parts: shares.parts.reduce(0) { $0 + $1.share * parts[$1.number] })
        }
    }

    /// The overlaps of all pairs of measured networks, row-major.
    var pairs: [Overlap] { all.flatMap(overlaps) }

    /// Returns, by number, the sums over the networks of `weights` times the share of each class.
    func classSums(_ weights: [Double]) -> [Double] { Self.sums(weights, classRows) }

    /// Returns, by number, the sums over the networks of `weights` times the share of each part.
    func partSums(_ weights: [Double]) -> [Double] { Self.sums(weights, partRows) }

    private static func sums(_ weights: [Double], _ rows: [[Double]]) -> [Double] {
        var sums = [Double](repeating: 0, count: rows.first?.count ?? 0)
        for (weight, row) in zip(weights, rows) {
            for (place, share) in row.enumerated() { sums[place] += weight * share }
        }
        return sums
    }
}
