// SessionLimits: the timeouts of a session. The server enforces the limits for statements, locks
// and idle transactions; the client enforces the limit for a silent server.

/// The time limits of one session, in seconds; 0 means no limit.
public struct SessionLimits: Sendable, Equatable {
    /// The longest time that a statement may run; then it fails with SQLSTATE 57014.
    public var statementTimeoutSeconds: Double
    /// The longest time that a statement may wait for a lock; then it fails with SQLSTATE 55P03.
    public var lockTimeoutSeconds: Double
    /// The longest time that a transaction may wait for its next statement; then the server ends
    /// the session with SQLSTATE 25P03.
    public var idleInTransactionTimeoutSeconds: Double
    /// The longest time that connecting may take; libpq uses at least two seconds.
    public var connectTimeoutSeconds: Int
    /// How much longer than the statement timeout the client waits for a silent server. Then the
    /// connection counts as lost. Without a statement timeout, the client waits forever.
    public var answerMarginSeconds: Double

    /// The defaults suit the short statements of the queue.
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

    /// How long the client waits for a silent server; nil means forever.
    var patience: Duration? {
        statementTimeoutSeconds > 0 ? .seconds(statementTimeoutSeconds + answerMarginSeconds) : nil
    }

    /// The statement that sets the isolation level of a transaction. It is needed behind a pooler,
    /// because a transaction begins with the default level of the session that the pooler chose.
    static let isolation = "set transaction isolation level read committed"

    /// Returns an SQL expression with one call of `set_config` for each setting on which this
    /// program's statements rely.
    ///
    /// With `isLocal` the settings apply only to the transaction, as required behind a pooler.
    func settingCalls(isLocal: Bool) -> String {
        // A role, a database or the server configuration may set other values. The isolation level is read committed,
        // because under repeatable read a statement of the queue would not see rows that were committed while it
        // waited. jit is off, because in short statements it costs more than it saves.
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
