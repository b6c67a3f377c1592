// How much longer each part of a network takes on one device than on another, inferred from whole
// networks.
//
// The logarithms of the parts' factors are a Gaussian process with a common mean: parts that share
// a class (a kernel size, expand ratio, stage, image size or kind such as stem or head) deviate
// together, and each part a little on its own. So class factors shrink towards the common one as in
// ridge regression, of which this is the dual form. A network's latency is the sum of its parts'
// reference times, each times its factor; it is linearised about the current factors and solved by
// a few Gauss-Newton iterations. Ten networks do not determine how much classes, parts and
// measurements deviate: every result is the mean over a grid of such deviations, weighted by their
// likelihood.

import Foundation
import Networks

/// One point of that grid: relative standard deviations.
struct FactorSpreads: Hashable, Sendable {
    /// Of a class of parts, of one part on its own, and of one measurement.
    var ofClasses, ofParts, ofMeasurements: Double

    /// The prior expectation.
    static let usual = FactorSpreads(ofClasses: 0.2, ofParts: 0.05, ofMeasurements: 0.02)

    /// The grid.
    static let tried: [FactorSpreads] = [0.01, 0.03, 0.1, 0.2, 0.4].flatMap { classes in
        [0.01, 0.03, 0.1].flatMap { parts in
            [0.003, 0.01, 0.03, 0.1].map {
                FactorSpreads(ofClasses: classes, ofParts: parts, ofMeasurements: $0)
            }
        }
    }

    /// Logarithm of the prior: within a factor of about e of the usual.
    var logPrior: Double {
        func one(_ value: Double, _ usual: Double) -> Double {
            -0.5 * pow(log(value / usual), 2)
        }
        return one(ofClasses, Self.usual.ofClasses) + one(ofParts, Self.usual.ofParts)
            + one(ofMeasurements, Self.usual.ofMeasurements)
    }
}

/// A part with its reference time and its classes.
struct ReferencePart: Sendable {
    /// The key's text at the resolution.
    let name: String
    /// Reference time in milliseconds.
    let milliseconds: Double
    /// Its classes, each with the relative size of its deviation.
    let classes: [(name: String, weight: Double)]

    init(_ key: LatencyKey, _ resolution: Int, _ milliseconds: Double) {
        name = "\(resolution) \(key)"
        self.milliseconds = milliseconds
        // A part's factor depends little on the size of its feature maps.
        let size = [("size \(resolution)", 0.1)]
        let stem = [("stem", 1.0)], head = [("head", 1.0)]
        switch key.layers.first {
        case .invertedResidual(let block):
            // The first block has no elastic genes: it is classed with the stem.
            classes =
                size
                + (block.stage.map {
                    [
                        ("stage \($0)", 1), ("kernel \(block.kernel)", 1),
                        ("ratio \(SearchSpace.text(block.expandRatio))", 0.7),
                    ]
                } ?? stem)
        case .bottleneck(let block):
            classes =
                size + [
                    ("stage \(block.stage)", 1),
                    ("ratio \(SearchSpace.text(block.expandRatio))", 0.7),
                ]
        case .meanPooling, .dense: classes = size + head
        case .convolution(let conv): classes = size + (conv.kernel == 1 ? head : stem)
        default: classes = size + stem
        }
    }

    /// The parts of a network; throws `missingLatency` for a part that the reference lacks.
    static func parts(_ shape: NetworkShape, _ reference: LatencyTable) throws -> [ReferencePart] {
        try shape.latencyKeys.map { key in
            ReferencePart(
                key, shape.resolution,
                try reference.latencyMs(key, resolution: shape.resolution))
        }
    }

    /// The largest difference between two networks in the share of their time that a class of parts takes, 0…1.
    static func largestDifference(_ networks: [[ReferencePart]]) -> Double {
        let shares = networks.map { parts -> [String: Double] in
            let total = parts.reduce(0) { $0 + $1.milliseconds }
            return parts.reduce(into: [:]) { sums, part in
                for one in part.classes where total > 0 {
                    sums[one.name, default: 0] += part.milliseconds / total
                }
            }
        }
        return Set(shares.flatMap(\.keys)).reduce(0) { largest, name in
            let values = shares.map { $0[name] ?? 0 }
            return max(largest, (values.max() ?? 0) - (values.min() ?? 0))
        }
    }
}

/// The factors of all parts.
struct PartFactors: Sendable {
    /// One grid point with its regression and its weight; the weights add up to 1.
    private struct Model: Sendable {
        var weight: Double
        let spreads: FactorSpreads
        let kriging: Kriging
    }

    private let networks: [[ReferencePart]]
    private var shares: [Shares] = []
    private var models: [Model] = []

    /// Gauss-Newton iterations; five converge to six digits.
    private static let rounds = 6

    /// Fits networks and their latencies in milliseconds.
    init(_ networks: [[ReferencePart]], _ milliseconds: [Double]) {
        self.networks = networks
        let ratios = zip(networks, milliseconds).map { parts, value in
            value / parts.reduce(0) { $0 + $1.milliseconds }
        }.sorted()
        var logFactors = networks.map { parts in
            parts.map { _ in ratios.isEmpty ? 0 : log(ratios[ratios.count / 2]) }
        }
        for _ in 0..<Self.rounds {
            shares = zip(networks, logFactors).map { Shares($0, $1) }
            // Linearised about the current factors: the log of measured over predicted, plus the
            // current contribution.
            let values = zip(zip(shares, logFactors), milliseconds).map { found, value in
                value / found.0.milliseconds - 1
                    + zip(found.0.perPart, found.1).reduce(0) { $0 + $1.0 * $1.1 }
            }
            models = Self.fitted(shares, values)
            logFactors = networks.map { parts in parts.map { self.logFactor($0) } }
        }
    }

    /// The deviations, averaged over the grid.
    var spreads: FactorSpreads {
        func mean(_ value: (FactorSpreads) -> Double) -> Double {
            models.reduce(0) { $0 + $1.weight * value($1.spreads) }
        }
        return FactorSpreads(
            ofClasses: mean(\.ofClasses), ofParts: mean(\.ofParts),
            ofMeasurements: mean(\.ofMeasurements))
    }

    /// The common factor.
    var common: Double { exp(models.reduce(0) { $0 + $1.weight * $1.kriging.mean }) }

    /// The latency of these parts together in milliseconds, and the standard deviation of its
    /// error.
    func latencyMs(_ parts: [ReferencePart]) -> (mean: Double, deviation: Double) {
        let found = Shares(parts, parts.map { logFactor($0) })
        let overlaps = shares.map { found.overlap($0) }
        let own = found.overlap(found)
        let each = models.map { model -> (value: Double, variance: Double) in
            let covariances = overlaps.map { $0.covariance(model.spreads) }
            let deviation = model.kriging.deviation(
                covariances, variance: own.covariance(model.spreads))
            return (model.kriging.value(covariances), deviation * deviation)
        }
        // Variance within the models plus variance between them.
        let mean = zip(models, each).reduce(0) { $0 + $1.0.weight * $1.1.value }
        let variance = zip(models, each).reduce(0) { sum, pair in
            let apart = pair.1.value - mean
            return sum + pair.0.weight * (pair.1.variance + apart * apart)
        }
        return (found.milliseconds, found.milliseconds * variance.squareRoot())
    }

    /// The uncertainty of these parts' latency once `networks` are measured; it does not depend on
    /// the results.
    static func uncertainty(_ parts: [ReferencePart], knowing networks: [[ReferencePart]]) -> Double
    {
        let known = networks.map { Shares($0, $0.map { _ in 0 }) }
        let kriging = Kriging(
            Overlaps(known).covariances(.usual), known.map { _ in 0 })
        let asked = Shares(parts, parts.map { _ in 0 })
        return kriging.deviation(
            known.map { asked.overlap($0).covariance(.usual) },
            variance: asked.overlap(asked).covariance(.usual))
    }

    private func logFactor(_ part: ReferencePart) -> Double {
        let alone = Shares([part], [0])
        let overlaps = shares.map { alone.overlap($0) }
        return models.reduce(0) { sum, model in
            sum + model.weight
                * model.kriging.value(overlaps.map { $0.covariance(model.spreads) })
        }
    }

    /// The regressions of all grid points except those a thousand times less likely than the best.
    private static func fitted(_ shares: [Shares], _ values: [Double]) -> [Model] {
        let overlaps = Overlaps(shares)
        let likelihoods = FactorSpreads.tried.map { spreads in
            let kriging = Kriging(overlaps.covariances(spreads), values)
            return Model(
                weight: kriging.logLikelihood + spreads.logPrior, spreads: spreads,
                kriging: kriging)
        }
        let most = likelihoods.map(\.weight).max() ?? 0
        var models = likelihoods.filter { $0.weight > most - 7 }
        let total = models.reduce(0) { $0 + exp($1.weight - most) }
        for place in models.indices {
            models[place].weight = exp(models[place].weight - most) / total
        }
        return models
    }
}

/// The overlap of two networks' shares.
private struct Overlap: Sendable {
    let classes, parts: Double

    /// The covariance of the logarithms of their factors.
    func covariance(_ spreads: FactorSpreads) -> Double {
        spreads.ofClasses * spreads.ofClasses * classes + spreads.ofParts * spreads.ofParts * parts
    }
}

/// The overlaps of all pairs of measured networks.
private struct Overlaps {
    private let all: [Overlap]
    private let count: Int

    init(_ shares: [Shares]) {
        count = shares.count
        all = shares.flatMap { one in shares.map { one.overlap($0) } }
    }

    /// The covariances of the measurements, row-major, noise included.
    func covariances(_ spreads: FactorSpreads) -> [Double] {
        let noise = spreads.ofMeasurements * spreads.ofMeasurements
        return all.enumerated().map { place, overlap in
            overlap.covariance(spreads) + (place % (count + 1) == 0 ? noise : 0)
        }
    }
}

/// The share of a network's time in every part and class, given the current factors.
private struct Shares: Sendable {
    /// The time in milliseconds.
    let milliseconds: Double
    /// The share of every part, in network order.
    let perPart: [Double]
    // Sorted by name, so that two can be merged and always add up in the same order.
    private let classes, parts: [(name: String, share: Double)]

    init(_ list: [ReferencePart], _ logFactors: [Double]) {
        let times = zip(list, logFactors).map { $0.milliseconds * exp($1) }
        let total = times.reduce(0, +)
        let shares = times.map { total > 0 ? $0 / total : 0 }
        var classes: [String: Double] = [:]
        var parts: [String: Double] = [:]
        for (part, share) in zip(list, shares) {
            parts[part.name, default: 0] += share
            for one in part.classes { classes[one.name, default: 0] += share * one.weight }
        }
        milliseconds = total
        perPart = shares
        self.classes = classes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        self.parts = parts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// The overlap of this network with another.
    func overlap(_ other: Shares) -> Overlap {
        Overlap(
            classes: Self.overlap(classes, other.classes),
            parts: Self.overlap(parts, other.parts))
    }

    private static func overlap(
        _ one: [(name: String, share: Double)], _ two: [(name: String, share: Double)]
    ) -> Double {
        var (i, j, sum) = (0, 0, 0.0)
        while i < one.count && j < two.count {
            if one[i].name == two[j].name {
                sum += one[i].share * two[j].share
                i += 1
                j += 1
            } else if one[i].name < two[j].name {
                i += 1
            } else {
                j += 1
            }
        }
        return sum
    }
}
