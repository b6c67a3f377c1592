// The energy counters of the processor, where the kernel shows them to us.

import Foundation

/// One RAPL domain of /sys/class/powercap.
public struct RAPLDomain: Sendable, Equatable {
    /// The folder of the domain.
    public let folder: String
    /// What it measures: `package-0`, `dram`.
    public let name: String
    /// The value at which the counter wraps, in microjoules.
    public let range: Int64

    /// Makes a domain.
    public init(folder: String, name: String, range: Int64) {
        self.folder = folder
        self.name = name
        self.range = range
    }

    /// The counter now, in microjoules; nil when it cannot be read (it needs root since 2020).
    public func read() -> Int64? {
        ProcFile.line(folder + "/energy_uj").flatMap { Int64($0) }
    }
}

/// The energy counters of this machine's processors.
public enum RAPL {
    /// The readable packages and memory domains, sorted by folder; empty on most virtual machines.
    ///
    /// Cores and uncore lie inside their package and `psys` around it: counted, they would count
    /// twice.
    public static func domains(root: String = "/sys/class/powercap") -> [RAPLDomain] {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: root)
        } catch {
            return []  // A folder that is missing or closed to us holds no counter for us.
        }
        return names.filter { $0.hasPrefix("intel-rapl:") }.sorted().compactMap { folderName in
            let folder = root + "/" + folderName
            guard let name = ProcFile.line(folder + "/name"),
                name.hasPrefix("package") || name == "dram",
                let range = ProcFile.line(folder + "/max_energy_range_uj").flatMap({ Int64($0) })
            else { return nil }
            let domain = RAPLDomain(folder: folder, name: name, range: range)
            return domain.read() == nil ? nil : domain
        }
    }
}
