// Compares the cost of each device's network with the cost of the run that trained the supernet, for `ofa cost` and
// `ofa report`.

import Foundation
import Accounting
import Pipelines

/// The table of the devices' costs.
enum BranchTable {
    /// Returns a table with one row per device and run. A row gives the energy spent on the device's network, in joules
    /// and as a share of the energy of the run that trained the supernet.
    static func table(_ branches: [BranchCost]) -> Table {
        var table = Table(
            .text("DEVICE"), .number("RUN", .medium), .number("CUT FROM RUN", .low),
            .number("ATTEMPTS", .low), .number("TIME", .medium), .number("ENERGY J"),
            .number("gCO2e"), .number("SHARE OF THAT RUN"), .text("", .low))
        let shares = Format.shares(branches.map(\.share))
        let grams = ReportText.column(
            branches.map { $0.cost.isKnown ? $0.cost.knownGrams : nil })
        table.rows = branches.enumerated().map { place, branch in
            let cost = branch.cost
            let isKnown = cost.isKnown
            return [
                branch.device, String(branch.run), branch.source.map(String.init) ?? "",
                String(cost.attempts),
                Format.duration(Double(cost.wallNs) / 1e9),
                isKnown ? Format.decimal(Double(cost.energy.microjoules) / 1e6, 3) : "gap",
                cost.isCarbonKnown ? grams[place] : isKnown ? "unknown" : "gap",
                shares[place], branch.isAdded ? "added later" : "",
            ]
        }
        return table
    }
}

/// The JSON answer of `ofa cost`: the table of costs, and the costs of devices.
struct CostDocument: Encodable {
    private let report: CostReport.Document
    private let branches: [BranchCost.Document]
    private let machine: MachineCost
    private let saving: ShiftSaving?

    /// Takes the table `report`, the costs of devices, `branches`, what the machines used, and what waiting saved.
    init(
        _ report: CostReport, _ branches: [BranchCost], _ machine: MachineCost,
        _ saving: ShiftSaving?
    ) {
        self.saving = saving
        self.machine = machine
        self.report = report.document
        self.branches = branches.map(\.document)
    }

    private enum Key: String, CodingKey {
        case branches, machine, other, unallocated, saving
        case attempts = "these_attempts"
        case otherRuns = "other_runs"
        case hosts = "machines"
        case firstHour = "machine_from"
        case untilHour = "machine_until"
        case late = "late_seconds"
    }

    /// Encodes the fields of the table, then `branches` and what the machines used.
    func encode(to encoder: any Encoder) throws {
        try report.encode(to: encoder)
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(branches, forKey: .branches)
        try fields.encode(saving, forKey: .saving)
        try fields.encode(machine.machine, forKey: .machine)
        try fields.encode(machine.attempts, forKey: .attempts)
        try fields.encode(machine.otherRuns, forKey: .otherRuns)
        try fields.encode(machine.other, forKey: .other)
        try fields.encode(machine.unallocated, forKey: .unallocated)
        try fields.encode(machine.hosts, forKey: .hosts)
        try fields.encode(machine.firstHour, forKey: .firstHour)
        try fields.encode(machine.lastHour.map { $0.addingTimeInterval(3600) }, forKey: .untilHour)
        try fields.encode(Double(machine.lateNs) / 1e9, forKey: .late)
    }
}
