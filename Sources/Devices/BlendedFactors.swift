// A device may be bound by arithmetic, or by a constant time to launch each operator, as graphics processors are with
// one image. So the factors of parts are fitted to several blends of two references, the table of the reference device
// and a constant for each operator, and every result is the mean over the blends, weighted by their likelihood.

import Foundation

/// The factors of parts for each blend of the reference device's table and a constant per operator.
struct BlendedFactors: Sendable {
    private struct Blend: Sendable {
        var weight: Double
        let share: Double
        let factors: PartFactors
    }

    private var blends: [Blend] = []
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
        leftOut = milliseconds.indices.map { place in
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
    }

    /// The common factor: time on the new device divided by time on the reference device.
    var common: Double { mean(\.factors.common) }
    /// The share of a network's time, 0…1, that the constant per operator takes.
    var constantShare: Double { mean(\.share) }
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
        let mean = zip(blends, each).reduce(0) { $0 + $1.0.weight * $1.1.mean }
        let variance = zip(blends, each).reduce(0) { sum, pair in
            let apart = pair.1.mean - mean
            return sum + pair.0.weight * (pair.1.deviation * pair.1.deviation + apart * apart)
        }
        return (mean, variance.squareRoot())
    }

    private func mean(_ value: (Blend) -> Double) -> Double {
        blends.reduce(0) { $0 + $1.weight * value($1) }
    }
}
