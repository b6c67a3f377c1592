// The error for refused input.

/// The error for a text or a number from outside that was refused. The caller puts file, line and
/// key before the reason, as in `pipeline.yaml:7: stages.full.batch is '064'`.
public struct InputFault: Remedied, Equatable {
    /// The problem: a sentence without its subject, such as `is '064'`.
    public let reason: String
    /// How to fix the input, for example `write a decimal number, such as 64`; nil if `reason`
    /// suffices.
    public let remedy: String?

    /// `reason` is a sentence without its subject; `remedy` says how to fix the input.
    public init(_ reason: String, remedy: String? = nil) {
        self.reason = reason
        self.remedy = remedy
    }
}
