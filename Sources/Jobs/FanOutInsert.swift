// FanOutInsert: the jobs that a completing job adds, written in the transaction that completes it.
// A worker that lost the lease adds nothing, and nothing is added twice.
import Postgres
import Schema

/// Adds fan-outs in a transaction that holds the lease.
struct FanOutInsert {
    private let connection: Connection

    init(_ connection: Connection) { self.connection = connection }

    /// Adds the jobs of a fan-out to the stage of the job that completes with it.
    func add(_ fanOut: FanOut, of lease: Lease) throws {
        // Groups change only under the lock of their run.
        _ = try connection.query(.runLock(run: lease.runID))
        let place = try connection.queryOne(.jobPlace(job: lease.jobID))
        let path = try place.intArray("path")
        let isInner = try place.bool("is_inner")
        let device = try place.optionalText("device")
        /// Sets the parent's device on jobs without one.
        func inherit(_ jobs: [JobSpec]) -> [JobSpec] {
            jobs.map { job in
                var job = job
                job.device = job.device ?? device
                return job
            }
        }
        guard let then = fanOut.then else {
            try connection.addJobs(
                inherit(fanOut.children), run: lease.runID, group: lease.groupID,
                firstOrdinal: try nextOrdinal(lease.groupID), path: path, waitsFor: nil,
                isInner: isInner, released: true)
            return
        }
        let rule = fanOut.rule
        let children = try connection.queryOne(
            .groupInsert(
                run: lease.runID, stage: lease.stage, ownerJob: lease.jobID, needs: 0,
                rule: rule.name, quorum: rule.count, onBad: fanOut.onBad.rawValue)
        ).int64("id")
        let added = try connection.addJobs(
            inherit(fanOut.children), run: lease.runID, group: children, firstOrdinal: 1,
            path: path,
            waitsFor: nil, isInner: true, released: true)
        try connection.addJobs(
            inherit([then]), run: lease.runID, group: lease.groupID,
            firstOrdinal: try nextOrdinal(lease.groupID), path: path, waitsFor: children,
            isInner: isInner, released: false)
        // Without children no completion would fire it.
        if added.isEmpty { _ = try connection.query(.groupFire(groups: [children])) }
    }

    private func nextOrdinal(_ group: GroupID) throws -> Int {
        try connection.queryOne(.groupNextOrdinal(group: group)).int("ordinal")
    }
}
