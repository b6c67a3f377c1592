// How busy the whole host is: the first line of /proc/stat.

import Foundation

/// Processor time that the host has spent working since it started.
public enum HostLoad {
    /// Busy nanoseconds over all processors; nil if /proc/stat cannot be read (not Linux).
    public static func busyNanoseconds() -> Int64? {
        guard let text = ProcFile.text("/proc/stat") else { return nil }
        return busyNanoseconds(procStat: text, ticksPerSecond: Int64(sysconf(Int32(_SC_CLK_TCK))))
    }

    /// Busy nanoseconds from the text of /proc/stat; nil without a `cpu` line.
    ///
    /// Busy = user + nice + system + irq + softirq. User time includes guest time; stolen time was
    /// spent on other guests. Field order: proc_stat(5).
    static func busyNanoseconds(procStat: String, ticksPerSecond: Int64) -> Int64? {
        guard ticksPerSecond > 0,
            let line = procStat.split(separator: "\n").first(where: { $0.hasPrefix("cpu ") })
        else { return nil }
        let ticks = line.split(separator: " ").dropFirst().map { Int64($0) ?? 0 }
        guard ticks.count >= 7 else { return nil }
        let busy = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]
        return busy * (1_000_000_000 / ticksPerSecond)
    }

    /// Busy clock ticks of every processor by its number; empty where /proc/stat cannot be read.
    static func busyTicksByProcessor() -> [Int: Int64] {
        busyTicksByProcessor(procStat: ProcFile.text("/proc/stat") ?? "")
    }

    /// Busy clock ticks of every processor from the text of /proc/stat; busy as in `busyNanoseconds`.
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
