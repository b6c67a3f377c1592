// Infers from whole networks how much longer each part of a network takes on a new device than on a reference device.
//
// A part's factor is its time on the new device divided by its time on the reference device. The logarithms of the
// factors are a Gaussian process with a common mean. Parts that share a class (a kernel size, expand ratio, stage,
// image size or kind such as stem or head) deviate from the mean together, and each part also deviates a little on its
// own. So class factors shrink towards the common factor as in ridge regression, of which this model is the dual form.
// A network's latency is the sum of its parts' reference times, each times its factor. The sum is linearised about the
// current factors, and a few Gauss-Newton iterations solve for the factors. Ten networks do not determine how much
// classes, parts and measurements deviate. So every result is the mean over a grid of assumed deviations, weighted by
// their likelihood and prior.

import Foundation
import Networks

/// Assumed relative standard deviations: one point of the grid.
struct FactorDeviations: Hashable, Sendable {
    /// The relative standard deviations of the factor of a class of parts, of the factor of one part within its
    /// classes, and of one measured latency.
    var ofClasses, ofParts, ofMeasurements: Double

    /// The medians of the prior.
    static let usual = FactorDeviations(ofClasses: 0.2, ofParts: 0.05, ofMeasurements: 0.02)

    /// All points of the grid.
    static let tried: [FactorDeviations] = [0.01, 0.03, 0.1, 0.2, 0.4].flatMap { classes in
        [0.01, 0.03, 0.1].flatMap { parts in
            [0.003, 0.01, 0.03, 0.1].map {
                FactorDeviations(ofClasses: classes, ofParts: parts, ofMeasurements: $0)
            }
        }
    }

    /// Logarithm of the prior of these deviations: independently log-normal with the medians `usual`, where one
    /// standard deviation is a factor of e.
    var logPrior: Double {
        func one(_ value: Double, _ usual: Double) -> Double {
            -0.5 * pow(log(value / usual), 2)
        }
        return one(ofClasses, Self.usual.ofClasses) + one(ofParts, Self.usual.ofParts)
            + one(ofMeasurements, Self.usual.ofMeasurements)
    }
}

/// A part of a network, with its time on the reference device and its classes.
struct ReferencePart: Sendable {
    /// The resolution and the key's text.
    let name: String
    /// Milliseconds on the reference device.
    let milliseconds: Double
    /// The part's classes. A class of weight w deviates w times as much from the common factor as a class of weight 1.
    let classes: [(name: String, weight: Double)]

    init(_ key: LatencyKey, _ resolution: Int, _ milliseconds: Double) {
        name = "\(resolution) \(key)"
        self.milliseconds = milliseconds
        // A part's factor depends little on the image size.
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
        case .residualConvolution, .maxPooling, nil: classes = size + stem
        }
    }

    /// Returns the parts of a network; throws `missingLatency` for a part that `reference` lacks.
    static func parts(_ shape: NetworkShape, _ reference: LatencyTable) throws -> [ReferencePart] {
        try shape.latencyKeys.map { key in
            ReferencePart(
                key, shape.resolution,
                try reference.latencyMs(key, resolution: shape.resolution))
        }
    }

    /// Returns the largest difference between two networks in the share of time that one class of parts takes, 0…1.
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

/// The fitted factors of all parts: time on the new device divided by time on the reference device.
struct PartFactors: Sendable {
    /// One grid point with its regression and its weight; the weights add up to 1.
    private struct Model: Sendable {
        var weight: Double
        let deviations: FactorDeviations
        let kriging: Kriging
    }

    private let networks: [[ReferencePart]]
    private var shares: [Shares] = []
    private var models: [Model] = []

    /// Gauss-Newton iterations; five converge to six digits.
    private static let rounds = 6

    /// Fits the factors to `networks` and their latencies on the new device, `milliseconds`.
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
            // The values are linearised about the current factors: measured / predicted - 1, plus the current
            // contribution.
            let values = zip(zip(shares, logFactors), milliseconds).map { found, value in
                value / found.0.milliseconds - 1
                    + zip(found.0.perPart, found.1).reduce(0) { $0 + $1.0 * $1.1 }
            }
            models = Self.fitted(shares, values)
            logFactors = networks.map { parts in parts.map { self.logFactor($0) } }
        }
    }

    /// The deviations, averaged over the grid.
    var deviations: FactorDeviations {
        func mean(_ value: (FactorDeviations) -> Double) -> Double {
            models.reduce(0) { $0 + $1.weight * value($1.deviations) }
        }
        return FactorDeviations(
            ofClasses: mean(\.ofClasses), ofParts: mean(\.ofParts),
            ofMeasurements: mean(\.ofMeasurements))
    }

    /// The common factor.
    var common: Double { exp(models.reduce(0) { $0 + $1.weight * $1.kriging.mean }) }

    /// Returns the predicted latency of the network that consists of `parts`, and the standard deviation of the
    /// prediction's error, both in milliseconds.
    func latencyMs(_ parts: [ReferencePart]) -> (mean: Double, deviation: Double) {
        let found = Shares(parts, parts.map { logFactor($0) })
        let overlaps = shares.map { found.overlap($0) }
        let own = found.overlap(found)
        let each = models.map { model -> (value: Double, variance: Double) in
            let covariances = overlaps.map { $0.covariance(model.deviations) }
            let deviation = model.kriging.deviation(
                covariances, variance: own.covariance(model.deviations))
            return (model.kriging.value(covariances), deviation * deviation)
        }
        // The variance within the models plus the variance between the models.
        let mean = zip(models, each).reduce(0) { $0 + $1.0.weight * $1.1.value }
        let variance = zip(models, each).reduce(0) { sum, pair in
            let apart = pair.1.value - mean
            return sum + pair.0.weight * (pair.1.variance + apart * apart)
        }
        return (found.milliseconds, found.milliseconds * variance.squareRoot())
    }

    /// Returns the relative uncertainty of the latency of `parts` once `networks` are measured. The measured latencies
    /// do not affect the uncertainty.
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
                * model.kriging.value(overlaps.map { $0.covariance(model.deviations) })
        }
    }

    /// Returns the regressions of all grid points except those a thousand times less probable than the best.
    private static func fitted(_ shares: [Shares], _ values: [Double]) -> [Model] {
        let overlaps = Overlaps(shares)
        let likelihoods = FactorDeviations.tried.map { deviations in
            let kriging = Kriging(overlaps.covariances(deviations), values)
            return Model(
                weight: kriging.logLikelihood + deviations.logPrior, deviations: deviations,
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

/// The overlap of two networks: the sums of products of their shares, over classes and over parts.
private struct Overlap: Sendable {
    let classes, parts: Double

    /// Returns the covariance of the logarithms of the two networks' factors.
    func covariance(_ deviations: FactorDeviations) -> Double {
        deviations.ofClasses * deviations.ofClasses * classes + deviations.ofParts
            * deviations.ofParts * parts
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

    /// Returns the covariance matrix of the measurements, row-major, noise included.
    func covariances(_ deviations: FactorDeviations) -> [Double] {
        let noise = deviations.ofMeasurements * deviations.ofMeasurements
        return all.enumerated().map { place, overlap in
            overlap.covariance(deviations) + (place % (count + 1) == 0 ? noise : 0)
        }
    }
}

/// The share of a network's time in every part and class, given the current factors.
private struct Shares: Sendable {
    /// The network's time in milliseconds.
    let milliseconds: Double
    /// The share of every part, in network order.
    let perPart: [Double]
    // The lists are sorted by name, so that the lists of two networks can be merged, and sums are always in the same
    // order.
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

    /// Returns the overlap of this network with `other`.
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
