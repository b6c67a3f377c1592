// QueueProof: the audit at the end of a fault test, read from the database alone: whatever the workers
// say of themselves, this is what they left behind.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

/// The lines that ops/fault-tests.sh makes a table of.
enum FaultTable {
    /// Prints one: the test, how long it took where that is known, what was done, to how many jobs.
    static func line(_ test: String, _ disturbances: String, jobs: Int, seconds: Double? = nil) {
        let time = seconds.map { String(format: "%.1f", $0) } ?? ""
        print("fault table | \(test) | \(time) | \(disturbances) | \(jobs)")
    }
}

/// What must be true of a queue once a fault test is over.
enum QueueProof {
    /// Every violation: the recount, jobs that are lost or ended more than once, groups that did not fire,
    /// permits held by jobs that do not run, and deadlocks beyond those that the test injected.
    static func violations(_ queue: JobQueue, allEnded: Bool = true, deadlocks: Int = 0) throws
        -> [String]
    {
        var found = try queue.audit()
        if allEnded {
            for row in try queue.connection.query(unfinished) {
                found.append("\(try row.text("subject")): \(try row.text("problem"))")
            }
        }
        let seen = try queue.connection.queryOne(deadlockCount).int("n")
        if seen > deadlocks { found.append("\(seen) deadlocks, \(deadlocks) injected") }
        return found
    }

    /// Fails the test for each violation, and prints its line of the table: what was done to the queue.
    static func expect(
        _ queue: JobQueue, after disturbances: Int, _ kind: String, _ test: String,
        allEnded: Bool = true, deadlocks: Int = 0,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let found = try violations(queue, allEnded: allEnded, deadlocks: deadlocks)
        #expect(found == [], sourceLocation: sourceLocation)
        let jobs = try queue.connection.queryOne(jobCount).int("n")
        FaultTable.line(test, "\(disturbances) \(kind)", jobs: jobs)
    }

    private static let jobCount = Statement(
        name: "JobCount", sql: "select count(*) as n from ofa.job")

    private static let deadlockCount = Statement(
        name: "DeadlockCount",
        sql: "select deadlocks as n from pg_stat_database where datname = current_database()")

    /// What is left over when every run is said to be over.
    private static let unfinished = Statement(
        name: "Unfinished",
        sql: """
            select 'run ' || id as subject, 'is ' || state as problem from ofa.run where state = 'running'
            union all
            select 'group ' || id, 'has not fired' from ofa.job_group where fired_at is null
            union all
            select 'job ' || job.id, 'has no outcome' from ofa.job
            where not exists (select from ofa.outcome where outcome.job_id = job.id)
            union all
            select 'job ' || job_id, 'is still live: ' || state from ofa.live
            union all
            select 'permit ' || key_id || ' ' || slot, 'is held at the end' from ofa.permit where token is not null
            union all
            select 'job ' || job_id, count(*) || ' attempts completed it' from ofa.attempt
            where outcome = 'completed' group by job_id having count(*) > 1
            """)
}
