// LibpqEnvironment: what PG* variables of the environment can change. libpq itself names the variable of each
// option, so those of a newer libpq are known too. The private server must be reached whatever they say, and the
// programs this one starts must not see them.
import CLibPQ
import Foundation

/// The variables by which libpq and PostgreSQL's programs are told what their arguments do not say.
public enum LibpqEnvironment {
    /// One option of a connection.
    struct Option: Sendable, Equatable {
        /// Its keyword in a URL.
        let keyword: String
        /// The variable that stands for it; nil where there is none.
        let variable: String?
        /// What holds when neither URL nor variable says anything; nil where that is nothing.
        let fallback: String?
        /// True for passwords.
        let isSecret: Bool
    }

    /// Every option of the libpq in use.
    static let options: [Option] = {
        guard let list = PQconndefaults() else { return [] }
        defer { PQconninfoFree(list) }
        return conninfo(list).map { one in
            Option(
                keyword: String(cString: one.keyword),
                variable: one.envvar.map { String(cString: $0) },
                fallback: one.compiled.map { String(cString: $0) },
                isSecret: one.dispchar.map { String(cString: $0) } == "*")
        }
    }()

    /// The entries of a list of libpq, up to the one without a keyword.
    static func conninfo(_ list: UnsafeMutablePointer<PQconninfoOption>) -> [PQconninfoOption] {
        var entries: [PQconninfoOption] = []
        var next = list
        while next.pointee.keyword != nil {
            entries.append(next.pointee)
            next += 1
        }
        return entries
    }

    /// True for a variable that libpq or a program of PostgreSQL reads.
    public static func isPostgres(_ variable: String) -> Bool { variable.hasPrefix("PG") }

    /// Words of a URL that say everything a variable could change, so that what is reached, as whom and how does
    /// not depend on the environment; `known` replaces what holds otherwise.
    ///
    /// Left out: `service`, for which no value means none; passwords and their file, which a server that trusts its
    /// socket never asks for; `application_name` and `connect_timeout`, which decide nothing.
    static func complete(_ known: [String: String]) -> [(keyword: String, value: String)] {
        let free: Set = ["service", "passfile", "application_name", "connect_timeout"]
        let open = options.filter { option in
            option.variable != nil && !option.isSecret && !free.contains(option.keyword)
                && known[option.keyword] == nil
        }
        return known.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            + open.map { ($0.keyword, $0.fallback ?? "") }
    }

    /// What libpq sends as settings of a session, by variables that no URL outdoes; every session here says its own.
    private static let sessionDefaults = ["PGTZ", "PGDATESTYLE", "PGGEQO"]

    /// Takes the variables out of the environment of this process with which no session could begin that they spoil.
    public static func removeSessionDefaults() { remove { sessionDefaults.contains($0) } }

    /// Takes every such variable out of the environment of this process: for a program that uses its private server
    /// alone. PGSERVICE, too, can be outdone by no URL.
    public static func removeAll() { remove(isPostgres) }

    private static func remove(_ isWanted: (String) -> Bool) {
        // Changing the environment while other threads read it is what libc forbids: only where there is need.
        for name in ProcessInfo.processInfo.environment.keys where isWanted(name) { unsetenv(name) }
    }
}
