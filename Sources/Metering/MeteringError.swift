// What can go wrong while reading the host: one error type, a code to test for and a message to act
// on.

import Foundation

/// An error of the room Metering.
public struct MeteringError: LocalizedError, CustomStringConvertible, Equatable {
    /// What kind of failure it was.
    public enum Code: String, Sendable {
        /// A clock or a counter of the system could not be read.
        case unreadable
        /// A setting in the environment is not what it must be.
        case badSetting
    }

    /// What kind of failure it was.
    public let code: Code
    /// What happened, where, and what to do.
    public let message: String

    /// Makes an error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
    /// The message, for whoever shows errors of any kind.
    public var errorDescription: String? { message }
}
