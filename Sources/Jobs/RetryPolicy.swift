// RetryPolicy: the pauses between the attempts of a failed job.
import Foundation

/// Exponential backoff with jitter between the attempts of a job.
public struct RetryPolicy: Codable, Sendable, Equatable {
    /// The pause after the first failure, in seconds.
    public var baseSeconds: Double
    /// The factor by which each pause is longer than the previous one.
    public var factor: Double
    /// The longest pause, in seconds.
    public var maxSeconds: Double
    /// The relative jitter of a pause, in 0...1: a pause varies by up to this share of its length.
    public var jitter: Double

    /// By default, the pauses are about 1, 4, 16, 64 and 256 seconds, then five minutes.
    public init(
        baseSeconds: Double = 1, factor: Double = 4, maxSeconds: Double = 300, jitter: Double = 0.2
    ) {
        self.baseSeconds = baseSeconds
        self.factor = factor
        self.maxSeconds = maxSeconds
        self.jitter = jitter
    }

    /// Returns the pause in seconds after the failure of attempt `attempt` (from 1).
    public func delaySeconds(
        afterAttempt attempt: Int, using random: inout some RandomNumberGenerator
    ) -> Double {
        let exponent = Double(max(0, min(attempt, 1000) - 1))
        let plain = min(maxSeconds, baseSeconds * pow(factor, exponent))
        let share = max(0, min(1, jitter))
        return max(0, plain * Double.random(in: (1 - share)...(1 + share), using: &random))
    }
}

extension RetryPolicy {
    /// The default policy; `usualJSON` is its stored form. Most jobs have the default policy.
    /// Comparing a job's JSON with `usualJSON` is faster than parsing the JSON, which would take
    /// longer than the claim.
    private static let usual = RetryPolicy()
    private static let usualJSON = Result {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return String(decoding: try encoder.encode(RetryPolicy.usual), as: UTF8.self)
    }

    /// Parses a stored policy. If it cannot be parsed, the default policy is used, so that the
    /// claim does not fail.
    init(json: String) throws {
        if try json == Self.usualJSON.get() {
            self = Self.usual
        } else {
            do {
                self = try JSONDecoder().decode(RetryPolicy.self, from: Data(json.utf8))
            } catch is DecodingError {
                self = Self.usual
            }
        }
    }
}
