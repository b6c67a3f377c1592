// FaultAudit: what every fault test ends with, whatever was done to the workers, the server and the network.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

extension FaultPlace {
    /// Fails the test unless the queue is sound: its recount, one outcome for every job of an ended run, nothing
    /// running, nothing counted twice, permits free, what was metered as the workers' own journal has it, and no
    /// deadlock in the server's log.
    ///
    /// `server` is another than the place's own, where that is gone; `mayDeadlock` leaves the log out, where a test makes deadlocks itself.
    func expectSound(
        of server: DedicatedServer? = nil, mayDeadlock: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let queue = JobQueue(try Connection(url: server?.url ?? url))
        #expect(try queue.audit() == [], sourceLocation: sourceLocation)
        for check in Self.checks {
            let rows = try queue.connection.query(Statement(name: check.fact, sql: check.sql))
            let found = try rows.map { try $0.text("found") }
            #expect(found == [], "\(check.fact)", sourceLocation: sourceLocation)
        }
        for permit in try queue.permits() {
            let running = try queue.jobs(state: .running, limit: 100_000).map(\.id)
            #expect(permit.held <= permit.slots, sourceLocation: sourceLocation)
            #expect(Set(permit.jobs).isSubset(of: running), sourceLocation: sourceLocation)
        }
        try expectJournal(queue.connection, sourceLocation)
        if mayDeadlock { return }
        let database = try queue.connection.queryOne(
            Statement(name: "Database", sql: "select current_database()::text as name")
        ).text("name")
        let deadlocks = try Self.log(of: server ?? self.server).filter {
            $0.contains("deadlock detected") && $0.contains(" database \(database) ")
        }
        #expect(deadlocks == [], sourceLocation: sourceLocation)
    }

    /// Each selects what must not be.
    private static let checks = [
        (
            fact: "a job of an ended run has exactly one outcome and is not live",
            sql: """
            select job.id || ' ' || count(outcome.job_id) as found from ofa.job
            join ofa.run on run.id = job.run_id
            left join ofa.outcome on outcome.job_id = job.id
            left join ofa.live on live.job_id = job.id
            where run.state <> 'running'
            group by job.id having count(outcome.job_id) <> 1 or count(live.job_id) > 0
            """
        ),
        (
            fact: "a token is issued to one attempt, ended or running",
            sql: """
            select token::text as found from (
              select token from ofa.attempt union all
              select token from ofa.live where state = 'running') as used
            group by token having count(*) > 1
            """
        ),
        (
            fact: "a fan-out is written once, by the one attempt that completed its job",
            sql: """
            select 'job ' || owner_job as found from ofa.job_group
            left join ofa.outcome on outcome.job_id = job_group.owner_job
            where owner_job is not null
            group by owner_job having count(*) > 1 or bool_or(outcome.state is distinct from 'completed')
            """
        ),
        (
            fact: "a child that ended badly or well was counted before its group fired for all",
            sql: """
            -- By tokens, which are drawn when a job is claimed. Times of day are those of the statements' beginnings,
            -- and a claim that began before its group fired may find the job that was made available meanwhile.
            select distinct 'group ' || job_group.id as found from ofa.job_group
            join ofa.job as child on child.group_id = job_group.id
            join ofa.attempt as counted on counted.job_id = child.id
            join ofa.job as waiting on waiting.waits_for = job_group.id
            join ofa.attempt on attempt.job_id = waiting.id
            where job_group.rule <> 'quorum' and attempt.token < counted.token
            """
        ),
        (
            fact: "every ended attempt is charged exactly once",
            sql: """
            select 'account ' || account_id as found
            from (
              select job.account_id, count(*) as attempts, count(*) filter (where attempt.outcome <> 'completed') as bad,
                count(*) filter (where attempt.outcome = 'lost') as lost
              from ofa.attempt join ofa.job on job.id = attempt.job_id where attempt.outcome <> 'unbegun'
              group by job.account_id) as ended
            full join (
              select account_id, sum(attempts) as attempts, sum(not_completed) as bad, sum(lost) as lost
              from ofa.spent group by account_id) as booked using (account_id)
            where (ended.attempts, ended.bad, ended.lost) is distinct from (booked.attempts, booked.bad, booked.lost)
            """
        ),
        (
            fact: "what is metered is an attempt that ended the same way",
            sql: """
            select 'token ' || meter.token as found from ofa.meter
            left join ofa.attempt on attempt.token = meter.token and attempt.job_id = meter.job_id
            where attempt.outcome is distinct from meter.outcome
            """
        ),
    ]

    /// Compares what the sessions used by the database with what their processes wrote into the journal.
    private func expectJournal(
        _ connection: Connection, _ sourceLocation: SourceLocation
    ) throws {
        guard let data = FileManager.default.contents(atPath: journal) else { return }
        var journalled: [Int64: Int64] = [:]
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ").compactMap { Int64($0) }
            if words.count == 2 { journalled[words[0]] = words[1] }
        }
        // Of attempts that ended with a meter row; the others were taken over and are gaps.
        let metered = Statement(
            name: "Metered",
            sql: """
                select attempt.session_id, array_agg(attempt.token) as tokens,
                  sum(meter.wall_ns)::bigint as wall_ns
                from ofa.attempt join ofa.meter using (token) group by attempt.session_id
                """)
        for row in try connection.query(metered) {
            let own = try row.intArray("tokens").reduce(0) { $0 + (journalled[$1] ?? 0) }
            let (session, wallNs) = (try row.int64("session_id"), try row.int64("wall_ns"))
            #expect(wallNs == own, "session \(session)", sourceLocation: sourceLocation)
        }
    }

    /// The lines of a server's log.
    static func log(of server: DedicatedServer) throws -> [String] {
        let path = try PrivateServer(home: server.home).status().logFile
        let data = FileManager.default.contents(atPath: path) ?? Data()
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
