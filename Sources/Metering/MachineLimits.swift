// MachineLimits: the processors and the memory that this process may use. Each number is the
// minimum of the installed hardware, the affinity mask (for processors), and the limits of the
// process's control groups and their ancestors. A container with a quota of half a processor counts
// as one processor.
import Foundation

/// The processors and the memory that this process may use, each with the reason for its limit.
public struct MachineLimits: Sendable, Equatable {
    /// A limit and its reason.
    public struct Bound: Sendable, Equatable {
        /// The number of processors or of bytes.
        public let value: Int
        /// The source of the limit, such as `cpu.max of /system.slice/ofa.service`.
        public let reason: String
        /// False if the bound is the size of the machine, not a limit.
        public let isLimit: Bool

        /// `reason` names the source of the limit.
        public init(_ value: Int, _ reason: String, isLimit: Bool = true) {
            self.value = value
            self.reason = reason
            self.isLimit = isLimit
        }
    }

    /// The number of whole processors, at least one. A quota of 1.5 counts as one: a second thread
    /// would be throttled half the time.
    public let processors: Bound
    /// The number of bytes of memory.
    public let memory: Bound

    /// The memory in units of 2^20 bytes.
    public var memoryMB: Int { memory.value >> 20 }

    /// Returns the limits of this process now.
    public static func current() -> MachineLimits {
        MachineLimits(
            online: ProcessInfo.processInfo.activeProcessorCount,
            physicalMemory: Int(clamping: ProcessInfo.processInfo.physicalMemory),
            affinity: ThreadPinning.allowedProcessors().count)
    }

    /// Computes the limits on a machine with `online` processors and `physicalMemory` bytes, an
    /// affinity mask of `affinity` processors (0: unknown), and the control groups found below
    /// `root`, the root of the file system.
    public init(online: Int, physicalMemory: Int, affinity: Int, root: String = "") {
        let groups = ControlGroups(root: root)
        var processors = [Bound(online, "processors online", isLimit: false)]
        if affinity > 0 {
            processors.append(Bound(affinity, "the processors it may run on (taskset, cpuset)"))
        }
        processors += groups.quotas.map { Bound(max(1, Int($0.value)), $0.source) }
        var memory = [Bound(physicalMemory, "memory of the machine", isLimit: false)]
        memory += groups.memory.map { Bound(Int($0.value), $0.source) }
        // The first of equal bounds is taken. So if a limit equals the size of the machine, the
        // size is reported, not a limit.
        self.processors = processors.reduce(processors[0]) { $1.value < $0.value ? $1 : $0 }
        self.memory = memory.reduce(memory[0]) { $1.value < $0.value ? $1 : $0 }
    }
}

/// The limits in the control groups (cgroups v1 and v2) of a process and in all their ancestors.
struct ControlGroups {
    /// A limit and the file from which it was read.
    struct Limit: Equatable {
        let value: Double
        let source: String
    }

    /// The quotas, as numbers of processors.
    private(set) var quotas: [Limit] = []
    /// The limits of memory, in bytes.
    private(set) var memory: [Limit] = []

    /// Reads the limits of this process; `root` is the root of the file system.
    init(root: String) {
        // A line is `number:controllers:path`; a line of version 2 has no controllers (cgroups(7)).
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
            // A hierarchy of version 1 is mounted at a folder named after one of its controllers
            // (`cpu`) or after all its controllers, joined by commas (`cpu,cpuacct`).
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

    /// Returns the paths of a group and its ancestors, such as `/a/b`, `/a` and the root. In a
    /// container, `path` may be the path on the host, whose folders the container does not see. The
    /// container's own group is then the root.
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
        // Without a limit the file holds `max` in version 2, and a number near 2^63 in version 1.
        guard let bytes = ProcFile.line(folder + "/" + file).flatMap({ Double($0) }),
            bytes > 0, bytes < 1e18
        else { return }
        memory.append(Limit(value: bytes, source: Self.source(file, group)))
    }

    private static func source(_ file: String, _ group: String) -> String {
        "\(file) of control group \(group.isEmpty ? "/" : group)"
    }
}
