// Remedied: the protocol of the errors of this program. An error has the problem and the remedy in
// two fields.

import Foundation

/// An error that has the problem and its remedy in two fields; its message joins them.
public protocol Remedied: LocalizedError, CustomStringConvertible {
    /// The problem, with the file, line or field where it lies.
    var reason: String { get }
    /// How to fix the problem, or what was probably meant; nil if that is unknown.
    var remedy: String? { get }
}

extension Remedied {
    /// The reason and the remedy in one sentence.
    public var message: String { Remedy.joined(reason, remedy) }
    /// The message, for `print` and string interpolation.
    public var description: String { message }
    /// The message, for Foundation's `localizedDescription`.
    public var errorDescription: String? { message }
}

/// Joins a reason and a remedy.
public enum Remedy {
    /// Returns the reason and the remedy in one sentence, as in `there is no run: start one` or `is
    /// 'a'; did you mean 'b'?`.
    public static func joined(_ reason: String, _ remedy: String?) -> String {
        guard let remedy else { return reason }
        let isInstruction = !["did you mean", "it ", "known are", "there are"].contains {
            remedy.hasPrefix($0)
        }
        return reason + (isInstruction ? ": " : "; ") + remedy
    }
}
