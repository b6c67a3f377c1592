// What `ofa status` shows of a run: read here, shown as plain lines, as JSON, or as the frame of `ofa status --watch`.

import Accounting
import Foundation
import Jobs
import Postgres

/// The status of a run with its costs, training curves, limits and workers.
struct StatusReading: Sendable {
    /// What a run has used.
    struct Used: Sendable {
        /// The energy in joules that is known.
        let joules: Double
        /// The CO2e in grams; nil if no intensity is known.
        let grams: Double?
        /// Whether the energy of any part of the run is known.
        let isKnown: Bool
    }

    /// The run and its stages.
    var status: RunStatus
    /// The energy and its emissions so far.
    var used: Used
    /// The joules of each stage that has a cost.
    var joules: [String: Double]
    /// The curves of the stages that run, or else of the last one that trained.
    var curves: [TrainingCurve]
    /// The budgets that the run has reached.
    var budgets: [ReachedBudget]
    /// The notes on money that budgets do not count.
    var uncounted: [String]
    /// When the run starts, if its start may wait.
    var deferred: DeferredRun?
    /// The workers that are alive.
    var workers: [WorkerStatus]
    /// The waiting jobs that none of these workers can take.
    var unserved: [UnservedJobs]

    /// Reads the status of `run`; each curve has about `points` points. Errors: `notFound`.
    init(_ queue: JobQueue, run id: RunID, points: Int = TrainingLine.cells) throws {
        try self.init(queue, try queue.runStatus(id), points: points)
    }

    /// Reads everything but the stages, which are given.
    init(_ queue: JobQueue, _ status: RunStatus, points: Int) throws {
        let id = status.run.id
        let connection = queue.connection
        self.status = status
        let cost = try CostLedger(connection).report(
            run: id, by: .stage, factors: try FactorSet.load(connection))
        let total = cost.total
        used = Used(
            joules: Double(total.energy.microjoules) / 1e6, grams: total.knownGrams,
            isKnown: total.isKnown)
        joules = Dictionary(cost.rows.map { ($0.label, Double($0.energy.microjoules) / 1e6) }) {
            first, _ in first
        }
        curves = try queue.trainingCurves(
            run: id, points: points,
            stages: Set(status.stages.filter { $0.state == .running }.map(\.name)))
        budgets = try queue.reachedBudgets(of: id)
        uncounted = try queue.uncountedBudgets(of: id).map {
            BudgetCommand.note(
                $0.pipeline.map { "all runs named \($0)" } ?? "run \(id)", $0.currency,
                $0.uncounted)
        }
        deferred = try DeferralLedger(connection).deferred(id)
        workers = try queue.workers()
        unserved = try queue.unserved(run: id)
    }

    /// Takes known values, for tests.
    init(
        status: RunStatus, used: Used, joules: [String: Double] = [:], curves: [TrainingCurve] = [],
        budgets: [ReachedBudget] = [], uncounted: [String] = [], deferred: DeferredRun? = nil,
        workers: [WorkerStatus] = [], unserved: [UnservedJobs] = []
    ) {
        self.status = status
        self.used = used
        self.joules = joules
        self.curves = curves
        self.budgets = budgets
        self.uncounted = uncounted
        self.deferred = deferred
        self.workers = workers
        self.unserved = unserved
    }

    /// The seconds from the enqueueing of the run until its end, or until the reading.
    var seconds: Double {
        (status.run.endedAt ?? status.asOf).timeIntervalSince(status.run.createdAt)
    }

    /// What holds the run; nil if nothing does.
    var held: String? { budgets.first { !$0.isSoft }?.reason }

    /// One line for each reached budget.
    var budgetLines: [String] {
        budgets.map { budget in
            budget.isSoft
                ? "warning: it used \(budget.reason)"
                : "held: it used \(budget.reason); ofa budget lift, or a larger ofa budget set, lets it go on"
        }
    }

    /// One line for each worker with slots that do not work, and for each kind of waiting job whose required
    /// capabilities no worker of this kind offers.
    var workerLines: [String] {
        let crippled = workers.filter { $0.workingSlots < $0.slots }.map {
            "worker \($0.name) on \($0.host) (process \($0.process)): \($0.workingSlots) of \($0.slots) slots work; its output says why"
        }
        return crippled
            + unserved.map {
                "\($0.jobs) jobs of kind \($0.kind) wait: they require \($0.requires.joined(separator: ", ")), which no worker"
                    + " of this kind offers; see ofa worker --offers"
            }
    }
}
