// Remedied: what the errors of all rooms have in common. The code that throws one states what is wrong and what to do in
// two fields.

import Foundation

/// An error that tells what is wrong and what to do in two fields; texts join them.
public protocol Remedied: LocalizedError, CustomStringConvertible {
    /// What is wrong, and in which file, line or field.
    var reason: String { get }
    /// What to do, or what was probably meant; nil where neither is known.
    var remedy: String? { get }
}

extension Remedied {
    /// Both in one sentence.
    public var message: String { Remedy.joined(reason, remedy) }
    /// Both in one sentence, as `print` and string interpolation show it.
    public var description: String { message }
    /// Both in one sentence, as Foundation's `localizedDescription` shows it.
    public var errorDescription: String? { message }
}

/// How reasons and remedies are put together.
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
