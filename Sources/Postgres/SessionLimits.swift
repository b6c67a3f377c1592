// SessionLimits: the timeouts of a session: the server's for statements, locks and idle
// transactions, the client's for an unresponsive server.

/// The time limits of one session, in seconds; 0 means no limit.
public struct SessionLimits: Sendable, Equatable {
    /// The longest a statement may run: SQLSTATE 57014 after that.
    public var statementTimeoutSeconds: Double
    /// The longest a statement may wait for a lock: SQLSTATE 55P03 after that.
    public var lockTimeoutSeconds: Double
    /// The longest a transaction may wait for its next statement: SQLSTATE 25P03 after that.
    public var idleInTransactionTimeoutSeconds: Double
    /// The longest it may take to connect; libpq uses at least two seconds.
    public var connectTimeoutSeconds: Int
    /// How much longer than the statement timeout the client waits without any traffic before the
    /// connection counts as lost. Without a statement timeout it waits forever.
    public var answerMarginSeconds: Double

    /// The defaults suit a queue's short statements.
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

    /// How long to wait for a silent server; nil means forever.
    var patience: Duration? {
        statementTimeoutSeconds > 0 ? .seconds(statementTimeoutSeconds + answerMarginSeconds) : nil
    }

    /// Sets our isolation level in a transaction behind a pooler, whose default was read when the
    /// transaction began.
    static let isolation = "set transaction isolation level read committed"

    /// The calls that set everything our statements rely on, joined into one text value.
    ///
    /// `isLocal` limits them to the transaction, as required behind a pooler.
    func settingCalls(isLocal: Bool) -> String {
        // Settings that a role, a database or the configuration may have changed: under repeatable
        // read a statement of the queue would not see the rows it waited for, and jit costs more
        // than our short statements.
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
