// Settlement: what follows when jobs end: groups fire, dependants become available or are
// cancelled, the run ends. It runs inside the transaction that ends the jobs, under the lock of
// their run, so that every group fires exactly once. Jobs that run are locked before the run,
// everything else after it: no deadlock.
import Postgres
import Schema

/// The consequences of jobs that ended, inside one transaction.
struct Settlement {
    let connection: Connection
    let runID: RunID
    /// True when the run is to be cancelled: then nothing of it may stay waiting.
    let isCancelled: Bool

    /// Locks the run; from here to the commit nobody else ends jobs of it.
    init(_ connection: Connection, runID: RunID) throws {
        guard let row = try connection.query(.runLock, [.int(runID)]).first else {
            throw JobsError(.notFound, "there is no run \(runID)")
        }
        self.connection = connection
        self.runID = runID
        isCancelled = try row.bool("cancelled")
    }

    /// Ends a job and everything that follows from it; call `conclude` afterwards.
    func finish(
        _ job: JobID, state: JobState, result: String? = nil, reason: String? = nil,
        fannedOut: Bool = false
    ) throws {
        let row = try connection.queryOne(
            .jobFinish,
            [.int(job), .text(state.rawValue), .json(result), .text(reason), .bool(fannedOut)])
        try fire([row.int64("id")])
    }

    /// Ends what a cancelled run has waiting, and the run itself when all of it has ended.
    func conclude() throws {
        if isCancelled { try cancelWaiting() }
        try connection.execute(.runSettle, [.int(runID)])
    }

    /// Cancels every job of the run that does not run.
    func cancelWaiting() throws {
        let changed = try connection.query(.runCancelWaiting, [.int(runID)])
        try fire(try changed.map { try $0.int64("id") })
    }

    /// Fires the groups among `candidates` that have nothing pending, and what follows from that.
    func fire(_ candidates: [GroupID]) throws {
        var waiting = candidates.sorted()
        while let group = waiting.popLast() {
            guard let fired = try connection.query(.groupFire, [.int(group)]).first else {
                continue
            }
            if try fired.int("bad") == 0 {
                try connection.execute(.groupReleaseWaiting, [.int(group)])
                try connection.execute(.groupReleaseDependents, [.int(group)])
            } else {
                let reason = "stage \(try fired.text("stage")) ended badly"
                let changed = try connection.query(
                    .groupCancelDependents, [.int(group), .text(reason)])
                waiting += try changed.map { try $0.int64("id") }
            }
        }
    }

    /// Adds the jobs of a fan-out to the stage of the job that completes with it.
    func add(_ fanOut: FanOut, of lease: Lease) throws {
        let place = try connection.queryOne(.jobPlace, [.int(lease.jobID)])
        let path = try place.intArray("path")
        let isInner = try place.bool("is_inner")
        guard let then = fanOut.then else {
            let first = try nextOrdinal(lease.groupID)
            try addJobs(
                fanOut.children, to: lease.groupID, firstOrdinal: first, path: path,
                isInner: isInner)
            return
        }
        let children = try connection.queryOne(
            .groupInsert, [.int(runID), .text(lease.stage), .int(lease.jobID), .int(0)]
        ).int64("id")
        try addJobs(fanOut.children, to: children, firstOrdinal: 1, path: path, isInner: true)
        try addJobs(
            [then], to: lease.groupID, firstOrdinal: try nextOrdinal(lease.groupID), path: path,
            isInner: isInner, waitsFor: children)
        // Without children nothing will end to fire it.
        if fanOut.children.isEmpty { try fire([children]) }
    }

    private func nextOrdinal(_ group: GroupID) throws -> Int {
        try connection.queryOne(.groupNextOrdinal, [.int(group)]).int("ordinal")
    }

    private func addJobs(
        _ specs: [JobSpec], to group: GroupID, firstOrdinal: Int, path: [Int64], isInner: Bool,
        waitsFor: GroupID? = nil
    ) throws {
        try connection.addJobs(
            specs, run: runID, group: group, firstOrdinal: firstOrdinal, path: path,
            waitsFor: waitsFor,
            isInner: isInner, released: waitsFor == nil)
    }
}
