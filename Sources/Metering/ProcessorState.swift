// How fast a processor runs and how much else the host has to do: what belongs beside every timing.

import Foundation

/// What the host says of itself at one moment.
public struct ProcessorState: Codable, Sendable, Equatable {
    /// Clock frequency in MHz; nil where the kernel does not tell.
    public var megahertz: Double?
    /// Runnable threads, averaged over a minute; nil where the kernel does not tell.
    public var loadAverage: Double?

    /// Says both.
    public init(megahertz: Double?, loadAverage: Double?) {
        self.megahertz = megahertz
        self.loadAverage = loadAverage
    }

    /// The state now, of this processor (of the first where none is named).
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

    /// The frequency that a text like /proc/cpuinfo gives a processor.
    static func megahertz(cpuInfo: String, processor: Int) -> Double? {
        let blocks = cpuInfo.split(separator: "\n\n")
        let block = blocks.first { ProcFile.field("processor", in: String($0)) == "\(processor)" }
        return block.flatMap { ProcFile.field("cpu MHz", in: String($0)) }.flatMap(Double.init)
    }
}
