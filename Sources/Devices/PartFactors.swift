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
// Measurements from a slow phase of the device get less weight: Huber's weights, from errors in cross-validation.

import Foundation

/// Assumed relative standard deviations: one point of the grid.
struct FactorDeviations: Hashable, Sendable {
    /// The relative standard deviations of the factor of a class of parts, of the factor of one part within its
    /// classes, and of one measured latency.
    var ofClasses, ofParts, ofMeasurements: Double

    /// The medians of the prior.
    static let usual = FactorDeviations(
        ofClasses: 0.05, ofParts: 0.05, ofMeasurements: 0.02)

    /// All points of the grid.
    static let tried: [FactorDeviations] =
        [0.01, 0.03, 0.1, 0.2, 0.4].flatMap { classes in
            [0.01, 0.03, 0.1].flatMap { parts in
                [0.003, 0.01, 0.03, 0.1].map {
                    FactorDeviations(ofClasses: classes, ofParts: parts, ofMeasurements: $0)
                }
            }
        } + [multiple]

    /// The deviations of a device whose parts all have the same factor, such as a simulated device.
    private static let multiple = FactorDeviations(
        ofClasses: 0, ofParts: 0, ofMeasurements: 1e-4)

    /// Logarithm of the prior of these deviations: independently log-normal with the medians `usual`, where one
    /// standard deviation is a factor of e. A device whose parts all have the same factor is unlikely.
    var logPrior: Double {
        if self == Self.multiple { return -5 }
        func one(_ value: Double, _ usual: Double) -> Double {
            -0.5 * pow(log(value / usual), 2)
        }
        return one(ofClasses, Self.usual.ofClasses) + one(ofParts, Self.usual.ofParts)
            + one(ofMeasurements, Self.usual.ofMeasurements)
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

    /// The error of the prediction of a measured network by the fit without this network.
    struct LeftOut: Sendable {
        /// Measured minus predicted latency, divided by the fitted latency.
        var error: Double
        /// The variance of `error` that the model expects.
        var variance: Double
    }

    private let names: PartNames
    private var measured: MeasuredShares
    private var models: [Model] = []
    private var mean: Double
    private var ofClasses: [Double] = [], ofParts: [Double] = []

    /// The logarithm of the likelihood of the measurements, averaged over the grid with the prior as weights; without a
    /// constant.
    private(set) var logEvidence = 0.0
    /// For each measured network, the error of its prediction by the fit without this network.
    private(set) var leftOut: [LeftOut] = []

    /// Gauss-Newton iterations; five converge to six digits.
    private static let rounds = 6
    /// Huber's constant: of normally distributed errors, about a sixth get less weight.
    private static let hubersConstant = 1.345

    /// Fits the factors to at least two different `networks` and their latencies on the new device, `milliseconds`;
    /// `counts` has the number of measurements behind each latency.
    init(_ networks: [[ReferencePart]], _ milliseconds: [Double], counts: [Int]) {
        names = PartNames(networks)
        measured = MeasuredShares([], names)
        let ratios = zip(networks, milliseconds).map { parts, value in
            value / parts.reduce(0) { $0 + $1.milliseconds }
        }.sorted()
        mean = ratios.isEmpty ? 0 : log(ratios[ratios.count / 2])
        ofClasses = names.classes.map { _ in 0 }
        ofParts = names.parts.map { _ in 0 }
        var doubts = networks.map { _ in 1.0 }
        for _ in 0..<Self.rounds {
            let logFactors = networks.map { parts in parts.map { logFactor($0) } }
            measured = MeasuredShares(
                zip(networks, logFactors).map { Shares($0, $1, names) }, names)
            // Linearised about the current factors: the relative error of the current prediction, plus the sum of the
            // current log factors weighted by the shares of time.
            let values = zip(zip(measured.all, logFactors), milliseconds).map { found, value in
                value / found.0.milliseconds - 1
                    + zip(found.0.perPart, found.1).reduce(0) { $0 + $1.0 * $1.1 }
            }
            fit(values, noise: zip(doubts, counts).map { $0 / Double($1) })
            doubts = Self.doubts(leftOut)
        }
        logEvidence -= measured.all.reduce(0) { $0 + log($1.milliseconds) }
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
    var common: Double { exp(mean) }

    /// The fitted latencies of the measured networks in milliseconds.
    var fittedMs: [Double] { measured.all.map(\.milliseconds) }

    /// Returns the predicted latency of `parts` together in milliseconds, and the standard deviation of the
    /// prediction's error.
    func latencyMs(_ parts: [ReferencePart]) -> (mean: Double, deviation: Double) {
        let found = Shares(parts, parts.map { logFactor($0) }, names)
        let overlaps = measured.overlaps(found)
        let each = models.map { model -> (value: Double, variance: Double) in
            let covariances = overlaps.map { $0.covariance(model.deviations) }
            let deviation = model.kriging.deviation(
                covariances, variance: found.own.covariance(model.deviations))
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
        let names = PartNames(networks)
        let known = MeasuredShares(
            networks.map { Shares($0, $0.map { _ in 0 }, names) }, names)
        let kriging = Kriging(
            covariances(known.pairs, .usual, noise: networks.map { _ in 1 }),
            networks.map { _ in 0 })
        let asked = Shares(parts, parts.map { _ in 0 }, names)
        return kriging.deviation(
            known.overlaps(asked).map { $0.covariance(.usual) },
            variance: asked.own.covariance(.usual))
    }

    private func logFactor(_ part: ReferencePart) -> Double {
        part.classes.reduce(mean + (names.parts[part.name].map { ofParts[$0] } ?? 0)) {
            $0 + $1.weight * (names.classes[$1.name].map { ofClasses[$0] } ?? 0)
        }
    }

    /// Fits the regressions of all grid points to `values` and drops the grid points that are a thousand times less
    /// probable than the best one. `noise` has the factors of the measurements' variances.
    private mutating func fit(_ values: [Double], noise: [Double]) {
        let pairs = measured.pairs
        models = FactorDeviations.tried.map { deviations in
            let kriging = Kriging(Self.covariances(pairs, deviations, noise: noise), values)
            return Model(
                weight: kriging.logLikelihood + deviations.logPrior, deviations: deviations,
                kriging: kriging)
        }
        let most = models.map(\.weight).max() ?? 0
        models.removeAll { $0.weight <= most - 7 }
        let total = models.reduce(0) { $0 + exp($1.weight - most) }
        for place in models.indices {
            models[place].weight = exp(models[place].weight - most) / total
        }
        logEvidence = most + log(total)
        mean = models.reduce(0) { $0 + $1.weight * $1.kriging.mean }
        ofClasses = measured.classSums(weights(\.ofClasses))
        ofParts = measured.partSums(weights(\.ofParts))
        let each = models.map { ($0.weight, $0.kriging.leftOut()) }
        leftOut = values.indices.map { place in
            Self.mixed(each.map { weight, all in (weight, all[place]) })
        }
    }

    /// Returns, for each measured network, its weight in `Kriging` times the square of the deviation `deviation`,
    /// averaged over the grid.
    private func weights(_ deviation: (FactorDeviations) -> Double) -> [Double] {
        measured.all.indices.map { place in
            models.reduce(0) {
                let found = deviation($1.deviations)
                return $0 + $1.weight * found * found * $1.kriging.weights[place]
            }
        }
    }

    /// Returns the mean and the variance of a mixture; the weights add up to 1.
    static func mixed(_ all: [(weight: Double, value: LeftOut)]) -> LeftOut {
        let error = all.reduce(0) { $0 + $1.weight * $1.value.error }
        let variance = all.reduce(0) { sum, one in
            let apart = one.value.error - error
            return sum + one.weight * (one.value.variance + apart * apart)
        }
        return LeftOut(error: error, variance: variance)
    }

    /// Returns the factors, 1 or more, by which the variances of the measurements are multiplied, so that each
    /// measurement gets Huber's weight. The scale of the errors follows from their median, which a few slow
    /// measurements do not change.
    private static func doubts(_ leftOut: [LeftOut]) -> [Double] {
        let sizes = leftOut.map { abs($0.error) / max($0.variance, 1e-300).squareRoot() }
        // The median of |x| is 0.6745 for standard normal x.
        let scale = sizes.sorted()[sizes.count / 2] / 0.6745
        return sizes.map { max(1, $0 / max(scale * hubersConstant, 1e-12)) }
    }

    /// Returns the covariance matrix of the measurements, row-major, noise included.
    private static func covariances(
        _ pairs: [Overlap], _ deviations: FactorDeviations, noise: [Double]
    ) -> [Double] {
        var all = pairs.map { $0.covariance(deviations) }
        for (place, factor) in noise.enumerated() {
            all[place * (noise.count + 1)] +=
                factor * deviations.ofMeasurements * deviations.ofMeasurements
        }
        return all
    }
}
