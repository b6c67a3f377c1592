// CostPages: energy, carbon and money of all runs. CostView has the page of sums, CostNetworks what each device's network cost,
// CostSavings what a supernet saved.

import Accounting
import Foundation
import Pipelines
import Postgres

/// Pages: energy, carbon and money.
enum CostPages {
    /// The pages and files.
    static let routes: [Route] = [
        .page("/cost") { try CostView($0, $1).page() },
        .page("/cost/networks", CostNetworks.page),
        .page("/cost/savings/*", CostSavings.page),
    ]
    /// The forms.
    static let actions: [Action] = []
}

/// Costs in words and in cells.
enum CostParts {
    /// An energy of the IT equipment with a unit that fits: `812 J`, `2.4 kJ`, `1.07 kWh`.
    static func energy(_ microjoules: Int64) -> String {
        let joules = Double(microjoules) / 1e6
        if abs(joules) < 1000 { return "\(ReportText.amount(joules)) J" }
        if abs(joules) < 3.6e6 { return "\(ReportText.amount(joules / 1e3)) kJ" }
        return "\(ReportText.amount(joules / 3.6e6)) kWh"
    }

    /// The energy of a row with its interval; `unknown` if all of it is missing.
    static func energy(_ row: CostRow) -> HTML {
        guard row.isKnown else { return "unknown" }
        let interval = range(energy(row.energy.low), energy(row.energy.high))
        return "\(energy(row.energy.microjoules))\(interval)"
    }

    /// The carbon of a row with its interval; `unknown` if no intensity is known.
    static func grams(_ row: CostRow) -> HTML {
        guard row.isCarbonKnown else { return "unknown" }
        let interval = range(ReportText.amount(row.gramsLow), ReportText.amount(row.gramsHigh))
        return "\(ReportText.amount(row.grams)) g\(interval)"
    }

    /// An amount with its interval and unit; `unknown` without one.
    static func amount(_ amount: CostAmount?, _ unit: String) -> HTML {
        guard let amount else { return "unknown" }
        let interval = range(ReportText.amount(amount.low), ReportText.amount(amount.high))
        return "\(ReportText.amount(amount.value)) \(unit)\(interval)"
    }

    private static func range(_ low: String, _ high: String) -> HTML {
        low == high ? .empty : " <span class=\"none\">(\(low) to \(high))</span>"
    }

    /// What a tier means.
    static func words(_ tier: String?) -> String {
        switch tier {
        case "A": "A: an energy counter of the hardware"
        case "B": "B: power sampled over time"
        case "C": "C: a counter that a hypervisor passes through"
        case "M": "M: a model of the power by load"
        case "K": "K: a constant"
        case "U": "U: declared by a person"
        default: "unknown: not metered"
        }
    }
}
