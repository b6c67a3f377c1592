// Reads what is stated of a machine from a YAML file (ops/host.example.yaml).

import Accounting
import Intake

/// A YAML file with the figures of a machine.
public enum HostSettingFile {
    /// Reads the file `path`. What it leaves out is not stated. Errors: `unreadable`, and `invalidValue` with file, line and
    /// key for an unknown key, an invalid value, or figures that contradict each other.
    public static func read(_ path: String) throws -> HostSetting {
        try parse(try YAMLDocument.contents(ofFile: path, kind: "host"), file: path)
    }

    /// Reads a text; `file` names it in errors.
    static func parse(_ text: String, file: String) throws -> HostSetting {
        let top = try YAMLReader(
            try YAMLDocument(text, file: file), file: file, overrides: try YAMLOverrides())
        try top.expect(HostSetting.keys)
        var setting = HostSetting(
            zone: try top.text("zone"),
            currency: try top.text("currency").map { text -> String in
                do throws(InputFault) { return try HostSetting.currency(text) } catch {
                    throw top.error("currency", error.reason, remedy: error.remedy)
                }
            },
            note: try top.text("note") ?? "")
        for figure in HostSetting.Figure.allCases {
            let (key, range) = (figure.rawValue, figure.range)
            setting.figures[figure] =
                if figure.isWhole {
                    try top.integer(key, in: Int(range.lowerBound)...Int(range.upperBound))
                        .map { Double($0) }
                } else {
                    try top.number(key, in: range)
                }
        }
        if let (key, fault) = setting.contradiction {
            throw top.error(key, fault.reason, remedy: fault.remedy)
        }
        return setting
    }
}
