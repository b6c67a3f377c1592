// Estimates of positive quantities that are known up to a factor.

import Foundation
import Metering

/// An estimate of a positive quantity whose logarithm is normally distributed.
public struct LogEstimate: Sendable, Equatable {
    /// The mean of the logarithm; its exponential is the median of the quantity.
    public let logMean: Double
    /// The standard deviation of the logarithm.
    public let deviation: Double

    /// The quantile of the normal distribution for a central interval of 90 %.
    static let quantile = 1.645

    /// `deviation` is at least 0.
    public init(logMean: Double, deviation: Double) {
        (self.logMean, self.deviation) = (logMean, deviation)
    }

    /// Predicts the next of a series of which `count` values are known, with the mean and the sample standard deviation
    /// of their logarithms (nil for one value). `prior` is the assumed deviation, which counts as one further
    /// observation, so that few values that happen to agree do not look certain. Nil without values.
    public init?(count: Int, logMean: Double?, sampleDeviation: Double?, prior: Double) {
        guard count > 0, let logMean else { return nil }
        let spread = sampleDeviation ?? 0
        let variance =
            (prior * prior + Double(count - 1) * spread * spread) / Double(count)
        self.init(
            logMean: logMean, deviation: (variance * (1 + 1 / Double(count))).squareRoot())
    }

    /// Predicts the next of a series of values; values that are not positive are left out. Nil without values.
    public init?(values: [Double], prior: Double) {
        let logs = values.filter { $0 > 0 }.map { log($0) }
        let mean = logs.reduce(0, +) / Double(max(1, logs.count))
        let squares = logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        self.init(
            count: logs.count, logMean: mean,
            sampleDeviation: logs.count > 1
                ? (squares / Double(logs.count - 1)).squareRoot() : nil,
            prior: prior)
    }

    /// Combines independent estimates of one quantity, each weighted by the inverse of its variance. Nil without
    /// estimates.
    public static func combined(_ estimates: [LogEstimate]) -> LogEstimate? {
        if let exact = estimates.first(where: { $0.deviation == 0 }) { return exact }
        let weights = estimates.map { 1 / ($0.deviation * $0.deviation) }
        let sum = weights.reduce(0, +)
        guard sum > 0 else { return nil }
        let mean = zip(estimates, weights).reduce(0) { $0 + $1.0.logMean * $1.1 } / sum
        return LogEstimate(logMean: mean, deviation: (1 / sum).squareRoot())
    }

    /// The median with the central interval of 90 %.
    public var interval: Interval {
        let factor = exp(Self.quantile * deviation), value = exp(logMean)
        return Interval(value: value, low: value / factor, high: value * factor)
    }

    /// Returns what is left of the quantity after `spent`, of which it is known that more follows: the estimate is at
    /// least `spent`.
    func left(after spent: Double) -> Interval {
        guard spent > 0 else { return interval }
        let whole = LogEstimate(logMean: max(logMean, log(spent)), deviation: deviation).interval
        return Interval(
            value: max(0, whole.value - spent), low: max(0, whole.low - spent),
            high: max(0, whole.high - spent))
    }
}
