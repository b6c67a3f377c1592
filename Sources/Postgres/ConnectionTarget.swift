// ConnectionTarget: a parsed database URL, with the URL for libpq, the pooler mode, and a form
// without passwords. All database URLs are validated here: another scheme, a password that is not
// percent-encoded, or an unknown option gives a one-line error without the password.
import CLibPQ
import Foundation
import Intake

/// A parsed database URL: the URL for libpq and the pooler mode.
public struct ConnectionTarget: Sendable, Equatable {
    /// Whether there is a pooler in transaction mode in front of the server.
    public enum Pooling: String, Sendable {
        /// A pooler is detected when connecting.
        case automatic = "auto"
        /// There is a pooler.
        case always = "1"
        /// There is no pooler, even if the connection looks as if there were one.
        case never = "0"
    }

    /// An option of a URL and its value.
    struct Setting: Sendable, Equatable {
        let keyword: String
        let value: String
        let isSecret: Bool
    }

    /// The URL for libpq, without `ofa_pooled`.
    public let libpqText: String
    /// Whether a pooler in transaction mode is expected: the value of the option `ofa_pooled`.
    public let pooling: Pooling
    /// The options of the URL, as libpq parses them.
    let settings: [Setting]

    /// Parses a URL or a text of `key=value` words. Errors do not contain the password.
    public init(_ url: String) throws {
        do { _ = try TextRule.path.checked(url) } catch {
            throw Self.unreadable("the database URL \(error.reason)")
        }
        try Self.checkScheme(url)
        let key = "ofa_pooled="
        let isURL = Self.isURL(url)
        var kept = url
        var values: [Substring] = []
        if isURL, let mark = url.firstIndex(of: "?") {
            let words = url[url.index(after: mark)...].split(separator: "&")
            values = words.filter { $0.hasPrefix(key) }
            let rest = words.filter { !$0.hasPrefix(key) }.joined(separator: "&")
            kept = url[..<mark] + (rest.isEmpty ? "" : "?" + rest)
        } else if !isURL {
            values = url.split(separator: " ").filter { $0.hasPrefix(key) }
            for value in values { kept = kept.replacingOccurrences(of: value, with: "") }
        }
        libpqText = values.isEmpty ? url : kept
        settings = try Self.parse(libpqText)
        try Self.checkPorts(settings)
        guard let value = values.last?.dropFirst(key.count) else {
            pooling = .automatic
            return
        }
        guard let pooling = Pooling(rawValue: String(value)) else {
            throw PostgresError(
                "ofa_pooled is 0, 1 or auto, not \(Shown.excerpt(String(value)))",
                remedy: "Correct the database URL.", sqlState: "22023")
        }
        self.pooling = pooling
    }

    // MARK: Showing

    /// The URL for display, in which passwords are `***`.
    public var shown: String { rendered(secret: "***") }

    /// The URL without passwords, for programs that read passwords from a file or ask for them.
    public var withoutPasswords: String { rendered(secret: nil) }

    /// Whether the URL contains a password.
    public var hasPassword: Bool { settings.contains { $0.isSecret && !$0.value.isEmpty } }

    /// Returns the form of a URL for display; only `***` if the URL cannot be parsed.
    public static func shown(_ url: String) -> String {
        do { return try ConnectionTarget(url).shown } catch { return "***" }
    }

    /// Percent-encodes `text` for use in a URL.
    static func encoded(_ text: String) -> String {
        let allowed = CharacterSet(
            charactersIn: "/-._~abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
        return text.addingPercentEncoding(withAllowedCharacters: allowed) ?? text
    }

    /// Returns the URL itself if it contains no password, else an equivalent URL with `secret`
    /// instead of each password (nil: without passwords).
    private func rendered(secret: String?) -> String {
        guard hasPassword else { return libpqText }
        var named: [String: String] = [:]
        for setting in settings where !setting.isSecret { named[setting.keyword] = setting.value }
        var text = "postgresql://"
        let user = named.removeValue(forKey: "user")
        if settings.contains(where: { $0.keyword == "password" }), let secret {
            text += (user.map(Self.encoded) ?? "") + ":" + secret + "@"
        } else if let user {
            text += Self.encoded(user) + "@"
        }
        // A list of hosts, a socket folder or an IPv6 address is written as an option, because it
        // may not stand in the authority of a URL.
        let isPlain = named["host"].map { !$0.contains(where: { "/,:%".contains($0) }) } ?? false
        if isPlain, !(named["port"] ?? "").contains(",") {
            text += named.removeValue(forKey: "host") ?? ""
            text += named.removeValue(forKey: "port").map { ":" + $0 } ?? ""
        }
        text += "/" + (named.removeValue(forKey: "dbname").map(Self.encoded) ?? "")
        var words = named.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.encoded($0.value))" }
        for setting in settings where setting.isSecret && setting.keyword != "password" {
            if let secret { words.append("\(setting.keyword)=\(secret)") }
        }
        return text + (words.isEmpty ? "" : "?" + words.joined(separator: "&"))
    }

    // MARK: Reading

    private static func isURL(_ text: String) -> Bool {
        text.hasPrefix("postgresql://") || text.hasPrefix("postgres://")
    }

    private static func unreadable(_ message: String, remedy: String? = nil) -> PostgresError {
        PostgresError(
            message, remedy: remedy ?? "Write it as postgresql://USER@HOST:PORT/DATABASE.",
            statement: "connect")
    }

    /// Refuses URLs of other schemes, which libpq would take for the name of a database, and URLs
    /// whose password libpq would split in the wrong place and then show in part.
    private static func checkScheme(_ url: String) throws {
        if !isURL(url) {
            guard let match = url.prefixMatch(of: /([A-Za-z][A-Za-z0-9+.\-]*):/) else {
                // libpq takes a bare word, such as a URL without a scheme, for a database name.
                guard !url.contains("="), url.contains(where: { "/@:".contains($0) }) else {
                    return
                }
                throw unreadable("the database URL does not begin with postgresql://")
            }
            let scheme = String(match.1)
            if scheme.lowercased().contains("postgres") || scheme.lowercased() == "jdbc" {
                throw unreadable(
                    "the database URL begins with \(scheme): and not with postgresql://",
                    remedy: scheme.lowercased() == "jdbc"
                        ? "Leave out jdbc: and write postgresql://USER@HOST:PORT/DATABASE." : nil)
            }
            throw unreadable(
                "the database URL begins with \(scheme): and not with postgresql://",
                remedy: "ofa works with PostgreSQL alone: postgresql://USER@HOST:PORT/DATABASE.")
        }
        let rest = url[(url.firstRange(of: "://")?.upperBound ?? url.startIndex)...]
        // The user and the password end at the first @. If another @ follows, or a / stands between
        // a colon and the first @, that character was probably meant as part of the password.
        let place = rest.prefix { $0 != "?" }
        let isCut =
            place.firstIndex(of: "@").map { at in
                place[place.index(after: at)...].contains("@")
                    || place[..<at].firstIndex(of: "/").map { place[..<$0].contains(":") } ?? false
            } ?? false
        guard !isCut else {
            throw unreadable(
                "the user or password in the database URL holds a character that ends it",
                remedy: "Percent-encode it: @ is %40, / is %2F, : is %3A, ? is %3F, % is %25.")
        }
    }

    /// Refuses a port that is not a number from 1 to 65535. Such a port may be part of a password
    /// that was split at the wrong place, and ports are shown in messages.
    private static func checkPorts(_ settings: [Setting]) throws {
        for setting in settings where setting.keyword == "port" {
            let isNumber = setting.value.split(separator: ",").allSatisfy { port in
                port.wholeMatch(of: /[0-9]{1,5}/) != nil && (1...65535).contains(Int(port) ?? 0)
            }
            guard !isNumber else { continue }
            throw unreadable(
                "the database URL has a port that is no number from 1 to 65535",
                remedy: "Write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE.")
        }
    }

    private static func parse(_ text: String) throws -> [Setting] {
        // A text without = is the name of a database.
        guard isURL(text) || text.contains("=") else {
            return text.isEmpty ? [] : [Setting(keyword: "dbname", value: text, isSecret: false)]
        }
        var reason: UnsafeMutablePointer<CChar>?
        guard let list = PQconninfoParse(text, &reason) else {
            defer { PQfreemem(reason) }
            let said = reason.map { String(cString: $0) } ?? "out of memory"
            throw unreadable("the database URL cannot be read: " + withoutQuotes(said))
        }
        defer { PQconninfoFree(list) }
        return LibpqEnvironment.conninfo(list).compactMap { one in
            one.val.map {
                Setting(
                    keyword: String(cString: one.keyword), value: String(cString: $0),
                    isSecret: String(cString: one.dispchar) == "*")
            }
        }
    }

    /// Removes quoted text from a message of libpq, because quoted text may be part of a password; the names of options
    /// stay.
    private static func withoutQuotes(_ message: String) -> String {
        let known = Set(LibpqEnvironment.options.map(\.keyword) + ["=", "%00"])
        return Shown.line(message.trimmingCharacters(in: .whitespacesAndNewlines))
            .replacing(/"([^"]*)"/) { known.contains(String($0.1)) ? "\"\($0.1)\"" : "\"***\"" }
    }
}
