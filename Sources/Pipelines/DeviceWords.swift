// Devices in words, for the terminal and for pages: limits, and the rule for names that people give.

import Devices
import Foundation
import Intake

extension Constraints {
    /// One text for each limit that is set, such as `25 ms`.
    public var words: [String] {
        let all: [(String, String?)] = [
            ("ms", latencyMsMax.map(Self.number)),
            ("KiB peak memory", peakMemoryKBMax.map(Self.number)),
            ("KiB flash", flashKBMax.map(Self.number)),
            ("MACs", macsMax.map(ReportText.grouped)),
            ("parameters", paramsMax.map(ReportText.grouped)),
            ("mJ", energyMJMax.map(Self.number)),
        ]
        return all.compactMap { unit, value in value.map { "\($0) \(unit)" } }
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15
            ? ReportText.grouped(Int(value)) : DecimalNumber.text(value)
    }
}

extension DeviceStore {
    /// Whether a new device may have this name: letters, digits, `-`, `_` and `.` are suitable for paths and lists.
    public static func isPlain(_ name: String) -> Bool {
        let allowed = CharacterSet(charactersIn: "-_.").union(.alphanumerics)
        return !name.isEmpty && name.unicodeScalars.allSatisfy(allowed.contains)
    }

    /// What to do about a name that is not plain.
    public static let plainNameRemedy = "use letters, digits, '-', '_' and '.'"
}
