// Budgets: limits on the energy, carbon and money of runs. A run that reaches one is held: workers release its jobs with a
// checkpoint and claim none, until the budget is lifted or replaced.
import Foundation
import Postgres
import Schema

/// A limit in force, with what was used at the last check.
public struct EnergyBudget: Sendable, Equatable {
    /// What a budget limits.
    public enum Subject: Sendable, Equatable, CustomStringConvertible {
        /// One run.
        case run(RunID)
        /// All runs of this name together, from the hour on in which the limit was set.
        case pipeline(String)

        /// The subject in words, such as `run 3` or `all runs named demo`.
        public var description: String {
            switch self {
            case .run(let run): "run \(run)"
            case .pipeline(let name): "all runs named \(name)"
            }
        }

        var run: RunID? { if case .run(let run) = self { run } else { nil } }
        var pipeline: String? { if case .pipeline(let name) = self { name } else { nil } }
    }

    /// An amount of money.
    public struct Money: Sendable, Equatable {
        /// The amount in millionths of the currency.
        public var millionths: Int64
        /// The currency, such as `EUR`.
        public var currency: String

        /// An amount in millionths of `currency`.
        public init(millionths: Int64, currency: String) {
            (self.millionths, self.currency) = (millionths, currency)
        }
    }

    /// Attempts whose money is not in a budget's currency.
    public struct Uncounted: Sendable, Equatable {
        /// Their time in nanoseconds.
        public let nanoseconds: Int64
        /// The other currencies in which their money is; none if all of it is unknown.
        public let currencies: [String]
    }

    /// The limits of a budget: at least one.
    public struct Limits: Sendable, Equatable {
        /// The IT energy in microjoules, above 0; nil for no limit.
        public var microjoules: Int64?
        /// The carbon in micrograms of CO2e, above 0; nil for no limit.
        public var micrograms: Int64?
        /// The money, above 0; nil for no limit. Money in other currencies is not counted.
        public var money: Money?

        /// Nil means no such limit.
        public init(microjoules: Int64? = nil, micrograms: Int64? = nil, money: Money? = nil) {
            (self.microjoules, self.micrograms, self.money) = (microjoules, micrograms, money)
        }
    }

    /// The number of the budget.
    public let id: Int64
    /// What the budget limits.
    public let subject: Subject
    /// The limits.
    public let limits: Limits
    /// Whether a run that reaches a limit goes on, with a warning.
    public let isSoft: Bool
    /// When the limit was set.
    public let setAt: Date
    /// What was used at the last check: microjoules of IT energy, and micrograms of CO2e by the newest factor set.
    public let usedMicrojoules, usedMicrograms: Int64
    /// The money that was used, in millionths of the limit's currency; nil without such a limit, or if it is unknown.
    public let usedMoneyMillionths: Int64?
    /// The attempts whose money does not count; nil if there are none, or no limit of money.
    public let uncounted: Uncounted?
    /// What was reached, such as `0.2 of 0.2 kWh`, and when a check found it; nil if nothing was.
    public let reason: String?
    public let reachedAt: Date?
    /// How many unfinished runs the budget holds.
    public let held: Int
}

/// A limit that a run has reached.
public struct ReachedBudget: Sendable, Equatable {
    /// Whether the run goes on, with a warning.
    public let isSoft: Bool
    /// What was reached, such as `0.2 of 0.2 kWh`.
    public let reason: String
}

extension JobQueue {
    /// Limits what a run, or all runs of a name, may use, in place of the last limit, and compares at once.
    ///
    /// Errors: `notFound` if the run is unknown; `wrongState` if it has ended, or if `limits` is empty or not above 0.
    public func setBudget(
        _ subject: EnergyBudget.Subject, _ limits: EnergyBudget.Limits, isSoft: Bool
    ) throws {
        let amounts = [limits.microjoules, limits.micrograms, limits.money?.millionths]
            .compactMap { $0 }
        guard !amounts.isEmpty, amounts.allSatisfy({ $0 > 0 }) else {
            throw JobsError(.wrongState, "a budget needs a limit above 0")
        }
        let state = try subject.run.map { try run($0).state }
        let isSet = try transact { connection in
            let rows = try connection.query(
                .budgetSet(
                    run: subject.run, pipeline: subject.pipeline, maxUj: limits.microjoules,
                    maxUg: limits.micrograms, maxMoneyU: limits.money?.millionths,
                    currency: limits.money?.currency, soft: isSoft))
            guard !rows.isEmpty else { return false }
            try connection.note(
                "set budget", "\(subject)",
                [
                    "max_uj": "\(limits.microjoules ?? 0)", "max_ug": "\(limits.micrograms ?? 0)",
                    "max_money_u": "\(limits.money?.millionths ?? 0)",
                    "currency": limits.money?.currency ?? "", "soft": "\(isSoft)",
                ])
            return true
        }
        guard isSet else {
            throw JobsError(
                .wrongState, "\(subject) is \(state?.rawValue ?? "unknown"): it uses no more",
                remedy: "set the budget of its pipeline's name for the runs to come")
        }
        try hint()
    }

    /// Lifts the limit of a run, or of all runs of a name; the runs that nothing else holds go on. Returns false if there
    /// was none.
    public func liftBudget(_ subject: EnergyBudget.Subject) throws -> Bool {
        let isLifted = try transact { connection in
            let isLifted = try connection.queryOne(
                .budgetLift(run: subject.run, pipeline: subject.pipeline)
            ).bool("lifted")
            if isLifted { try connection.note("lift budget", "\(subject)") }
            return isLifted
        }
        if isLifted { try hint() }
        return isLifted
    }

    /// Returns the limits in force.
    public func budgets() throws -> [EnergyBudget] {
        try ask(.budgetList).map { row in
            let name = try row.optionalText("pipeline")
            let currency = try row.optionalText("currency")
            return EnergyBudget(
                id: try row.int64("id"),
                subject: try name.map { .pipeline($0) } ?? .run(row.int64("run_id")),
                limits: .init(
                    microjoules: try row.optionalInt64("max_uj"),
                    micrograms: try row.optionalInt64("max_ug"),
                    money: try currency.map {
                        EnergyBudget.Money(
                            millionths: try row.int64("max_money_u"), currency: $0)
                    }),
                isSoft: try row.bool("is_soft"), setAt: try row.date("set_at"),
                usedMicrojoules: try row.int64("used_uj"),
                usedMicrograms: try row.int64("used_ug"),
                usedMoneyMillionths: try row.optionalInt64("used_money_u"),
                uncounted: try Self.uncounted(row),
                reason: try row.optionalText("reason"),
                reachedAt: try row.optionalDate("reached_at"), held: try row.int("held"))
        }
    }

    /// Returns the limits that an unfinished run has reached, those that hold it first.
    public func reachedBudgets(of run: RunID) throws -> [ReachedBudget] {
        try ask(.budgetsOfRun(run: run)).map {
            ReachedBudget(isSoft: try $0.bool("is_soft"), reason: try $0.text("reason"))
        }
    }

    /// Returns the currencies of the limits of money of an unfinished run, with the attempts whose money they do not count.
    public func uncountedBudgets(
        of run: RunID
    ) throws -> [(currency: String, pipeline: String?, uncounted: EnergyBudget.Uncounted)] {
        try ask(.budgetsUncounted(run: run)).compactMap { row in
            try Self.uncounted(row).map {
                (try row.text("currency"), try row.optionalText("pipeline"), $0)
            }
        }
    }

    private static func uncounted(_ row: Row) throws -> EnergyBudget.Uncounted? {
        let time = try row.int64("uncounted_ns")
        guard time > 0 else { return nil }
        return EnergyBudget.Uncounted(
            nanoseconds: time, currencies: try row.textArray("uncounted_in"))
    }

    /// Returns whether a run of this name was ever enqueued.
    public func hasRun(named name: String) throws -> Bool {
        try ask(.runNameKnown(name: name)).isEmpty == false
    }

    /// Compares what runs used with their budgets. Returns the tokens of those of `leases` whose runs are held, each with
    /// what was reached.
    func checkBudgets(_ leases: [Lease]) throws -> [Int64: String] {
        let rows = try ask(.budgetCheck(jobs: leases.map(\.jobID), tokens: leases.map(\.token)))
        return Dictionary(
            try rows.map { (try $0.int64("token"), try $0.text("reason")) },
            uniquingKeysWith: { first, _ in first })
    }
}
