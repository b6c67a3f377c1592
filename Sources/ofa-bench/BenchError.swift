// What can go wrong in a benchmark.
import Foundation

/// A failure of a benchmark: what is wrong and what to do.
struct BenchError: Error, Equatable, LocalizedError, CustomStringConvertible {
    /// What is wrong and what to do.
    let message: String

    /// Makes an error of its message.
    init(_ message: String) { self.message = message }

    /// The message.
    var description: String { message }
    /// The message.
    var errorDescription: String? { message }
}
