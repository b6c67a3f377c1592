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
    /// What counters there are.
    public struct Survey: Sendable, Equatable {
        /// Those that count, sorted by folder.
        public var domains: [RAPLDomain] = []
        /// Those that only repeat another, with the one they repeat: counted, they would count twice.
        public var mirrors: [Mirror] = []

        /// A counter that repeats another.
        public struct Mirror: Sendable, Equatable {
            /// The one that repeats.
            public let domain: RAPLDomain
            /// The one that counts.
            public let original: RAPLDomain
        }
    }

    /// How often two counters are compared; independent ones agree to the microjoule by chance never so often.
    private static let samples = 4

    /// The readable packages and memory domains that count; empty on most virtual machines.
    public static func domains(root: String = "/sys/class/powercap") -> [RAPLDomain] {
        survey(root: root).domains
    }

    /// Looks at every readable package and memory domain, and which of them repeat another.
    ///
    /// Cores and uncore lie inside their package and `psys` around it: counted, they would count
    /// twice. So would the dies of a package that all show the counter of the whole.
    public static func survey(root: String = "/sys/class/powercap") -> Survey {
        let found = readable(root: root)
        // Compared by pairs of a kind, all in the same samples.
        var pairs: [(one: Int, other: Int)] = []
        for other in found.indices {
            for one in found.indices.prefix(other)
            where isMemory(found[one]) == isMemory(found[other]) {
                pairs.append((one, other))
            }
        }
        for sample in 0..<samples where !pairs.isEmpty {
            // The counters move about once in a millisecond.
            if sample > 0 { Thread.sleep(forTimeInterval: 0.005) }
            pairs.removeAll { !agree(found[$0.one], found[$0.other]) }
        }
        var survey = Survey()
        for (index, domain) in found.enumerated() {
            if let pair = pairs.first(where: { $0.other == index }) {
                survey.mirrors.append(.init(domain: domain, original: found[pair.one]))
            } else {
                survey.domains.append(domain)
            }
        }
        return survey
    }

    /// Whether the second shows what the first does; it may move on between two readings.
    private static func agree(_ one: RAPLDomain, _ other: RAPLDomain) -> Bool {
        guard let before = one.read(), let between = other.read(), let after = one.read() else {
            return false
        }
        return before <= after ? (before...after).contains(between) : between == after
    }

    private static func isMemory(_ domain: RAPLDomain) -> Bool { domain.name == "dram" }

    private static func readable(root: String) -> [RAPLDomain] {
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
