// The keys of a pipeline file for a start that may wait for hours of low carbon intensity: `deferrable`, `earliest`, `deadline`
// and `duration`.

import Accounting
import Foundation
import Intake

extension PipelineDefinition {
    /// The keys that need `deferrable: true`.
    static let deferralKeys = ["earliest", "deadline", "duration"]

    /// Reads what the run asks for; nil if it does not wait. With `deferrable: false` the other keys are checked and have no
    /// effect. Errors: `invalidValue`, with the line.
    static func readDeferral(_ top: YAMLReader) throws -> Deferral? {
        let isDeferrable = try top.flag("deferrable")
        let earliest = try moment("earliest", top)
        let deadline = try moment("deadline", top)
        let seconds = try top.text("duration").map { text in
            do throws(InputFault) { return try SpanText.seconds(text) } catch {
                throw top.error("duration", error.reason, remedy: error.remedy)
            }
        }
        if isDeferrable == nil, let key = deferralKeys.first(where: { top.keys.contains($0) }) {
            throw top.error(
                key, "is for a run whose start may wait",
                remedy: "add deferrable: true, or leave \(key) out")
        }
        guard isDeferrable == true else { return nil }
        guard let deadline else {
            throw top.error(
                "deferrable", "is true without a deadline",
                remedy:
                    "add the time by which the run shall have ended, such as deadline: 2026-12-02T08:00+01:00"
            )
        }
        if let earliest, earliest >= deadline {
            throw top.error(
                "deadline", "is not after earliest", remedy: "write a later deadline")
        }
        return Deferral(earliest: earliest, deadline: deadline, seconds: seconds)
    }

    private static func moment(_ key: String, _ top: YAMLReader) throws -> Date? {
        try top.text(key).map { text in
            do throws(InputFault) { return try MomentText.zoned(text) } catch {
                throw top.error(key, error.reason, remedy: error.remedy)
            }
        }
    }
}
