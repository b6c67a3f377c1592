// MachineLimits: the processors and memory that this process may use: the minimum of its affinity
// mask, the quotas of its control groups and their ancestors, and the installed hardware. A
// container with a quota of half a processor counts as one processor.
import Foundation

/// The processors and the memory that this process may use, each with the reason for its limit.
public struct MachineLimits: Sendable, Equatable {
    /// A limit and its reason.
    public struct Bound: Sendable, Equatable {
        /// Processors or bytes.
        public let value: Int
        /// The source of the limit, such as `cpu.max of /system.slice/ofa.service`.
        public let reason: String
        /// False if the machine's own size is the bound.
        public let isLimit: Bool

        /// `reason` names the source of the limit.
        public init(_ value: Int, _ reason: String, isLimit: Bool = true) {
            self.value = value
            self.reason = reason
            self.isLimit = isLimit
        }
    }

    /// Whole processors, at least one. A quota of 1.5 counts as one: a second thread would be
    /// throttled half the time.
    public let processors: Bound
    /// Bytes of memory.
    public let memory: Bound

    /// Megabytes of memory.
    public var memoryMB: Int { memory.value >> 20 }

    /// The limits of this process now.
    public static func current() -> MachineLimits {
        MachineLimits(
            online: ProcessInfo.processInfo.activeProcessorCount,
            physicalMemory: Int(clamping: ProcessInfo.processInfo.physicalMemory),
            affinity: ThreadPinning.allowedProcessors().count)
    }

    /// The limits on a machine with `online` processors and `physicalMemory` bytes, an affinity
    /// mask of `affinity` processors (0: unknown), and the control groups found below `root`, the
    /// root of the file system.
    public init(online: Int, physicalMemory: Int, affinity: Int, root: String = "") {
        let groups = ControlGroups(root: root)
        var processors = [Bound(online, "processors online", isLimit: false)]
        if affinity > 0 {
            processors.append(Bound(affinity, "the processors it may run on (taskset, cpuset)"))
        }
        processors += groups.quotas.map { Bound(max(1, Int($0.value)), $0.source) }
        var memory = [Bound(physicalMemory, "memory of the machine", isLimit: false)]
        memory += groups.memory.map { Bound(Int($0.value), $0.source) }
        // The first on ties, so that the machine's own size wins and is reported as no limit.
        self.processors = processors.reduce(processors[0]) { $1.value < $0.value ? $1 : $0 }
        self.memory = memory.reduce(memory[0]) { $1.value < $0.value ? $1 : $0 }
    }
}

/// The limits of a process's control groups and all their ancestors, versions 1 and 2.
struct ControlGroups {
    /// A limit and the file it was read from.
    struct Limit: Equatable {
        let value: Double
        let source: String
    }

    /// Quotas in processors.
    private(set) var quotas: [Limit] = []
    /// Limits in bytes.
    private(set) var memory: [Limit] = []

    /// Reads the groups of this process below `root`.
    init(root: String) {
        // cgroups(7): `number:controllers:path`, where version 2 has no controllers.
        for line in (ProcFile.text(root + "/proc/self/cgroup") ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let controllers = parts[1].split(separator: ",").map(String.init)
            let groups = Self.withParents(String(parts[2]))
            if controllers.isEmpty {
                for mount in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
                    for group in groups { readUnified(root + mount + group, group) }
                }
            }
            // A hierarchy's folder is named after its controllers, joined or one of them.
            if controllers.contains("cpu") {
                for mount in Set([String(parts[1]), "cpu"]).sorted() {
                    for group in groups {
                        readQuota(root + "/sys/fs/cgroup/" + mount + group, group)
                    }
                }
            }
            if controllers.contains("memory") {
                for mount in Set([String(parts[1]), "memory"]).sorted() {
                    for group in groups {
                        readBytes(
                            root + "/sys/fs/cgroup/" + mount + group, "memory.limit_in_bytes", group
                        )
                    }
                }
            }
        }
    }

    /// `/a/b`, `/a` and the root. In a container the path may be the host's, whose folders are not
    /// visible; the root is then the container's own group.
    private static func withParents(_ path: String) -> [String] {
        let words = path.split(separator: "/").map(String.init)
        return (0...words.count).reversed().map { count in
            words.prefix(count).map { "/" + $0 }.joined()
        }
    }

    private mutating func readUnified(_ folder: String, _ group: String) {
        let words = (ProcFile.line(folder + "/cpu.max") ?? "").split(separator: " ")
        if words.count == 2, let quota = Double(words[0]), let period = Double(words[1]), period > 0
        {
            quotas.append(Limit(value: quota / period, source: Self.source("cpu.max", group)))
        }
        readBytes(folder, "memory.max", group)
    }

    private mutating func readQuota(_ folder: String, _ group: String) {
        guard let quota = ProcFile.line(folder + "/cpu.cfs_quota_us").flatMap({ Double($0) }),
            let period = ProcFile.line(folder + "/cpu.cfs_period_us").flatMap({ Double($0) }),
            quota > 0, period > 0
        else { return }
        quotas.append(Limit(value: quota / period, source: Self.source("cpu.cfs_quota_us", group)))
    }

    private mutating func readBytes(_ folder: String, _ file: String, _ group: String) {
        // No limit is `max` in version 2 and a number near 2^63 in version 1.
        guard let bytes = ProcFile.line(folder + "/" + file).flatMap({ Double($0) }),
            bytes > 0, bytes < 1e18
        else { return }
        memory.append(Limit(value: bytes, source: Self.source(file, group)))
    }

    private static func source(_ file: String, _ group: String) -> String {
        "\(file) of control group \(group.isEmpty ? "/" : group)"
    }
}
