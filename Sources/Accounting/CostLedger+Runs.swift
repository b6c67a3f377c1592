// The costs of some runs, and of the attempts at one job, for pages that list them.

import Postgres
import Schema

extension CostLedger {
    /// Returns the costs of each of `runs`; runs without an attempt are left out. Amounts are rounded as those of one
    /// run. Errors: `unknownZone`.
    public func costs(of runs: [Int64], factors: FactorSet) throws -> [Int64: CostRow] {
        if runs.isEmpty { return [:] }
        let records = try connection.query(
            .costOfRuns(
                runs: runs, version: factors.version, type: factors.basis.type,
                signal: factors.basis.signal))
        var parts: [Int64: [CostRow]] = [:]
        for record in records {
            if let zone = try record.optionalText("zone") { _ = try factors.intensity(zone) }
            let row = try Self.row(record)
            guard let run = Int64(row.label) else { continue }
            parts[run, default: []].append(row)
        }
        return Dictionary(
            uniqueKeysWithValues: parts.map { ($0, CostRow.sum($1, label: "\($0)")) })
    }

    /// Returns the IT energy of attempts at a job that was metered so far, by their tokens; attempts without any are left
    /// out.
    public func energies(job: Int64, tokens: [Int64]) throws -> [Int64: Energy] {
        if tokens.isEmpty { return [:] }
        return Dictionary(
            try connection.query(.attemptEnergies(tokens: tokens, job: job)).map { row in
                (
                    try row.int64("token"),
                    Energy(
                        microjoules: try row.int64("energy_uj"),
                        low: try row.int64("energy_low_uj"), high: try row.int64("energy_high_uj"))
                )
            },
            uniquingKeysWith: { first, _ in first })
    }
}
