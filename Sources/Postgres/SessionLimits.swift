// SessionLimits: how long a session may take for each thing before somebody gives up: the server on
// statements, locks and idle transactions, the client on a server that does not answer at all.

/// The time limits of one session, in seconds; 0 means no limit.
public struct SessionLimits: Sendable, Equatable {
    /// The longest a statement may run: SQLSTATE 57014 after that.
    public var statementTimeoutSeconds: Double
    /// The longest a statement may wait for a lock: SQLSTATE 55P03 after that.
    public var lockTimeoutSeconds: Double
    /// The longest a transaction may wait for its next statement: SQLSTATE 25P03 after that.
    public var idleInTransactionTimeoutSeconds: Double
    /// The longest it may take to connect; libpq takes two seconds at least.
    public var connectTimeoutSeconds: Int
    /// How much longer than the statement timeout the client waits when not one byte moves either
    /// way; after that the connection counts as lost. Without a statement timeout it waits for ever.
    public var answerMarginSeconds: Double

    /// Makes limits; the defaults suit short statements of a queue.
    public init(
        statementTimeoutSeconds: Double = 60, lockTimeoutSeconds: Double = 20,
        idleInTransactionTimeoutSeconds: Double = 60, connectTimeoutSeconds: Int = 10,
        answerMarginSeconds: Double = 10
    ) {
        self.statementTimeoutSeconds = statementTimeoutSeconds
        self.lockTimeoutSeconds = lockTimeoutSeconds
        self.idleInTransactionTimeoutSeconds = idleInTransactionTimeoutSeconds
        self.connectTimeoutSeconds = connectTimeoutSeconds
        self.answerMarginSeconds = answerMarginSeconds
    }

    /// How long a silent server is waited for; nil for ever.
    var patience: Duration? {
        statementTimeoutSeconds > 0 ? .seconds(statementTimeoutSeconds + answerMarginSeconds) : nil
    }

    /// The statement that makes a transaction of a session that keeps nothing one of our isolation: its default was
    /// read when the transaction began.
    static let isolation = "set transaction isolation level read committed"

    /// The calls that set everything a statement relies on, joined into one text value.
    ///
    /// `isLocal` makes them end with the transaction, which is all that holds behind a pooler.
    func settingCalls(isLocal: Bool) -> String {
        // What a role, a database or the configuration may set otherwise: under repeatable read a statement of the
        // queue would not see what it waited for, and jit costs more than the short statements themselves.
        let settings = [
            ("search_path", "ofa, public"), ("timezone", "UTC"), ("client_min_messages", "warning"),
            ("default_transaction_isolation", "read committed"), ("jit", "off"),
            ("default_transaction_deferrable", "off"), ("standard_conforming_strings", "on"),
            ("datestyle", "ISO, YMD"), ("intervalstyle", "postgres"), ("bytea_output", "hex"),
            ("extra_float_digits", "1"), ("geqo", "on"), ("row_security", "on"),
            ("statement_timeout", Self.milliseconds(statementTimeoutSeconds)),
            ("lock_timeout", Self.milliseconds(lockTimeoutSeconds)),
            (
                "idle_in_transaction_session_timeout",
                Self.milliseconds(idleInTransactionTimeoutSeconds)
            ),
        ]
        return settings.map { "set_config('\($0)', '\($1)', \(isLocal))" }
            .joined(separator: " || ")
    }

    private static func milliseconds(_ seconds: Double) -> String {
        String(Int((seconds * 1000).rounded(.up)))
    }
}
