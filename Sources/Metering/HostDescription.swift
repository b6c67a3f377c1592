// Describes the host: processor, memory, and the power rating on which the power model is based.

import Foundation
import Intake

/// The properties of a machine that metering needs.
public struct HostDescription: Sendable, Equatable {
    /// The host name.
    public let name: String
    /// The model name of the processor; "unknown" if the kernel reports none.
    public let cpuModel: String
    /// The number of processors that are online (virtual ones on a virtual machine).
    public let vCPUs: Int
    /// Whether the machine is virtual: then its socket may be shared with other guests.
    public let isVirtual: Bool
    /// The memory of the machine in bytes.
    public let memoryBytes: Int64
    /// The power rating of the processor socket.
    public let rating: ThermalDesign

    /// `vCPUs` is the number of processors that are online.
    public init(
        name: String, cpuModel: String, vCPUs: Int, isVirtual: Bool, memoryBytes: Int64,
        rating: ThermalDesign
    ) {
        self.name = name
        self.cpuModel = cpuModel
        self.vCPUs = vCPUs
        self.isVirtual = isVirtual
        self.memoryBytes = memoryBytes
        self.rating = rating
    }

    /// Describes this machine. `stated` replaces the rating of the socket that follows from the
    /// processor's model; `OFA_TDP_WATTS` and `OFA_HOST_THREADS` replace both. Errors: `badSetting`.
    public static func current(
        environment: [String: String] = ProcessInfo.processInfo.environment,
        stated: StatedRating = StatedRating()
    ) throws(MeteringError) -> HostDescription {
        let processors = ProcessInfo.processInfo.activeProcessorCount
        return try describe(
            name: ProcFile.line("/proc/sys/kernel/hostname") ?? ProcessInfo.processInfo.hostName,
            cpuInfo: ProcFile.text("/proc/cpuinfo") ?? "",
            vCPUs: processors,
            memoryBytes: Int64(clamping: ProcessInfo.processInfo.physicalMemory),
            environment: environment, stated: stated)
    }

    /// Describes a machine from the text of its /proc/cpuinfo, what is stated of it, and the
    /// settings in `environment`. Errors: `badSetting`.
    static func describe(
        name: String, cpuInfo: String, vCPUs: Int, memoryBytes: Int64,
        environment: [String: String],
        stated: StatedRating = StatedRating()
    ) throws(MeteringError) -> HostDescription {
        let model = ProcFile.field("model name", in: cpuInfo) ?? "unknown"
        let flags = ProcFile.field("flags", in: cpuInfo) ?? ""
        let isVirtual = flags.split(separator: " ").contains("hypervisor")
        var rating = ThermalDesign.of(cpuModel: model)
        if !isVirtual, rating == .assumed, vCPUs > 0 {
            // A bare-metal machine has the socket to itself. Its processor model is not in the
            // table of ratings, so the rating is the assumed watts per thread times the machine's
            // number of threads.
            rating = ThermalDesign(
                watts: rating.watts * Double(vCPUs) / Double(rating.threads), threads: vCPUs,
                source: "assumed: 2.19 W a thread")
        }
        if stated != StatedRating() {
            rating = ThermalDesign(
                watts: stated.watts ?? rating.watts, threads: stated.threads ?? rating.threads,
                source: "stated of this machine")
        }
        let watts = try setting("OFA_TDP_WATTS", in: environment) { text throws(InputFault) in
            try DecimalNumber.real(text, in: 1...100_000)
        }
        let threads = try setting("OFA_HOST_THREADS", in: environment) { text throws(InputFault) in
            try DecimalNumber.whole(text, in: 1...100_000)
        }
        if watts != nil || threads != nil {
            rating = ThermalDesign(
                watts: watts ?? rating.watts,
                threads: threads ?? rating.threads,
                source: "declared in the environment")
        }
        return HostDescription(
            name: name, cpuModel: model, vCPUs: vCPUs, isVirtual: isVirtual,
            memoryBytes: memoryBytes,
            rating: rating)
    }

    private static func setting<Value>(
        _ name: String, in environment: [String: String],
        _ read: (String) throws(InputFault) -> Value
    ) throws(MeteringError) -> Value? {
        guard let text = environment[name], !text.isEmpty else { return nil }
        do {
            return try read(text)
        } catch {
            throw MeteringError(
                .badSetting,
                "\(name)=\(Shown.excerpt(text)) \(error.reason)",
                remedy: (error.remedy ?? "correct it") + ", or unset it")
        }
    }
}
