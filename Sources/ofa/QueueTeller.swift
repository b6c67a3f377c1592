// What `ofa worker` tells on standard error of the runs it sees, those that fail in an instant included.

import Jobs

/// Tells how the newest runs go, until each has ended.
struct QueueTeller {
    private var ended: Set<RunID> = []
    private var going: [RunID: RunProgress] = [:]
    /// The runs it told something of.
    private(set) var seen: Set<RunID> = []
    /// Those of them that failed.
    private(set) var failed: Set<RunID> = []

    /// Leaves out the runs that have ended before.
    mutating func begin(_ queue: JobQueue) throws {
        ended = Set(try queue.runs().filter { $0.state != .running }.map(\.id))
    }

    /// Tells what changed since the last time: of runs that began since too, though they are over already.
    mutating func tell(_ queue: JobQueue) throws {
        let found = try queue.runs()
        // A job that is retried makes its run go on.
        for run in found where run.state == .running { ended.remove(run.id) }
        let unknown = found.filter { !ended.contains($0.id) && going[$0.id] == nil }
        for run in unknown.prefix(20).reversed() {
            going[run.id] = RunProgress()
            seen.insert(run.id)
            Output.note("run \(run.id): \(run.name)")
        }
        for id in going.keys.sorted() {
            let status = try queue.runStatus(id)
            going[id]?.tell(status)
            guard status.run.state != .running else { continue }
            going[id] = nil
            ended.insert(id)
            if status.run.state == .failed { try fail(id, queue) } else { failed.remove(id) }
        }
    }

    private mutating func fail(_ run: RunID, _ queue: JobQueue) throws {
        failed.insert(run)
        for job in try queue.jobs(run: run, state: .discarded, limit: 20) {
            Output.note(
                "run \(run) failed: job \(job.id), stage \(job.stage): \(job.reason ?? "no reason is known");"
                    + " see ofa job show \(job.id)")
        }
    }
}
