// Reads and writes which runs are deferred, and when they start (table ofa.deferral).

import Foundation
import Jobs
import Metering
import Postgres
import Schema

/// A run whose start may wait, or waited.
public struct DeferredRun: Sendable, Equatable {
    /// The run and its name.
    public let run: Int64
    /// The name of the run.
    public let name: String
    /// The electricity zone by whose forecast the start is chosen.
    public let zone: String
    /// What the run asks for, and when it did.
    public let deferral: Deferral
    /// When the run was enqueued.
    public let askedAt: Date
    /// When the run starts, or could start at the latest plan.
    public let startsAt: Date
    /// Why then; nil if it was never planned.
    public let plan: StartPlan?
    /// When the start was planned last.
    public let plannedAt: Date?
    /// The time of the database's clock when this was read.
    public let asOf: Date
    /// Whether the run is unfinished and waits for its start.
    public let waits: Bool
    /// How many times the start was planned.
    let plans: Int

    /// When the run could have started: when it was enqueued, or at its earliest start.
    public var couldStartAt: Date { max(askedAt, deferral.earliest ?? askedAt) }
}

extension DeferredRun {
    /// Reads a row of DeferralOf.
    init(_ row: Row) throws {
        run = try row.int64("run_id")
        name = try row.text("name")
        zone = try row.text("zone")
        askedAt = try row.date("asked_at")
        deferral = Deferral(
            earliest: try row.optionalDate("earliest"), deadline: try row.date("deadline"),
            seconds: try row.optionalDouble("seconds"))
        startsAt = try row.date("starts_at")
        plan = try row.optionalJSON("plan").map { try StartPlan(stored: $0) }
        plannedAt = try row.optionalDate("planned_at")
        asOf = try row.date("as_of")
        waits = try row.bool("waits")
        plans = try row.int("plans")
    }
}

/// The deferred runs of one database.
public struct DeferralLedger {
    private let connection: Connection

    /// Reads and writes the database of `connection`.
    public init(_ connection: Connection) { self.connection = connection }

    /// Returns a run that is deferred, or was; nil for other runs.
    public func deferred(_ run: Int64) throws -> DeferredRun? {
        try connection.query(.deferralOf(run: run)).first.map { try DeferredRun($0) }
    }

    /// Defers the unfinished run of this name and definition, which the open transaction created, and plans its start. Its jobs
    /// are scheduled for that time, so any worker starts it, also after this program was killed. `zone` is where it will run;
    /// `workers` is the number of jobs that will run at once, nil for the slots of the living workers.
    ///
    /// Errors: `changed` if the transaction did not create the run; `deadlinePassed`.
    public func begin(
        name: String, definitionHash: String, _ deferral: Deferral, zone: String, workers: Int?
    ) throws -> StartPlan {
        try deferral.check(now: CostLedger(connection).moment())
        let known = try connection.query(
            .runUnfinished(
                name: name.precomposedStringWithCanonicalMapping, definitionHash: definitionHash)
        ).first?.int64("id")
        let isDeferred =
            try known.map { run in
                try connection.queryOne(
                    .runDefer(
                        run: run, zone: zone, earliestUs: deferral.earliest?.microseconds,
                        deadlineUs: deferral.deadline.microseconds, seconds: deferral.seconds)
                ).bool("deferred")
            } ?? false
        guard isDeferred, let known, let plan = try planStart(known, workers: workers) else {
            throw AccountingError(
                .changed, "run \(known.map(String.init) ?? name) cannot be deferred any more",
                remedy: "try again")
        }
        return plan
    }

    /// Plans the start of a deferred run that has not started, by what is known now. Returns nil, and changes nothing, if the run
    /// has started or ended, or if its jobs are locked in this moment.
    public func planStart(_ run: Int64, workers: Int? = nil) throws -> StartPlan? {
        guard let deferred = try deferred(run), deferred.waits else { return nil }
        // In an open transaction nothing can be repeated after a lost connection.
        var policy = ReconnectPolicy()
        policy.giveUp = { true }
        let queue = JobQueue(connection, policy: policy)
        let slots = try workers ?? queue.workers().reduce(0) { $0 + $1.workingSlots }
        let planner = StartPlanner(connection, factors: try FactorSet.load(connection))
        var plan = try planner.plan(
            deferred.deferral, zone: deferred.zone, status: queue.runStatus(run),
            workers: max(1, slots), now: deferred.asOf)
        // A program that says how many jobs run at once executes this run alone.
        if workers == nil { try planner.noteOthers(in: &plan, of: run, slots: slots) }
        let isPlanned = try connection.queryOne(
            .startPlan(
                run: run, plans: deferred.plans, startsUs: plan.starts_at.microseconds,
                forecast: plan.forecast, plan: plan.stored())
        ).bool("planned")
        return isPlanned ? plan : nil
    }

    /// Plans the start of all runs that wait. Returns those whose start was planned, and those that keep their start because they
    /// started, ended or were locked meanwhile.
    func planWaiting() throws -> (planned: [ForecastImport.Planned], kept: [Int64]) {
        var planned: [ForecastImport.Planned] = []
        var kept: [Int64] = []
        for row in try connection.query(.deferralsWaiting) {
            let run = try row.int64("run_id")
            guard let before = try deferred(run)?.startsAt, let plan = try planStart(run) else {
                kept.append(run)
                continue
            }
            planned.append(
                .init(
                    run: run, before: before, starts_at: plan.starts_at, reason: plan.reason))
        }
        // A reason may name other runs by their starts. It is written again when all starts are known.
        if planned.count > 1, planned.contains(where: { $0.before != $0.starts_at }) {
            for place in planned.indices {
                let run = planned[place].run
                guard let plan = try planStart(run) else { continue }
                planned[place] = .init(
                    run: run, before: planned[place].before, starts_at: plan.starts_at,
                    reason: plan.reason)
            }
        }
        return (planned, kept)
    }
}
