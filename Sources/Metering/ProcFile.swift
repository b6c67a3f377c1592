// Reads the small text files with which the kernel describes the host.

import Foundation

/// Reads files of /proc and /sys. If a file is missing or unreadable, the result is nil, not an
/// error.
enum ProcFile {
    /// Returns the text of a file; nil if it is missing or unreadable.
    static func text(_ path: String) -> String? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        return String(bytes: data, encoding: .utf8)
    }

    /// Returns the first non-empty line of a file; nil if there is no such line or the file is
    /// unreadable.
    static func line(_ path: String) -> String? {
        text(path)?.split(whereSeparator: \.isNewline).first.map { line in
            line.trimmingCharacters(in: .whitespaces)
        }
    }

    /// Returns the value after the first `name :` of a text like /proc/cpuinfo; nil if the text has
    /// no such line.
    static func field(_ name: String, in text: String) -> String? {
        for line in text.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].trimmingCharacters(in: .whitespaces) == name else {
                continue
            }
            return parts[1].trimmingCharacters(in: .whitespaces)
        }
        return nil
    }
}
