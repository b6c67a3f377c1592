// PostgresError: an error of PostgreSQL or of the connection to it, with the statement and a
// remedy.
import Foundation
import Intake

/// An error of the database or of the connection to it.
public struct PostgresError: Remedied, Equatable {
    /// The five characters of the SQLSTATE; nil if there is none, for example because the server
    /// did not answer.
    public var sqlState: String?
    /// The name of the statement that failed; nil outside a statement.
    public var statement: String?
    /// The message of the server, of libpq or of this program, on one line.
    public var message: String
    /// How a user can fix the problem; nil if that is unknown.
    public var remedy: String?
    /// The name of the violated constraint, if the server reported one.
    public var constraint: String?
    /// True if the connection was lost, so that the outcome of the last statement may be unknown.
    public var isConnectionLoss: Bool

    /// Makes an error from its parts.
    public init(
        _ message: String, remedy: String? = nil, statement: String? = nil, sqlState: String? = nil,
        constraint: String? = nil, isConnectionLoss: Bool = false
    ) {
        self.sqlState = sqlState
        self.statement = statement
        self.message = message
        self.remedy = remedy
        self.constraint = constraint
        self.isConnectionLoss = isConnectionLoss
    }

    /// True if the same transaction may succeed when it is repeated.
    ///
    /// This includes a lock timeout (55P03), but not a statement timeout (57014), which would most
    /// likely recur.
    public var isRetryable: Bool {
        sqlState.map(["40001", "40P01", "55P03"].contains) ?? false
    }

    /// True if the server temporarily lacks resources: disk, memory or connections. The failed
    /// statement had no effect.
    public var isShortage: Bool { sqlState?.hasPrefix("53") ?? false }

    /// True if the server is read-only: a standby, or the old primary after a failover. The next
    /// connection may reach the new primary.
    public var isReadOnly: Bool { sqlState == "25006" }

    /// The failure, with its statement and SQLSTATE.
    public var reason: String {
        var text = "PostgreSQL"
        if let statement { text += ", statement \(statement)" }
        text += ": \(message)"
        if let sqlState { text += " (SQLSTATE \(sqlState))" }
        return text
    }

    /// One or two lines: the failure with its statement, and the remedy.
    public var description: String { remedy.map { "\(reason)\n\($0)" } ?? reason }

    /// The description, for `LocalizedError`.
    public var errorDescription: String? { description }

    /// Returns whether a SQLSTATE means that the server closes this connection, or does not accept
    /// it yet.
    static func saysConnectionLost(_ sqlState: String) -> Bool {
        sqlState.hasPrefix("08")
            || ["57P01", "57P02", "57P03", "57P05", "25P03"].contains(sqlState)
    }

    /// Returns the remedy for a SQLSTATE; for an uncommon SQLSTATE, a general remedy; nil without a
    /// SQLSTATE.
    static func usualRemedy(_ sqlState: String?) -> String? {
        switch sqlState {
        case "53100":
            "The disk of the database is full: free some space and run the same command again."
        case "53300":
            "The server has no connection left: run fewer workers, or raise max_connections."
        case "57014": "The statement ran longer than its time limit, or was cancelled by hand."
        case "55P03":
            "Another session holds the lock: run it again, or find who holds it with "
                + "pg_blocking_pids() and pg_stat_activity."
        case "25006":
            "The server is read-only: it is a standby, or default_transaction_read_only is on. Name the primary in "
                + "the database URL (with several hosts: target_session_attrs=read-write), or switch it off."
        case "25P03":
            "The transaction waited too long for its next statement and was rolled back: do the "
                + "slow work before it begins, then run it again."
        case "3D000": "Create the database with createdb NAME, or correct its name in the URL."
        case "28P01":
            "Correct user and password in the database URL; createuser makes a user that is missing."
        case "28000":
            "Make the user with createuser NAME, or correct it in the database URL; access rules are in the server's"
                + " pg_hba.conf."
        case "57P03": "The server is starting or ending: run it again in a moment."
        case "42P01", "3F000": "The schema is missing or old: run `ofa db migrate`."
        case "42501":
            "The database user lacks a right: grant it with `ofa db grant`, or use the owner of the schema."
        case nil: nil
        default:
            "The server's log says more; where the statement is one of ofa's own, report it with this line."
        }
    }
}
