// The load of the whole host, from /proc/stat.

import Foundation

/// The time that the host's processors have been busy since the host started.
public enum HostLoad {
    /// Returns the busy time of all processors together, in nanoseconds; nil if /proc/stat cannot
    /// be read (not Linux).
    public static func busyNanoseconds() -> Int64? {
        guard let text = ProcFile.text("/proc/stat") else { return nil }
        return busyNanoseconds(procStat: text, ticksPerSecond: Int64(sysconf(Int32(_SC_CLK_TCK))))
    }

    /// Returns the busy time of all processors together, in nanoseconds, from the text of
    /// /proc/stat; nil without a `cpu` line.
    ///
    /// Busy = user + nice + system + irq + softirq. User time includes guest time; stolen time is
    /// left out, because it was spent on other guests. The order of the fields is in proc_stat(5).
    static func busyNanoseconds(procStat: String, ticksPerSecond: Int64) -> Int64? {
        guard ticksPerSecond > 0,
            let line = procStat.split(separator: "\n").first(where: { $0.hasPrefix("cpu ") })
        else { return nil }
        let ticks = line.split(separator: " ").dropFirst().map { Int64($0) ?? 0 }
        guard ticks.count >= 7 else { return nil }
        let busy = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]
        return busy * (1_000_000_000 / ticksPerSecond)
    }

    /// Returns the busy clock ticks of each processor by its number; empty if /proc/stat cannot be
    /// read.
    static func busyTicksByProcessor() -> [Int: Int64] {
        busyTicksByProcessor(procStat: ProcFile.text("/proc/stat") ?? "")
    }

    /// Returns the busy clock ticks of each processor by its number, from the text of /proc/stat;
    /// busy is defined as in `busyNanoseconds`.
    static func busyTicksByProcessor(procStat: String) -> [Int: Int64] {
        var busy: [Int: Int64] = [:]
        for line in procStat.split(separator: "\n") where line.hasPrefix("cpu") {
            let words = line.split(separator: " ")
            guard let name = words.first, let number = Int(name.dropFirst(3)), words.count >= 8
            else { continue }
            let ticks = words.dropFirst().map { Int64($0) ?? 0 }
            busy[number] = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]
        }
        return busy
    }
}
