// What a run cost once, what each device's network cost in addition, and what networks cost that were trained alone.

import Foundation
import Metering
import Postgres
import Schema

/// The measured costs of a supernet's run and of networks that were trained alone.
public struct MeasuredSavings: Sendable, Equatable {
    /// The stages that trained networks alone.
    public struct Alone: Sendable, Equatable {
        /// The run of the stages; it may be the supernet's.
        public let run: Int64
        /// The beginnings of the names of the stages; empty for all stages of the run.
        public let prefixes: [String]
        /// The number of networks; nil for the number of stages of kind `train` among the stages.
        public let networks: Int?

        /// `prefixes` are the beginnings of the names of the stages in `run`, empty for all; `networks` is the number
        /// of networks, nil for one in each stage of kind `train`.
        public init(run: Int64, prefixes: [String] = [], networks: Int? = nil) {
            (self.run, self.prefixes, self.networks) = (run, prefixes, networks)
        }

        func contains(_ stage: StageOfRun) -> Bool {
            stage.run == run
                && (prefixes.isEmpty || prefixes.contains { stage.stage.hasPrefix($0) })
        }
    }

    /// A quantity in which costs are compared.
    public enum Measure: String, Sendable, CaseIterable {
        /// Energy of the IT equipment in kWh.
        case energy = "kWh"
        /// Time of attempts in hours.
        case time = "h"
        /// Carbon in kg CO2e.
        case carbon = "kg CO2e"
    }

    /// The run that trained the supernet.
    public let run: Int64
    /// The runs that made networks for devices from it, in the order of their numbers.
    public let specialisations: [Int64]
    /// The number of networks for devices.
    public let targets: Int
    /// The cost of the run's stages that serve no single device, failed attempts included.
    public let fixed: CostSum
    /// The cost of all networks for devices, failed attempts included.
    public let specialised: CostSum
    /// The cost of the networks that were trained alone; nil if none are given.
    public let alone: CostSum?
    /// The number of networks that were trained alone; nil if none are given.
    public let aloneNetworks: Int?

    /// Sums the costs `stages` of the run `run` and of the runs that made `networks`, the networks for devices that
    /// descend from it, and of `alone`.
    ///
    /// Errors: `noTargets` if `networks` is empty; `noNetworks` if there is no network in the stages of `alone`.
    public init(
        _ stages: [StageCost], run: Int64, networks: [DeviceNetwork], alone: Alone? = nil
    ) throws(AccountingError) {
        guard !networks.isEmpty else {
            throw AccountingError(
                .noTargets, "no network for a device descends from run \(run)",
                remedy: "make one with ofa specialize, or give the figures as numbers")
        }
        (self.run, targets) = (run, networks.count)
        specialisations = Set(networks.map(\.run)).sorted()
        let making = Set(specialisations)
        var fixed = CostSum(), specialised = CostSum(), trained = CostSum()
        var trainings = Set<StageOfRun>()
        for stage in stages {
            if let alone, alone.contains(stage.place) {
                trained = trained + stage.total
                if stage.kind == "train" { trainings.insert(stage.place) }
            } else if stage.place.run == run, stage.device == nil {
                fixed = fixed + stage.total
            } else if stage.place.run == run || making.contains(stage.place.run) {
                specialised = specialised + stage.total
            }
        }
        (self.fixed, self.specialised) = (fixed, specialised)
        guard let alone else {
            (self.alone, aloneNetworks) = (nil, nil)
            return
        }
        let count = alone.networks ?? trainings.count
        guard count > 0, trained.attempts > 0 else {
            let names =
                alone.prefixes.isEmpty
                ? "" : " in stages \(alone.prefixes.joined(separator: ", "))…"
            throw AccountingError(
                .noNetworks, "run \(alone.run) has no network that was trained alone\(names)",
                remedy:
                    "name its training stages with --alone-stages; ofa cost \(alone.run) lists the stages"
            )
        }
        (self.alone, aloneNetworks) = (trained, count)
    }

    /// Returns an amount in a measure, divided by `count`; nil if it is unknown.
    public static func value(_ amount: CostSum, _ measure: Measure, over count: Int = 1)
        -> Interval?
    {
        guard measure == .time || amount.isKnown else { return nil }
        let whole =
            switch measure {
            case .energy: amount.energy.kilowattHours
            case .time: Interval(exactly: amount.hours)
            case .carbon: amount.grams.scaled(by: 1e-3)
            }
        return whole.scaled(by: 1 / Double(count))
    }

    /// Returns the break-even in `measure` against networks trained alone, each at `given`, or at their measured mean
    /// if `given` is nil. Nil if a cost is unknown.
    public func breakEven(_ measure: Measure, against given: Interval? = nil) -> BreakEven? {
        let measured = alone.flatMap { Self.value($0, measure, over: aloneNetworks ?? 1) }
        guard let fixed = Self.value(fixed, measure), let alone = given ?? measured,
            let each = Self.value(specialised, measure, over: targets)
        else { return nil }
        return BreakEven(
            fixed: fixed, perTarget: each, alone: alone,
            isOneMeter: given == nil && self.alone?.methods == self.fixed.methods
                && self.specialised.methods == self.fixed.methods)
    }

    /// The worst measurement tier of the costs.
    public var tier: MeteringTier? {
        MeteringTier.ofSum([fixed.tier, specialised.tier, alone?.tier].compactMap(\.self))
    }
}

extension CostLedger {
    /// Returns the measured costs of `run`, of the networks for devices that descend from it, and of `alone`. Errors:
    /// `unknownZone`, `noTargets`, `noNetworks`.
    public func savings(run: Int64, alone: MeasuredSavings.Alone? = nil, factors: FactorSet) throws
        -> MeasuredSavings
    {
        let networks = try deviceNetworks(from: [run], until: moment())
        let runs = Set([run] + networks.map(\.run) + [alone?.run].compactMap(\.self)).sorted()
        return try MeasuredSavings(
            try stageCosts(runs: runs, factors: factors), run: run,
            networks: networks, alone: alone)
    }
}
