// Peak resident memory of this process on Linux; unknown elsewhere.
import Foundation

/// Peak resident memory of this process.
enum Memory {
    /// The peak in bytes since the start of the process or the last reset: VmHWM of /proc/self/status; nil if
    /// unavailable.
    static var peakBytes: Int? {
        guard let file = FileHandle(forReadingAtPath: "/proc/self/status") else { return nil }
        do {
            return peak(status: String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self))
        } catch {
            return nil
        }
    }

    /// Returns the peak in bytes in the text of /proc/self/status; nil if the text has no peak.
    static func peak(status: String) -> Int? {
        for line in status.split(separator: "\n") where line.hasPrefix("VmHWM:") {
            let words = line.split(whereSeparator: \.isWhitespace)
            if words.count == 3, words[2] == "kB", let count = Int(words[1]) {
                return count * 1024
            }
        }
        return nil
    }

    /// Resets the peak to the current resident memory. Without permission to do so, this does nothing.
    static func resetPeak() {
        guard let file = FileHandle(forWritingAtPath: "/proc/self/clear_refs") else { return }
        do {
            try file.write(contentsOf: Data("5\n".utf8))
        } catch {
            // Without permission, the peak counts from the start of the process: an upper bound.
        }
    }
}
