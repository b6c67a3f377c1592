// Passwords in texts that are shown or stored: a URL or `key=value` words may stand in any of them, a mistyped option's
// value, what libpq says, the output of another program.

import Foundation

extension Shown {
    /// The text with `***` for every password: between user and `@` of a URL, and after `password=` and its like, percent-
    /// encoded or not. Where a URL was cut before its `@`, what may be the beginning of a password goes too.
    public static func withoutPasswords(_ text: String) -> String {
        // Most texts hold neither.
        guard text.contains(where: { $0 == "=" || $0 == "/" }) else { return text }
        return
            text
            // Without a blank in it; to the last @, because one may be part of the password.
            .replacing(#/(//[^\s:/@]*:)[^\s]*@/#) { "\($0.1)***@" }
            .replacing(#/((?i:postgres(?:ql)?)://[^\s:/@]*:)(?!\*\*\*@)[^\n]*@/#) { "\($0.1)***@" }
            // A number there is a port.
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

    /// Whether it is the name of a password, as libpq, the environment and others call theirs.
    private static func isSecret(_ key: String) -> Bool {
        ["password", "passwd", "pwd"].contains { key.hasSuffix($0) }
    }
}
