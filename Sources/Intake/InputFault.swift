// The error for refused input.

/// Why a text or a number from outside was refused. The caller prepends file, line and key:
/// `pipeline.yaml:7: stages.full.batch` + " " + `reason`.
public struct InputFault: Remedied, Equatable {
    /// A sentence without its subject: `is '064'`.
    public let reason: String
    /// How to fix it: `write a decimal number, such as 64`; nil if `reason` suffices.
    public let remedy: String?

    /// `reason` is a sentence without its subject; `remedy` says how to fix it.
    public init(_ reason: String, remedy: String? = nil) {
        self.reason = reason
        self.remedy = remedy
    }
}
