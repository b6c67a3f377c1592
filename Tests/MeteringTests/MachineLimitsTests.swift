// Tests of MachineLimits on made-up trees of control groups, and for real under taskset.
import Foundation
import Testing

@testable import Metering

@Suite struct MachineLimitsTests {
    /// A file system of its own with these files.
    private func limits(
        _ files: [String: String], online: Int = 8, affinity: Int = 8
    ) throws -> MachineLimits {
        let root = FileManager.default.temporaryDirectory.appending(path: "groups-\(UUID())")
        for (path, text) in files {
            let file = root.appending(path: path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        defer {
            if !files.isEmpty {
                do { try FileManager.default.removeItem(at: root) } catch { Issue.record(error) }
            }
        }
        return MachineLimits(
            online: online, physicalMemory: 16 << 30, affinity: affinity, root: root.path)
    }

    @Test("without groups the machine counts, or the processors that may be used")
    func machine() throws {
        let whole = try limits([:])
        #expect(whole.processors == .init(8, "processors online", isLimit: false))
        #expect(whole.memory == .init(16 << 30, "memory of the machine", isLimit: false))
        #expect(whole.memoryMB == 16384)
        let pinned = try limits([:], affinity: 1)
        #expect(pinned.processors.value == 1 && pinned.processors.isLimit)
        #expect(pinned.processors.reason.contains("taskset"))
        #expect(try limits([:], affinity: 0).processors.value == 8)
    }

    @Test("version 2: the least of the own group and those above, whole processors, at least one")
    func unified() throws {
        let files = [
            "proc/self/cgroup": "0::/a.slice/b.service\n",
            "sys/fs/cgroup/a.slice/cpu.max": "350000 100000\n",
            "sys/fs/cgroup/a.slice/memory.max": "1073741824\n",
            "sys/fs/cgroup/a.slice/b.service/cpu.max": "max 100000\n",
            "sys/fs/cgroup/a.slice/b.service/memory.max": "max\n",
        ]
        let found = try limits(files)
        #expect(found.processors == .init(3, "cpu.max of control group /a.slice"))
        #expect(found.memory == .init(1 << 30, "memory.max of control group /a.slice"))
        let half = files.merging(["sys/fs/cgroup/a.slice/b.service/cpu.max": "50000 100000\n"]) {
            $1
        }
        #expect(
            try limits(half).processors
                == .init(1, "cpu.max of control group /a.slice/b.service"))
        #expect(try limits(half, affinity: 1).processors.reason.contains("taskset"))
    }

    @Test(
        "version 1: quota and limit of its own hierarchies, joined controllers, and no limit said by a huge one"
    )
    func versionOne() throws {
        let found = try limits([
            "proc/self/cgroup": "9:cpu,cpuacct:/job\n4:memory:/job/task\n0::/\n",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/job/task/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "2147483648\n",
        ])
        #expect(found.processors == .init(2, "cpu.cfs_quota_us of control group /job"))
        #expect(found.memory == .init(2 << 30, "memory.limit_in_bytes of control group /job"))
    }

    @Test(
        "in a container the path is the host's and its folder is not there: the root is the own group"
    )
    func container() throws {
        let found = try limits([
            "proc/self/cgroup": "5:memory:/docker/1234\n3:cpu:/docker/1234\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        ])
        #expect(found.processors.value == 1)
        #expect(found.memory == .init(512 << 20, "memory.limit_in_bytes of control group /"))
    }

    @Test("files that say nothing sensible bound nothing")
    func nonsense() throws {
        let found = try limits([
            "proc/self/cgroup": "0::/a\nnonsense\n::\n",
            "sys/fs/cgroup/a/cpu.max": "many few\n", "sys/fs/cgroup/a/memory.max": "-5\n",
            "sys/fs/cgroup/cpu.max": "100000 0\n", "sys/fs/cgroup/memory.max": "\n",
        ])
        #expect(!found.processors.isLimit && !found.memory.isLimit)
    }
}
