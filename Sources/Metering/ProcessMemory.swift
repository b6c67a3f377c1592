// ProcessMemory: how much memory this process holds.

import Foundation

/// The memory of this process.
public enum ProcessMemory {
    /// Returns the resident memory in bytes, as /proc/self/statm has it; nil on systems without it.
    public static func residentBytes() -> Int64? {
        guard let file = FileManager.default.contents(atPath: "/proc/self/statm") else {
            return nil
        }
        let pages = String(decoding: file, as: UTF8.self).split(separator: " ")
        guard pages.count > 1, let resident = Int64(pages[1]) else { return nil }
        return resident * Int64(sysconf(Int32(_SC_PAGESIZE)))
    }
}
