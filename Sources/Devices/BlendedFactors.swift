// A device may be bound by arithmetic, or by a constant time to launch each operator, as graphics processors are with
// one image. So the factors of parts are fitted to several blends of two references, the table of the reference device
// and a constant for each operator, and every result is the mean over the blends, weighted by their likelihood.
// A few networks may fit a wrong blend by chance. So the blends' mean is averaged with the simplest fits. Their weights
// follow from the errors in leave-one-out cross-validation.

import Foundation

/// The factors of parts for each blend of the reference device's table and a constant per operator.
struct BlendedFactors: Sendable {
    private struct Blend: Sendable {
        var weight: Double
        let share: Double
        let factors: PartFactors
    }

    private var blends: [Blend] = []
    /// The simple fits with their weights, and the weight of the blends; the weights add up to 1.
    private var simple: [(weight: Double, fit: SimpleFit)] = []
    private var blendsWeight = 1.0
    /// The constant per operator in milliseconds. It is chosen so that both references have the same sum of times over
    /// the measured networks.
    private let perOperatorMs: Double
    /// For each measured network, the error of its prediction by fits without this network: 1 - predicted / measured.
    let leftOut: [PartFactors.LeftOut]

    /// The tried shares of the constant in the mean time of the measured networks. A share of 1 is not tried: it would
    /// predict that the size of operators makes no difference.
    private static let shares = [0, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 0.95]

    /// The logarithm of how much more probable the blend without the constant is, before any measurement, than each
    /// blend with the constant. Ten networks of nearly one image size hardly distinguish the constant from the factors
    /// of classes, and a wrong constant causes large errors at another image size.
    private static let constantPenalty = 3.0

    /// The logarithm of how much more probable the blends together are, before any measurement, than each simple fit.
    private static let blendsAdvantage = 1.5

    /// The share of a measurement in the weights of the simple fits and the blends: a fit with twice the error in
    /// cross-validation of n networks has the weight 2^(-0.3 n). The errors in cross-validation of the same networks
    /// depend on each other, so n networks tell less about the fits than n independent errors, which would be 2^(-n).
    private static let shareOfMeasurement = 0.3

    /// Fits the factors to at least five different `networks` and their latencies on the new device, `milliseconds`;
    /// `counts` has the number of measurements behind each latency.
    init(_ networks: [[ReferencePart]], _ milliseconds: [Double], counts: [Int]) {
        let all = networks.joined()
        let constant =
            all.reduce(0) { $0 + $1.milliseconds }
            / max(1, all.reduce(0) { $0 + $1.operators })
        perOperatorMs = constant
        let fitted = Self.shares.map { share in
            PartFactors(
                networks.map { parts in
                    parts.map { $0.blended(share: share, perOperatorMs: constant) }
                }, milliseconds, counts: counts)
        }
        let evidence = zip(Self.shares, fitted).map { share, factors in
            factors.logEvidence - (share > 0 ? Self.constantPenalty : 0)
        }
        let most = evidence.max() ?? 0
        // Blends a thousand times less probable than the best are dropped.
        for (place, factors) in fitted.enumerated() where evidence[place] > most - 7 {
            blends.append(
                Blend(
                    weight: exp(evidence[place] - most), share: Self.shares[place],
                    factors: factors))
        }
        let total = blends.reduce(0) { $0 + $1.weight }
        for place in blends.indices { blends[place].weight /= total }
        let found = blends
        let ofBlends = milliseconds.indices.map { place in
            PartFactors.mixed(
                found.map { blend in
                    let scale = blend.factors.fittedMs[place] / milliseconds[place]
                    let one = blend.factors.leftOut[place]
                    return (
                        blend.weight,
                        .init(error: one.error * scale, variance: one.variance * scale * scale)
                    )
                })
        }
        let fits = SimpleFit.Constant.allCases.map {
            SimpleFit($0, networks, milliseconds, counts: counts)
        }
        let weights = Self.weights([ofBlends.map(\.error)] + fits.map(\.leftOut))
        blendsWeight = weights[0]
        simple = zip(weights.dropFirst(), fits).map { (weight: $0, fit: $1) }
        // A simple fit has no variance of its own, so it is given the blends'.
        leftOut = ofBlends.enumerated().map { place, one in
            PartFactors.mixed(
                [(weights[0], one)]
                    + zip(weights.dropFirst(), fits).map { weight, fit in
                        (weight, .init(error: fit.leftOut[place], variance: one.variance))
                    })
        }
    }

    /// Returns the weights of fits, which add up to 1, from their errors in cross-validation. The first errors are
    /// those of the blends.
    private static func weights(_ errors: [[Double]]) -> [Double] {
        var logarithms = errors.map { all in
            let mean = all.reduce(0) { $0 + abs($1) } / Double(all.count)
            // Errors below a millionth are those of rounding.
            return -shareOfMeasurement * Double(all.count) * log(max(mean, 1e-6))
        }
        logarithms[0] += blendsAdvantage
        let most = logarithms.max() ?? 0
        let total = logarithms.reduce(0) { $0 + exp($1 - most) }
        return logarithms.map { exp($0 - most) / total }
    }

    /// The common factor: time on the new device divided by time on the reference device.
    var common: Double { mean(\.factors.common) }
    /// The share of a network's time, 0…1, that the constants per operator and per network take.
    var constantShare: Double {
        blendsWeight * mean(\.share)
            + simple.reduce(0) { $0 + $1.weight * $1.fit.constantShare }
    }
    /// The deviations, averaged over the blends.
    var deviations: FactorDeviations {
        FactorDeviations(
            ofClasses: mean(\.factors.deviations.ofClasses),
            ofParts: mean(\.factors.deviations.ofParts),
            ofMeasurements: mean(\.factors.deviations.ofMeasurements))
    }

    /// Returns the predicted latency of `parts` together in milliseconds, and the standard deviation of the
    /// prediction's error. The latency is positive, and the sum of the latencies of the single parts.
    func latencyMs(_ parts: [ReferencePart]) -> (mean: Double, deviation: Double) {
        let each = blends.map { blend in
            blend.factors.latencyMs(
                parts.map { $0.blended(share: blend.share, perOperatorMs: perOperatorMs) })
        }
        // The variance within the blends plus the variance between the blends and the simple fits.
        let within = zip(blends, each).reduce(0) {
            $0 + $1.0.weight * $1.1.deviation * $1.1.deviation
        }
        let means =
            zip(blends, each).map { (weight: blendsWeight * $0.weight, value: $1.mean) }
            + simple.map { (weight: $0.weight, value: $0.fit.latencyMs(parts)) }
        let mean = means.reduce(0) { $0 + $1.weight * $1.value }
        let between = means.reduce(0) {
            $0 + $1.weight * ($1.value - mean) * ($1.value - mean)
        }
        return (mean, (within + between).squareRoot())
    }

    private func mean(_ value: (Blend) -> Double) -> Double {
        blends.reduce(0) { $0 + $1.weight * value($1) }
    }
}
