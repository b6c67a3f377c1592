// RetryPolicy: the pause between the attempts of a failed job.
import Foundation

/// Exponential backoff with jitter between the attempts of a job.
public struct RetryPolicy: Codable, Sendable, Equatable {
    /// The pause after the first failure, in seconds.
    public var baseSeconds: Double
    /// The factor from one pause to the next.
    public var factor: Double
    /// The longest pause, in seconds.
    public var maxSeconds: Double
    /// The relative jitter of a pause, in 0...1.
    public var jitter: Double

    /// The default waits about 1, 4, 16, 64 seconds and at most five minutes.
    public init(
        baseSeconds: Double = 1, factor: Double = 4, maxSeconds: Double = 300, jitter: Double = 0.2
    ) {
        self.baseSeconds = baseSeconds
        self.factor = factor
        self.maxSeconds = maxSeconds
        self.jitter = jitter
    }

    /// The pause in seconds after failed attempt `attempt` (from 1).
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
    /// The stored form of the default policy: most jobs have it, and parsing JSON takes longer than
    /// a claim.
    private static let usual = RetryPolicy()
    private static let usualJSON = Result {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return String(decoding: try encoder.encode(RetryPolicy.usual), as: UTF8.self)
    }

    /// Parses a stored policy; an unreadable one is the default, so that it fails no claim.
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
