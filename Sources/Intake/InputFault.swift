// What the gate answers when something from outside is refused.

/// Why a text or a number from outside was refused. The caller knows file, line and key and puts them
/// in front: `pipeline.yaml:7: stages.full.batch` + " " + `reason`.
public struct InputFault: Remedied, Equatable {
    /// A sentence without its subject: `is '064'`.
    public let reason: String
    /// What to do: `write a decimal number, such as 64`; nil where the reason says it all.
    public let remedy: String?

    /// Makes a fault of a sentence without its subject, and what to do.
    public init(_ reason: String, remedy: String? = nil) {
        self.reason = reason
        self.remedy = remedy
    }
}
