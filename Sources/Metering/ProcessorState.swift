// The clock frequency and the load of the host, which are recorded with timings.

import Foundation

/// The host's clock frequency and load at one moment.
public struct ProcessorState: Codable, Sendable, Equatable {
    /// The clock frequency in MHz; nil if the kernel reports none.
    public var megahertz: Double?
    /// The number of runnable threads, averaged over a minute; nil if the kernel reports none.
    public var loadAverage: Double?

    /// `megahertz` is a frequency in MHz, `loadAverage` a number of runnable threads.
    public init(megahertz: Double?, loadAverage: Double?) {
        self.megahertz = megahertz
        self.loadAverage = loadAverage
    }

    /// Returns the state now, with the frequency of processor number `processor` (nil: 0).
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

    /// Returns the frequency of a processor from a text like /proc/cpuinfo; nil if the text has
    /// none.
    static func megahertz(cpuInfo: String, processor: Int) -> Double? {
        let blocks = cpuInfo.split(separator: "\n\n")
        let block = blocks.first { ProcFile.field("processor", in: String($0)) == "\(processor)" }
        return block.flatMap { ProcFile.field("cpu MHz", in: String($0)) }.flatMap(Double.init)
    }
}
