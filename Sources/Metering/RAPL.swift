// The energy counters of the processors (RAPL) that the kernel lets this process read.

import Foundation

/// One RAPL domain of /sys/class/powercap.
public struct RAPLDomain: Sendable, Equatable {
    /// The folder of the domain.
    public let folder: String
    /// The measured part of the machine, such as `package-0` or `dram`.
    public let name: String
    /// The value at which the counter wraps around, in microjoules; 0 if it is unknown.
    public let range: Int64

    /// `range` is the value at which the counter wraps around, in microjoules; 0 if it is unknown.
    public init(folder: String, name: String, range: Int64) {
        self.folder = folder
        self.name = name
        self.range = range
    }

    /// Reads the counter, in microjoules; nil if it cannot be read (newer kernels, from 2020 on,
    /// let only root read it).
    public func read() -> Int64? {
        ProcFile.line(folder + "/energy_uj").flatMap { Int64($0) }
    }
}

/// The energy counters of this machine's processors.
public enum RAPL {
    /// The readable counters of a machine.
    public struct Survey: Sendable, Equatable {
        /// The independent counters, sorted by folder.
        public var domains: [RAPLDomain] = []
        /// The counters that mirror another counter; adding mirrors would count energy twice.
        public var mirrors: [Mirror] = []

        /// A counter that shows the same value as another one.
        public struct Mirror: Sendable, Equatable {
            /// The counter that mirrors another one.
            public let domain: RAPLDomain
            /// The mirrored counter.
            public let original: RAPLDomain
        }
    }

    /// How many times two counters are compared. Independent counters do not agree that many times
    /// in a row.
    private static let samples = 4

    /// Returns the independent package and memory domains that are readable; none on most virtual
    /// machines.
    public static func domains(root: String = "/sys/class/powercap") -> [RAPLDomain] {
        survey(root: root).domains
    }

    /// Reads all package and memory domains and finds those that mirror another one.
    ///
    /// The domains `core` and `uncore` are parts of their package, and `psys` contains it, so these
    /// three are left out. The dies of a package may each show the counter of the whole package:
    /// those counters are mirrors.
    public static func survey(root: String = "/sys/class/powercap") -> Survey {
        let found = readable(root: root)
        // The pairs of domains of the same kind (package or memory). All pairs are compared in the
        // same samples.
        var pairs: [(one: Int, other: Int)] = []
        for other in found.indices {
            for one in found.indices.prefix(other)
            where isMemory(found[one]) == isMemory(found[other]) {
                pairs.append((one, other))
            }
        }
        for sample in 0..<samples where !pairs.isEmpty {
            // The counters are updated about once per millisecond.
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

    /// Returns whether `other` may mirror `one`: whether the value of `other` lies between two
    /// readings of `one`. The values need not be equal, because a counter may advance between
    /// readings.
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
            return []  // A missing or unreadable folder has no counters.
        }
        return names.filter { $0.hasPrefix("intel-rapl:") }.sorted().compactMap { folderName in
            let folder = root + "/" + folderName
            guard let name = ProcFile.line(folder + "/name"),
                name.hasPrefix("package") || name == "dram"
            else { return nil }
            // Without a range a wrap cannot be told from a reset: both leave a gap.
            let range =
                ProcFile.line(folder + "/max_energy_range_uj").flatMap { Int64($0) } ?? 0
            let domain = RAPLDomain(folder: folder, name: name, range: range)
            return domain.read() == nil ? nil : domain
        }
    }
}
