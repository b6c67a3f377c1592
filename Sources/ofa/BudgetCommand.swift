// `ofa budget`: limits on the energy, carbon and money of runs.

import ArgumentParser
import Foundation
import Intake
import Jobs

/// The commands about budgets.
struct BudgetCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "budget", abstract: "Limits on the energy, carbon and money of runs.",
        discussion: """
            Example:
              ofa budget set 3 --max-kwh 0.5
              ofa budget set nightly --max-gco2e 200 --soft
              ofa budget set nightly --max-money 12.50EUR
              ofa budget lift 3
            """,
        subcommands: [BudgetList.self, BudgetSet.self, BudgetLift.self],
        defaultSubcommand: BudgetList.self)

    /// Prints the budgets in force.
    static func show(_ queue: JobQueue, _ output: OutputOptions) throws {
        let rows = try queue.budgets().map(Row.init)
        try Output.answer(rows, output) {
            let hasMoney = rows.contains { $0.max_money != nil }
            var columns: [Table.Column] = [
                .text("LIMITS"), .number("USED KWH"), .number("OF"), .number("USED GCO2E"),
                .number("OF"),
            ]
            if hasMoney { columns += [.number("USED MONEY"), .number("OF")] }
            columns += [.text("THEN"), .number("HELD", .medium), .text("REACHED", .medium)]
            var table = Table(columns: columns)
            table.rows = rows.map { $0.cells(hasMoney: hasMoney) }
            try Output.table(table)
            for row in rows {
                if let note = row.note { try Output.line(note) }
            }
        }
    }

    /// Says that money of attempts does not count to a limit in `currency`.
    static func note(
        _ subject: String, _ currency: String, _ uncounted: EnergyBudget.Uncounted
    ) -> String {
        let time = Format.duration(Double(uncounted.nanoseconds) / 1e9)
        let others = uncounted.currencies
        let known = others.isEmpty ? "unknown" : "in \(others.joined(separator: ", ")) or unknown"
        return
            "the limit in \(currency) of \(subject) does not count \(time) of attempts, whose money is \(known)"
    }

    /// Reads a run's number or a pipeline's name.
    static func subject(_ text: String) throws -> EnergyBudget.Subject {
        if let run = Int64(text) { return .run(run) }
        return .pipeline(try ArgumentGate.name(text, "the pipeline's name"))
    }

    private struct Row: Encodable {
        let id: Int64
        let subject: String
        let run: Int64?
        let pipeline: String?
        let max_kwh, max_gco2e: Double?
        let used_kwh, used_gco2e: Double
        let max_money, used_money: Double?
        let currency: String?
        /// The time of attempts whose money does not count, and the currencies in which it is as far as it is known.
        let seconds_without_money: Double?
        let other_currencies: [String]
        let soft: Bool
        let set_at: Date
        let reached_at: Date?
        let reason: String?
        let held_runs: Int
        let note: String?

        /// Formats an amount with four significant digits: `0.0001235`.
        private func amount(_ value: Double?) -> String {
            value.map { String(format: "%.4g", $0) } ?? ""
        }

        /// The cells of the table, with those of money if the table has these columns.
        func cells(hasMoney: Bool) -> [String] {
            var cells = [
                subject, amount(used_kwh), amount(max_kwh), amount(used_gco2e), amount(max_gco2e),
            ]
            if hasMoney {
                let isLimited = max_money != nil
                cells.append(isLimited ? used_money.map { amount($0) } ?? "unknown" : "")
                cells.append(isLimited ? "\(amount(max_money)) \(currency ?? "")" : "")
            }
            return cells + [
                soft ? "warn" : "hold", held_runs == 0 ? "" : String(held_runs),
                reached_at?.formatted(.iso8601) ?? "",
            ]
        }

        init(_ budget: EnergyBudget) {
            id = budget.id
            subject = budget.subject.description
            switch budget.subject {
            case .run(let number): (run, pipeline) = (number, nil)
            case .pipeline(let name): (run, pipeline) = (nil, name)
            }
            max_kwh = budget.limits.microjoules.map { Double($0) / BudgetSet.microjoulesPerKWh }
            max_gco2e = budget.limits.micrograms.map { Double($0) / 1e6 }
            used_kwh = Double(budget.usedMicrojoules) / BudgetSet.microjoulesPerKWh
            used_gco2e = Double(budget.usedMicrograms) / 1e6
            max_money = budget.limits.money.map { Double($0.millionths) / 1e6 }
            used_money = budget.usedMoneyMillionths.map { Double($0) / 1e6 }
            currency = budget.limits.money?.currency
            seconds_without_money =
                currency == nil ? nil : Double(budget.uncounted?.nanoseconds ?? 0) / 1e9
            other_currencies = budget.uncounted?.currencies ?? []
            note = budget.uncounted.flatMap { uncounted in
                budget.limits.money.map {
                    BudgetCommand.note("\(budget.subject)", $0.currency, uncounted)
                }
            }
            soft = budget.isSoft
            (set_at, reached_at) = (budget.setAt, budget.reachedAt)
            reason = budget.reason
            held_runs = budget.held
        }
    }
}

/// Lists the budgets in force.
struct BudgetList: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the budgets in force, with what was used.",
        discussion: "Example:\n  ofa budget list --json")

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the budgets.
    mutating func run() throws {
        try BudgetCommand.show(JobQueue(try database.connectToExisting()), output)
    }
}

/// Sets a budget.
struct BudgetSet: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Limits what a run, or all runs of a name, may use.",
        discussion: """
            A run that reaches a limit is held: its jobs stop at a checkpoint, and no other begins. With --soft it goes on, \
            and ofa status warns. Workers compare every two seconds with the energy metered so far (of the IT equipment, as in \
            ofa cost), which is written every ten. A name counts what its runs use from the current hour on. A new budget \
            replaces the last one, and a larger one lets a held run go on.

            Money is what ofa cost shows, in the currency of the machine's prices (ofa host) or of its zone's. Money in another \
            currency, or unknown, does not count; ofa budget list and ofa status say for how long.

            Example:
              ofa budget set 3 --max-kwh 0.5
              ofa budget set nightly --max-gco2e 200 --soft
              ofa budget set nightly --max-money 12.50EUR
            """)

    /// The microjoules of a kilowatt-hour.
    static let microjoulesPerKWh = 3.6e12

    /// What the budget limits.
    @Argument(help: ArgumentHelp("A run's number or a pipeline's name.", valueName: "run"))
    var subject: String
    /// The limit of energy.
    @Option(
        name: .customLong("max-kwh"), help: "IT energy in kWh.", transform: Number.real(1e-9...1e6))
    var maxKWh: Double?
    /// The limit of carbon.
    @Option(
        name: .customLong("max-gco2e"), help: "Carbon in grams of CO2e, by the newest factors.",
        transform: Number.real(1e-6...1e12))
    var maxGrams: Double?
    /// The limit of money.
    @Option(
        name: .customLong("max-money"),
        help: ArgumentHelp(
            "Money with its currency, such as 12.50EUR, by the newest factors and what is stated of machines.",
            valueName: "money"), transform: BudgetSet.money)
    var maxMoney: EnergyBudget.Money?
    /// Whether a run that reaches a limit goes on.
    @Flag(help: "Warn only.") var soft = false
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses a budget without a limit.
    func validate() throws {
        guard maxKWh != nil || maxGrams != nil || maxMoney != nil else {
            throw ValidationError(
                "a budget needs a limit", remedy: "add --max-kwh, --max-gco2e or --max-money")
        }
        _ = try BudgetCommand.subject(subject)
    }

    /// Parses an amount with its currency, such as `12.50EUR`.
    @Sendable private static func money(_ text: String) throws -> EnergyBudget.Money {
        do throws(InputFault) {
            let letters = text.reversed().prefix { $0.isLetter }.count
            let currency = String(text.suffix(letters))
            guard currency.wholeMatch(of: /[A-Z]{3}/) != nil else {
                throw InputFault(
                    letters == 0
                        ? "has no currency" : "has the currency '\(Shown.excerpt(currency, 40))'",
                    remedy: "write an amount and three capital letters, such as 12.50EUR")
            }
            let amount = try DecimalNumber.real(
                text.dropLast(letters).trimmingCharacters(in: .whitespaces), in: 1e-6...1e12)
            return EnergyBudget.Money(
                millionths: max(1, Int64((amount * 1e6).rounded())), currency: currency)
        } catch {
            throw ValueFault(error)
        }
    }

    /// Sets the budget and prints all.
    mutating func run() throws {
        let queue = JobQueue(try database.connect()), limited = try BudgetCommand.subject(subject)
        try queue.setBudget(
            limited,
            EnergyBudget.Limits(
                microjoules: maxKWh.map { max(1, Int64(($0 * Self.microjoulesPerKWh).rounded())) },
                micrograms: maxGrams.map { max(1, Int64(($0 * 1e6).rounded())) }, money: maxMoney),
            isSoft: soft)
        if case .pipeline(let name) = limited, try !queue.hasRun(named: name) {
            Output.note(
                "no run is named \(name) yet: the limit holds for runs of that name to come")
        }
        try BudgetCommand.show(queue, output)
    }
}

/// Lifts a budget.
struct BudgetLift: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "lift", abstract: "Lifts a budget; runs that it holds go on.",
        discussion: "Example:\n  ofa budget lift 3")

    /// What the budget limits.
    @Argument(help: ArgumentHelp("A run's number or a pipeline's name.", valueName: "run"))
    var subject: String
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses invalid names.
    func validate() throws { _ = try BudgetCommand.subject(subject) }

    /// Lifts the budget and prints the others.
    mutating func run() throws {
        let queue = JobQueue(try database.connect()), subject = try BudgetCommand.subject(subject)
        guard try queue.liftBudget(subject) else {
            throw CommandFailure.notFound(
                "\(subject) has no budget", remedy: "ofa budget list shows the budgets in force")
        }
        try BudgetCommand.show(queue, output)
    }
}
