// Prints what the machines used, below the table of costs, so that the sum is visible.

import Accounting
import ArgumentParser
import Foundation

extension CostOptions {
    /// Returns what the machines used while the selected runs used them.
    func machine() throws -> MachineCost {
        try CostLedger(try database.connectToExisting(takesLong: true)).machine(
            run: runID, since: since)
    }
}

/// Prints the energy of machines and its parts.
enum MachineTable {
    /// Prints the table and a note about late reports; nothing if no machine was metered in pieces.
    static func show(_ cost: MachineCost, ofRun: Bool) throws {
        guard let first = cost.firstHour, let last = cost.lastHour else { return }
        try Output.line()
        try Output.line(
            "machine \(cost.hosts.joined(separator: ", ")), in the hours of these attempts from "
                + "\(first.formatted(.iso8601)) to \(last.addingTimeInterval(3600).formatted(.iso8601)):"
        )
        var table = Table(
            .text("PART"), .number("ENERGY J"), .number("SHARE", .medium),
            .number("RANGE J", .low), .text("TIER", .medium))
        var parts = [("these attempts", cost.attempts)]
        if ofRun { parts.append(("attempts of other runs", cost.otherRuns)) }
        parts += [
            ("other programs", cost.other), ("not reserved", cost.unallocated),
            ("machine", cost.machine),
        ]
        let whole = Double(cost.machine.energy?.microjoules ?? 0)
        let shares = Format.shares(
            parts.map { part in
                part.1.energy.flatMap { whole > 0 ? Double($0.microjoules) / whole : nil }
            })
        for (place, (name, part)) in parts.enumerated() {
            guard let energy = part.energy else {
                table.rows.append([name, "unknown", "", "", "-"])
                continue
            }
            let ends = [energy.low, energy.high].map { Format.decimal(Double($0) / 1e6, 1) }
            table.rows.append([
                name, Format.decimal(Double(energy.microjoules) / 1e6, 3), shares[place],
                ends.joined(separator: "…"), part.tier?.rawValue ?? "-",
            ])
        }
        try Output.table(table)
        if cost.lateNs > 0 {
            try Output.line(
                "\(Format.duration(Double(cost.lateNs) / 1e9)) of attempts were reported after the energy of that time was divided: theirs is in the other parts"
            )
        }
    }
}
