// The one error type of this module: a code to switch on and a message that says what, where and
// what to do.
import Foundation
import Intake

/// What went wrong when networks were encoded, predicted, timed by table or searched.
public struct SearchError: Error, Sendable, Equatable, LocalizedError, CustomStringConvertible {
    /// The kinds of failure a caller may treat differently.
    public enum Code: String, Sendable {
        /// A network lies outside of what a predictor was fitted on.
        case outsideDomain
        /// There are too few measured networks to fit on.
        case tooFewSamples
        /// A latency table has no entry for a layer or a resolution.
        case missingLatency
        /// A file cannot be read or is not what it should be.
        case malformed
        /// No network meets the limits.
        case infeasible
        /// A limit or an option makes no sense.
        case invalidOption
    }

    /// The kind of failure.
    public let code: Code
    /// One or two lines for people: what, where, and the remedy.
    public let message: String

    /// Makes an error from its code and its message.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message, as `print` and string interpolation show it.
    public var description: String { message }
    /// The message, as Foundation's `localizedDescription` shows it.
    public var errorDescription: String? { message }

    /// Says where a JSON document is not what it should be.
    static func describe(_ error: DecodingError) -> String {
        func path(_ context: DecodingError.Context, _ more: [any CodingKey] = []) -> String {
            let keys = (context.codingPath + more).map { key in
                key.intValue.map { "[\($0)]" } ?? ".\(Shown.excerpt(key.stringValue))"
            }
            return String(keys.joined().trimmingPrefix("."))
        }
        switch error {
        case .keyNotFound(let key, let context): return "field \(path(context, [key])) is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            return "field \(path(context)): \(context.debugDescription)"
        case .dataCorrupted(let context):
            let place = context.codingPath.isEmpty ? "" : "field \(path(context)): "
            return place + context.debugDescription
        @unknown default: return "\(error)"
        }
    }
}
