// The costs of branches. A branch of a run is the specialisation of its supernet for one device
// target. Later runs can add branches of the same supernet.

import Metering
import Postgres
import Schema

/// The cost of one device target in one run.
public struct BranchCost: Sendable, Equatable {
    /// The run that specialised for the device.
    public let run: Int64
    /// The run that trained the supernet of the specialised networks (it may be `run` itself); nil
    /// if there is no such run.
    public let source: Int64?
    /// The cost of the branch; its label is the name of the device target.
    public let cost: CostRow
    /// The energy of the whole run that trained the supernet, in microjoules.
    public let sourceMicrojoules: Int64

    /// The name of the device target.
    public var device: String { cost.label }
    /// Whether the branch uses the supernet of another run.
    public var isAdded: Bool { source.map { $0 != run } ?? false }
    /// The energy of the branch as a share of the energy of the run that trained its supernet; nil
    /// if either energy is unknown.
    public var share: Double? { cost.share(of: sourceMicrojoules) }
}

extension CostRow {
    /// Returns the energy of the row as a share of `microjoules`; nil if either energy is unknown.
    public func share(of microjoules: Int64) -> Double? {
        isKnown && microjoules > 0
            ? Double(energy.microjoules) / Double(microjoules) : nil
    }
}

extension CostLedger {
    /// How many of the newest runs with device targets are read if no run is given.
    static let newestRuns = 100

    /// Returns the branches of a run and of other runs that read its supernets; without `run`, the
    /// branches of the newest runs that have branches. Branches are ordered by run, then by
    /// the start of their first attempt. Errors: `unknownZone`.
    public func branches(run: Int64? = nil, factors: FactorSet) throws -> [BranchCost] {
        struct Branch: Hashable {
            let run: Int64, source: Int64?, device: String
        }
        let records = try connection.query(
            .costBranches(
                run: run, newest: Self.newestRuns, version: factors.version,
                type: factors.basis.type, signal: factors.basis.signal))
        var order: [Branch] = []
        var parts: [Branch: [CostRow]] = [:]
        for record in records {
            let branch = Branch(
                run: try record.int64("run_id"), source: try record.optionalInt64("source"),
                device: try record.text("label"))
            if let zone = try record.optionalText("zone") { _ = try factors.intensity(zone) }
            let row = try Self.row(record)
            if parts[branch] == nil { order.append(branch) }
            parts[branch, default: []].append(row)
        }
        let sources = Set(order.compactMap(\.source)).sorted()
        let totals = Dictionary(
            try connection.query(.costEnergyOfRuns(runs: sources)).map {
                (try $0.int64("run_id"), try $0.int64("energy_uj"))
            }
        ) { first, _ in first }
        return order.map { branch in
            BranchCost(
                run: branch.run, source: branch.source,
                cost: CostRow.sum(parts[branch] ?? [], label: branch.device),
                sourceMicrojoules: branch.source.flatMap { totals[$0] } ?? 0)
        }
    }
}

extension BranchCost {
    /// The JSON form of a branch.
    public struct Document: Sendable, Encodable {
        let device: String
        let run: Int64
        let source_run: Int64?
        let attempts, gaps: Int
        let seconds, energy_j, energy_j_low, energy_j_high: Double
        let gco2e: Double?
        let share_of_source_run: Double?
        let energy_uj: Int64

        init(_ branch: BranchCost) {
            device = branch.device
            run = branch.run
            source_run = branch.source
            attempts = branch.cost.attempts
            gaps = branch.cost.gaps
            seconds = Double(branch.cost.wallNs) / 1e9
            energy_j = Double(branch.cost.energy.microjoules) / 1e6
            energy_j_low = Double(branch.cost.energy.low) / 1e6
            energy_j_high = Double(branch.cost.energy.high) / 1e6
            gco2e = branch.cost.knownGrams
            share_of_source_run = branch.share
            energy_uj = branch.cost.energy.microjoules
        }
    }

    /// The branch as a JSON document.
    public var document: Document { Document(self) }
}
