// Reads the small text files with which the kernel describes the host.

import Foundation

/// Files of /proc and /sys. That one is missing or closed to us is an answer, not an error.
enum ProcFile {
    /// The text of a file; nil when it is missing or may not be read.
    static func text(_ path: String) -> String? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        return String(bytes: data, encoding: .utf8)
    }

    /// The first line of a file; nil when it is missing, may not be read, or is empty.
    static func line(_ path: String) -> String? {
        text(path)?.split(whereSeparator: \.isNewline).first.map { line in
            line.trimmingCharacters(in: .whitespaces)
        }
    }

    /// The value after the first `name :` of a text like /proc/cpuinfo; nil when there is none.
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
