// The error type of benchmarks.
import Foundation

/// A failure of a benchmark, with its remedy.
struct BenchError: Error, Equatable, LocalizedError, CustomStringConvertible {
    /// The problem and its remedy.
    let message: String

    /// Makes an error; `message` includes the remedy.
    init(_ message: String) { self.message = message }

    /// The message.
    var description: String { message }
    /// The message.
    var errorDescription: String? { message }
}
