// LibpqEnvironment: the PG* environment variables. libpq itself reports the variable of each
// option, so the variables of a newer libpq are known too. The variables must affect neither
// connections to the private server nor the programs that are started here.
import CLibPQ
import Foundation

/// The environment variables that libpq and PostgreSQL's programs read as defaults.
public enum LibpqEnvironment {
    /// An option of a connection.
    struct Option: Sendable, Equatable {
        /// The keyword of the option in a URL.
        let keyword: String
        /// The environment variable of the option; nil if there is none.
        let variable: String?
        /// The value of the option if neither the URL nor the variable sets it; nil if there is no
        /// such default.
        let fallback: String?
        /// True for passwords.
        let isSecret: Bool
    }

    /// All options of the libpq in use.
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

    /// Returns the entries of libpq's option list, which ends with a null keyword.
    static func conninfo(_ list: UnsafeMutablePointer<PQconninfoOption>) -> [PQconninfoOption] {
        var entries: [PQconninfoOption] = []
        var next = list
        while next.pointee.keyword != nil {
            entries.append(next.pointee)
            next += 1
        }
        return entries
    }

    /// Returns whether libpq or a PostgreSQL program may read the variable: whether its name begins
    /// with PG.
    public static func isPostgres(_ variable: String) -> Bool { variable.hasPrefix("PG") }

    /// Returns values for the options that a variable could change, so that the connection does not
    /// depend on the environment. The values are those in `known`, else the defaults of libpq.
    ///
    /// Some options are left out: `service`, because no value of it means "no service"; passwords
    /// and the file with passwords, because a server with trusted sockets never asks for a
    /// password; `application_name` and `connect_timeout`, because they do not decide which server
    /// or database is reached.
    static func complete(_ known: [String: String]) -> [(keyword: String, value: String)] {
        let free: Set = ["service", "passfile", "application_name", "connect_timeout"]
        let open = options.filter { option in
            option.variable != nil && !option.isSecret && !free.contains(option.keyword)
                && known[option.keyword] == nil
        }
        return known.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            + open.map { ($0.keyword, $0.fallback ?? "") }
    }

    /// Variables that libpq sends as session settings and that no URL overrides. Sessions of this
    /// program set these settings themselves.
    private static let sessionDefaults = ["PGTZ", "PGDATESTYLE", "PGGEQO"]

    /// Removes `sessionDefaults` from the environment of this process, because a wrong value would
    /// prevent a session from starting.
    public static func removeSessionDefaults() { remove { sessionDefaults.contains($0) } }

    /// Removes all PG* variables from the environment of this process, for a program that uses only
    /// its private server. This is necessary because no URL overrides PGSERVICE.
    public static func removeAll() { remove(isPostgres) }

    private static func remove(_ isWanted: (String) -> Bool) {
        // A variable that is not set is left alone, because libc forbids changing the environment
        // while other threads read it.
        for name in ProcessInfo.processInfo.environment.keys where isWanted(name) { unsetenv(name) }
    }
}
