// What the gate answers when something from outside is refused.

import Foundation

/// Why a text or a number from outside was refused. The caller knows file, line and key and puts them
/// in front: `pipeline.yaml:7: stages.full.batch` + " " + `reason`.
public struct InputFault: Error, Equatable, LocalizedError, CustomStringConvertible {
    /// A sentence without its subject, with the remedy: `is '064'; write a decimal number, such as 64`.
    public let reason: String

    /// Makes a fault of a sentence without its subject.
    public init(_ reason: String) { self.reason = reason }

    /// The reason.
    public var description: String { reason }
    /// `LocalizedError` conformance.
    public var errorDescription: String? { reason }
}
