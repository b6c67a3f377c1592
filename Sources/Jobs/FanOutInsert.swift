// FanOutInsert: adds the jobs of a fan-out in the transaction that completes their parent job. So a
// worker that lost the lease adds no jobs, and no job is added twice.
import Postgres
import Schema

/// Adds fan-outs in a transaction that has locked the lease of the parent job.
struct FanOutInsert {
    private let connection: Connection

    init(_ connection: Connection) { self.connection = connection }

    /// Adds the jobs of `fanOut` to the stage of the parent job, whose lease is `lease`.
    func add(_ fanOut: FanOut, of lease: Lease) throws {
        // The job counters of groups change only while the run of the groups is locked.
        _ = try connection.query(.runLock(run: lease.runID))
        let place = try connection.queryOne(.jobPlace(job: lease.jobID))
        let path = try place.intArray("path")
        let isInner = try place.bool("is_inner")
        let device = try place.optionalText("device")
        /// Sets the parent's device on jobs that name no device.
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
        // A group ends (fires) when its last job ends, so a group without jobs must be fired here.
        if added.isEmpty { _ = try connection.query(.groupFire(groups: [children])) }
    }

    private func nextOrdinal(_ group: GroupID) throws -> Int {
        try connection.queryOne(.groupNextOrdinal(group: group)).int("ordinal")
    }
}
