// Remedied: the protocol of the errors of all rooms. An error states the problem and its remedy in
// two fields.

import Foundation

/// An error with the problem and its remedy in two fields; texts join them.
public protocol Remedied: LocalizedError, CustomStringConvertible {
    /// The problem and its file, line or field.
    var reason: String { get }
    /// How to fix it, or what was probably meant; nil if unknown.
    var remedy: String? { get }
}

extension Remedied {
    /// Reason and remedy in one sentence.
    public var message: String { Remedy.joined(reason, remedy) }
    /// The message, for `print` and string interpolation.
    public var description: String { message }
    /// The message, for Foundation's `localizedDescription`.
    public var errorDescription: String? { message }
}

/// Joins reasons and remedies.
public enum Remedy {
    /// `there is no run: start one`, and `is 'a'; did you mean 'b'?`.
    public static func joined(_ reason: String, _ remedy: String?) -> String {
        guard let remedy else { return reason }
        let isInstruction = !["did you mean", "it ", "known are", "there are"].contains {
            remedy.hasPrefix($0)
        }
        return reason + (isInstruction ? ": " : "; ") + remedy
    }
}
