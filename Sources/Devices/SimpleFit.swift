// Least squares with one or two coefficients: the simplest calibrations. Ten networks may mislead the many factors of
// `PartFactors` more than they mislead a factor and a constant.

import Foundation

/// Latency on a new device as a multiple of the reference device's latency plus a constant for each part or operator.
struct SimpleFit: Sendable {
    /// What the constant is added for.
    enum Constant: CaseIterable, Sendable {
        /// There is no constant: one factor serves all networks.
        case absent
        /// Each network: the parts of its stem and head, of which all networks have as many.
        case perNetwork
        /// Each operator.
        case perOperator

        /// Returns how often the constant is in the latency of `part`.
        fileprivate func count(_ part: ReferencePart) -> Double {
            switch self {
            case .absent: 0
            case .perNetwork: part.isInEveryNetwork ? 1 : 0
            case .perOperator: part.operators
            }
        }
    }

    private let kind: Constant
    private var factor = 0.0, constantMs = 0.0
    /// The share of the measured networks' time, 0…1, that is the constant.
    private(set) var constantShare = 0.0
    /// Each measured network, predicted by the fit without it: measured minus predicted latency, divided by the
    /// measured latency.
    private(set) var leftOut: [Double] = []

    /// Fits the factor and the constant to `networks` and their latencies on the new device, `milliseconds`, by least
    /// squares of the relative errors; `counts` has the number of measurements behind each latency. A coefficient that
    /// would be negative is 0.
    init(
        _ kind: Constant, _ networks: [[ReferencePart]], _ milliseconds: [Double], counts: [Int]
    ) {
        self.kind = kind
        let rows = zip(networks, milliseconds).map { parts, value in
            (
                parts.reduce(0) { $0 + $1.milliseconds } / value,
                parts.reduce(0) { $0 + kind.count($1) } / value
            )
        }
        var (xx, xc, cc, x, c) = (0.0, 0.0, 0.0, 0.0, 0.0)
        for (row, count) in zip(rows, counts) {
            let weight = Double(count)
            xx += weight * row.0 * row.0
            xc += weight * row.0 * row.1
            cc += weight * row.1 * row.1
            x += weight * row.0
            c += weight * row.1
        }
        // The inverse of the normal equations' matrix; zeros for a coefficient that is not fitted.
        let determinant = xx * cc - xc * xc
        var inverse = (xx: 1 / xx, xc: 0.0, cc: 0.0)
        if determinant > 1e-9 * xx * cc {
            let both = (xx: cc / determinant, xc: -xc / determinant, cc: xx / determinant)
            if both.xx * x + both.xc * c < 0 {
                inverse = (0, 0, 1 / cc)
            } else if both.xc * x + both.cc * c >= 0 {
                inverse = both
            }
        }
        factor = inverse.xx * x + inverse.xc * c
        constantMs = inverse.xc * x + inverse.cc * c
        constantShare = constantMs * c / max(factor * x + constantMs * c, 1e-300)
        // The error of a fit without a measurement is the fit's error divided by 1 minus the measurement's leverage.
        leftOut = zip(rows, counts).map { [factor, constantMs] row, count in
            let leverage =
                Double(count)
                * (inverse.xx * row.0 * row.0 + 2 * inverse.xc * row.0 * row.1
                    + inverse.cc * row.1 * row.1)
            return (1 - factor * row.0 - constantMs * row.1) / max(1 - leverage, 1e-6)
        }
    }

    /// Returns the predicted latency of `parts` together in milliseconds; it is not negative.
    func latencyMs(_ parts: [ReferencePart]) -> Double {
        parts.reduce(0) { $0 + factor * $1.milliseconds + constantMs * kind.count($1) }
    }
}
