// Removes passwords from texts that are shown or stored. URLs and `key=value` words occur in any
// text: a mistyped option, a message of libpq, the output of another program.

import Foundation

extension Shown {
    /// The text with `***` for every password: between user and `@` of a URL, and after `password=` and its like, percent-
    /// encoded or not. If a URL was cut off before its `@`, a possible beginning of a password is
    /// removed too.
    public static func withoutPasswords(_ text: String) -> String {
        // Most texts contain neither a URL nor a key=value word.
        guard text.contains(where: { $0 == "=" || $0 == "/" }) else { return text }
        return
            text
            // No blanks inside; up to the last @, because a password may contain one.
            .replacing(#/(//[^\s:/@]*:)[^\s]*@/#) { "\($0.1)***@" }
            .replacing(#/((?i:postgres(?:ql)?)://[^\s:/@]*:)(?!\*\*\*@)[^\n]*@/#) { "\($0.1)***@" }
            // A number here is a port.
            .replacing(
                #/((?i:postgres(?:ql)?)://[^\s:/@]*:)(?!\*\*\*@|[0-9]+(?:[/?'"\s,]|$))[^\s]+/#
            ) {
                "\($0.1)***"
            }
            .replacing(#/([A-Za-z0-9_%]+)(\s*=\s*)('(?:[^'\\]|\\.)*'?|[^\s&']+)/#) { match in
                let key = String(match.1).removingPercentEncoding ?? String(match.1)
                guard isSecret(key.lowercased()) else { return String(match.0) }
                return "\(match.1)\(match.2)***"
            }
    }

    /// Whether a key of libpq, the environment or another program holds a password.
    private static func isSecret(_ key: String) -> Bool {
        ["password", "passwd", "pwd"].contains { key.hasSuffix($0) }
    }
}
