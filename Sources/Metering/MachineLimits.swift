// MachineLimits: how much of the machine this process may use: the least of the processors it may run on, what its
// control groups and those above them grant, and what is installed. A container of half a processor on a machine of
// ninety-six is a machine of one processor.
import Foundation

/// The processors and the memory that this process may use, and what bounds them.
public struct MachineLimits: Sendable, Equatable {
    /// A number and what bounds it.
    public struct Bound: Sendable, Equatable {
        /// How much: processors or bytes.
        public let value: Int
        /// What bounds it, such as `cpu.max of /system.slice/ofa.service`.
        public let reason: String
        /// False where it is simply what the machine has.
        public let isLimit: Bool

        /// Makes a bound.
        public init(_ value: Int, _ reason: String, isLimit: Bool = true) {
            self.value = value
            self.reason = reason
            self.isLimit = isLimit
        }
    }

    /// Whole processors, at least one: of a quota of 1.5 one is kept busy, for a second would be stopped half the time.
    public let processors: Bound
    /// Bytes of memory.
    public let memory: Bound

    /// Megabytes of memory.
    public var memoryMB: Int { memory.value >> 20 }

    /// What holds for this process now.
    public static func current() -> MachineLimits {
        MachineLimits(
            online: ProcessInfo.processInfo.activeProcessorCount,
            physicalMemory: Int(clamping: ProcessInfo.processInfo.physicalMemory),
            affinity: ThreadPinning.allowedProcessors().count)
    }

    /// What holds on a machine of `online` processors and `physicalMemory` bytes, of which `affinity` processors (0:
    /// not known) may be used, by the control groups below `root`, the root of the file system.
    public init(online: Int, physicalMemory: Int, affinity: Int, root: String = "") {
        let groups = ControlGroups(root: root)
        var processors = [Bound(online, "processors online", isLimit: false)]
        if affinity > 0 {
            processors.append(Bound(affinity, "the processors it may run on (taskset, cpuset)"))
        }
        processors += groups.quotas.map { Bound(max(1, Int($0.value)), $0.source) }
        var memory = [Bound(physicalMemory, "memory of the machine", isLimit: false)]
        memory += groups.memory.map { Bound(Int($0.value), $0.source) }
        // Of equal ones the first: what the machine has is no limit.
        self.processors = processors.reduce(processors[0]) { $1.value < $0.value ? $1 : $0 }
        self.memory = memory.reduce(memory[0]) { $1.value < $0.value ? $1 : $0 }
    }
}

/// What the control groups of a process grant it: its own and all above, of version 2 and 1.
struct ControlGroups {
    /// A limit and the file it stands in.
    struct Limit: Equatable {
        let value: Double
        let source: String
    }

    /// Processors.
    private(set) var quotas: [Limit] = []
    /// Bytes.
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
            // The folder of a hierarchy is called like its controllers, joined or one of them.
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

    /// `/a/b`, `/a` and the root: in a container the path may be that of the host, whose folders are not here, and the
    /// root is the own group.
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
        // `max` is no number, and version 1 says no limit by one near 2^63.
        guard let bytes = ProcFile.line(folder + "/" + file).flatMap({ Double($0) }),
            bytes > 0, bytes < 1e18
        else { return }
        memory.append(Limit(value: bytes, source: Self.source(file, group)))
    }

    private static func source(_ file: String, _ group: String) -> String {
        "\(file) of control group \(group.isEmpty ? "/" : group)"
    }
}
