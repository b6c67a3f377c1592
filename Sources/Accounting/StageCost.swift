// The costs of the stages of runs, and the networks for devices that descend from stages: what amortisation, break-even,
// comparison and forecast are computed from.

import Foundation
import Metering
import Postgres
import Schema

/// A stage of a run.
public struct StageOfRun: Sendable, Hashable {
    /// The run.
    public let run: Int64
    /// The name of the stage.
    public let stage: String

    /// `stage` is the name of a stage of the run `run`.
    public init(run: Int64, stage: String) {
        (self.run, self.stage) = (run, stage)
    }
}

/// The cost of the jobs of one kind and one device in a stage.
public struct StageCost: Sendable, Equatable {
    /// The stage.
    public let place: StageOfRun
    /// The kind of the jobs.
    public let kind: String
    /// The device target that the jobs serve; nil if they serve several.
    public let device: String?
    /// The ranges of PUE and carbon intensity together, as multiples of the value: one for each zone, method and tier.
    public internal(set) var rates: [Interval] = []
    /// The cost of the attempts that neither failed nor were cancelled. Attempts whose records were dropped are
    /// included, however they ended.
    public internal(set) var cost = CostSum()
    /// The cost of the attempts that failed or were cancelled.
    public internal(set) var failed = CostSum()

    /// The cost of all attempts.
    public var total: CostSum { cost + failed }
}

/// A network that was made for a device.
public struct DeviceNetwork: Sendable, Equatable {
    /// The number of the network's artifact.
    public let artifact: Int64
    /// The name of the artifact.
    public let name: String
    /// The device target.
    public let device: String
    /// The run that made the network.
    public let run: Int64
    /// The stages that the network descends from, including the one that made it.
    public let stages: Set<StageOfRun>
}

extension CostLedger {
    /// Returns `moment`, or the time of the database's clock.
    public func moment(_ moment: Date? = nil) throws -> Date {
        try connection.queryOne(.costMoment(at: moment)).date("at")
    }

    /// Returns the costs of the stages of `runs`, or of all runs. With `moment`, only rows of the ledger (an hour each, or
    /// a day) that begin by then count. Stages whose jobs have not begun are included. Errors: `unknownZone`.
    public func stageCosts(runs: [Int64]?, until moment: Date? = nil, factors: FactorSet) throws
        -> [StageCost]
    {
        var order: [Int64] = []
        var found: [Int64: StageCost] = [:]
        let records = try connection.query(
            .stageCosts(
                all: runs == nil, runs: runs ?? [], version: factors.version,
                type: factors.basis.type, signal: factors.basis.signal, until: moment))
        for record in records {
            let account = try record.int64("account_id")
            if found[account] == nil { order.append(account) }
            var stage =
                try found[account]
                ?? StageCost(
                    place: StageOfRun(
                        run: try record.int64("run_id"), stage: try record.text("stage")),
                    kind: try record.text("kind"), device: try record.optionalText("device"))
            let zone = try record.optionalText("zone")
            var amount = try Self.amount(record)
            amount.methods = [try record.optionalText("method")].compactMap(\.self)
            amount.tier = try record.optionalText("tier").flatMap(MeteringTier.init(rawValue:))
            amount.emissionUg = try record.int64("emission_ug")
            amount.carbonMissingUj = try record.int64("carbon_missing_uj")
            if let zone {
                // Throws for a zone that the factors do not know at all.
                _ = try factors.intensity(zone)
                let emission = try record.optionalDouble("emission") ?? 0
                let (pue, intensity) = (
                    try record.relative(emission, "pue"),
                    try record.relative(emission, "intensity")
                )
                let grams = ProductInterval.logQuadrature([
                    Interval(exactly: emission / 1e9), amount.energy.relative, pue, intensity,
                ])
                (amount.gramsLow, amount.gramsHigh) = (grams.low, grams.high)
                if emission > 0 {
                    stage.rates.append(ProductInterval.logQuadrature([pue, intensity]))
                }
            }
            stage.cost = stage.cost + amount
            found[account] = stage
        }
        for record in try connection.query(
            .stageFailures(
                all: runs == nil, runs: runs ?? [], until: moment))
        {
            let account = try record.int64("account_id")
            guard var stage = found[account] else { continue }
            var part = try Self.amount(record)
            (part.methods, part.tier) = (stage.cost.methods, stage.cost.tier)
            // Its carbon is that of the stage, in proportion to energy.
            let share =
                stage.cost.energy.microjoules > 0
                ? min(
                    1,
                    Double(part.energy.microjoules) / Double(stage.cost.energy.microjoules)) : 0
            part.emissionUg = Int64((Double(stage.cost.emissionUg) * share).rounded())
            part.carbonMissingUj = Int64(
                (Double(stage.cost.carbonMissingUj) * share).rounded())
            part.gramsLow = stage.cost.gramsLow * share
            part.gramsHigh = stage.cost.gramsHigh * share
            stage.failed = stage.cost.remove(part)
            found[account] = stage
        }
        return order.compactMap { found[$0] }
    }

    /// Returns the networks that were made for devices until `moment` and descend from one of `runs`, or from any run,
    /// oldest first. If a network was trained further, only the later network is returned. Given `runs`, stages whose
    /// artifacts are all older than those of `runs` are left out of the networks' stages.
    public func deviceNetworks(from runs: [Int64]?, until moment: Date) throws -> [DeviceNetwork] {
        let records = try connection.query(
            .deviceNetworks(all: runs == nil, runs: runs ?? [], at: moment))
        return try records.map { record in
            let places = zip(try record.intArray("runs"), try record.textArray("stages"))
            return DeviceNetwork(
                artifact: try record.int64("artifact"), name: try record.text("name"),
                device: try record.text("device"), run: try record.int64("run_id"),
                stages: Set(places.map { StageOfRun(run: $0, stage: $1) }))
        }
    }

    private static func amount(_ record: Row) throws -> CostSum {
        var amount = CostSum()
        amount.attempts = try record.int("attempts")
        amount.gaps = try record.int("gaps")
        amount.gapNs = try record.int64("gap_ns")
        amount.wallNs = try record.int64("wall_ns")
        amount.cpuNs = try record.int64("cpu_ns")
        amount.energy = Energy(
            microjoules: try record.int64("energy_uj"), low: try record.int64("energy_low_uj"),
            high: try record.int64("energy_high_uj"))
        return amount
    }
}
