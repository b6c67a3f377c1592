// Removes passwords from texts that are shown or stored. Any text may contain URLs and `key=value`
// words: a mistyped option, a message of libpq, the output of another program.

import Foundation

extension Shown {
    /// Returns the text with `***` in place of passwords: between the user and the `@` of a URL,
    /// and as the value of `password=` and similar keys, percent-encoded or not. If a URL was cut
    /// off before its `@`, the beginning of a possible password is removed too.
    public static func withoutPasswords(_ text: String) -> String {
        // Most texts contain neither a URL nor a key=value word.
        guard text.contains(where: { $0 == "=" || $0 == "/" }) else { return text }
        return
            text
            // In this pattern a password contains no blanks and reaches to the last @, because a
            // password may contain an @.
            .replacing(#/(//[^\s:/@]*:)[^\s]*@/#) { "\($0.1)***@" }
            .replacing(#/((?i:postgres(?:ql)?)://[^\s:/@]*:)(?!\*\*\*@)[^\n]*@/#) { "\($0.1)***@" }
            // A number in the place of the password is a port.
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

    /// Returns whether the value of a key (of libpq, the environment or another program) is a
    /// password.
    private static func isSecret(_ key: String) -> Bool {
        ["password", "passwd", "pwd"].contains { key.hasSuffix($0) }
    }
}
