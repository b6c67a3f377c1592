// Clock frequency and load of the host, recorded beside every timing.

import Foundation

/// The host's clock frequency and load at one moment.
public struct ProcessorState: Codable, Sendable, Equatable {
    /// Clock frequency in MHz; nil if the kernel reports none.
    public var megahertz: Double?
    /// Runnable threads, averaged over a minute; nil if the kernel reports none.
    public var loadAverage: Double?

    /// Frequency in MHz; load as runnable threads.
    public init(megahertz: Double?, loadAverage: Double?) {
        self.megahertz = megahertz
        self.loadAverage = loadAverage
    }

    /// The state now, with the frequency of `processor` (nil: the first).
    public static func now(processor: Int?) -> ProcessorState {
        let place = processor ?? 0
        let scaling = ProcFile.line(
            "/sys/devices/system/cpu/cpu\(place)/cpufreq/scaling_cur_freq")
        return ProcessorState(
            megahertz: scaling.flatMap(Double.init).map { $0 / 1000 }
                ?? megahertz(cpuInfo: ProcFile.text("/proc/cpuinfo") ?? "", processor: place),
            loadAverage: ProcFile.line("/proc/loadavg")?.split(separator: " ").first
                .flatMap { Double($0) })
    }

    /// The frequency of a processor in a text like /proc/cpuinfo.
    static func megahertz(cpuInfo: String, processor: Int) -> Double? {
        let blocks = cpuInfo.split(separator: "\n\n")
        let block = blocks.first { ProcFile.field("processor", in: String($0)) == "\(processor)" }
        return block.flatMap { ProcFile.field("cpu MHz", in: String($0)) }.flatMap(Double.init)
    }
}
