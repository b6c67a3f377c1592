// LibpqEnvironment: the PG* environment variables. libpq itself reports the variable of each
// option, so those of a newer libpq are covered. They must not affect connections to the private
// server nor the programs started here.
import CLibPQ
import Foundation

/// The environment variables that libpq and PostgreSQL's programs read as defaults.
public enum LibpqEnvironment {
    /// One option of a connection.
    struct Option: Sendable, Equatable {
        /// Its keyword in a URL.
        let keyword: String
        /// Its environment variable; nil if there is none.
        let variable: String?
        /// The default without URL option and variable; nil if there is none.
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

    /// The entries of libpq's option list, which ends with a null keyword.
    static func conninfo(_ list: UnsafeMutablePointer<PQconninfoOption>) -> [PQconninfoOption] {
        var entries: [PQconninfoOption] = []
        var next = list
        while next.pointee.keyword != nil {
            entries.append(next.pointee)
            next += 1
        }
        return entries
    }

    /// Whether libpq or a PostgreSQL program reads the variable.
    public static func isPostgres(_ variable: String) -> Bool { variable.hasPrefix("PG") }

    /// Options for every setting that a variable could change, so that the connection does not
    /// depend on the environment; `known` overrides the defaults.
    ///
    /// Excluded: `service`, which has no value for none; passwords and their file, which a server
    /// with trusted sockets never asks for; `application_name` and `connect_timeout`, which do not
    /// select anything.
    static func complete(_ known: [String: String]) -> [(keyword: String, value: String)] {
        let free: Set = ["service", "passfile", "application_name", "connect_timeout"]
        let open = options.filter { option in
            option.variable != nil && !option.isSecret && !free.contains(option.keyword)
                && known[option.keyword] == nil
        }
        return known.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            + open.map { ($0.keyword, $0.fallback ?? "") }
    }

    /// Variables that libpq sends as session settings and that no URL overrides; our sessions set
    /// their own.
    private static let sessionDefaults = ["PGTZ", "PGDATESTYLE", "PGGEQO"]

    /// Removes variables from this process's environment that could prevent a session from
    /// starting.
    public static func removeSessionDefaults() { remove { sessionDefaults.contains($0) } }

    /// Removes all PG* variables from this process's environment, for a program that uses its
    /// private server only: no URL overrides PGSERVICE either.
    public static func removeAll() { remove(isPostgres) }

    private static func remove(_ isWanted: (String) -> Bool) {
        // libc forbids changing the environment while other threads read it, so only variables that
        // are set are removed.
        for name in ProcessInfo.processInfo.environment.keys where isWanted(name) { unsetenv(name) }
    }
}
