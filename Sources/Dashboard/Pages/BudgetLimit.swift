// BudgetLimit: one limit of a budget with what was used of it, for the page of costs.

import Accounting
import Foundation
import Jobs
import Pipelines

/// A limit on energy, carbon or money.
struct BudgetLimit {
    /// What the budget limits, and its run if that is one.
    let subject: String
    let run: RunID?
    /// `energy`, `CO2e` or `money`.
    let measure: String
    /// The amounts with their units.
    let used, most: String
    /// Used over most; nil if unknown.
    let share: Double?
    /// Whether a run that reaches the limit goes on.
    let isSoft: Bool
    /// What was reached; empty if nothing was.
    let reason: String

    /// What is used of the limit, in words.
    var text: String { "\(used) of \(most)" }

    /// Returns the limits of a budget.
    static func all(of budget: EnergyBudget) -> [BudgetLimit] {
        var run: RunID?
        if case .run(let number) = budget.subject { run = number }
        func limit(
            _ measure: String, _ used: Double?, _ most: Double, _ unit: String
        ) -> BudgetLimit {
            BudgetLimit(
                subject: budget.subject.description, run: run, measure: measure,
                used: PageParts.amount(used, unit), most: PageParts.amount(most, unit),
                share: used.map { $0 / most }, isSoft: budget.isSoft, reason: budget.reason ?? "")
        }
        var limits: [BudgetLimit] = []
        if let most = budget.limits.microjoules {
            let kilowattHour = Emissions.microjoulesPerKWh
            limits.append(
                limit(
                    "energy", Double(budget.usedMicrojoules) / kilowattHour,
                    Double(most) / kilowattHour, "kWh"))
        }
        if let most = budget.limits.micrograms {
            limits.append(
                limit("CO2e", Double(budget.usedMicrograms) / 1e6, Double(most) / 1e6, "g"))
        }
        if let money = budget.limits.money {
            limits.append(
                limit(
                    "money", budget.usedMoneyMillionths.map { Double($0) / 1e6 },
                    Double(money.millionths) / 1e6, money.currency))
        }
        return limits
    }
}
