// Reads what a forecast needs from the queue and the ledger, and writes a forecast as JSON.

import Foundation
import Jobs
import Metering
import Postgres
import Schema

extension CostLedger {
    /// How many completed runs a forecast compares with at most.
    static let mostLikeRuns = 10

    /// Forecasts the remaining cost of a run. Stages are compared with those of completed runs of the same definition,
    /// or of the same name if there are none; a stage without such a stage with others of its kind. `workers` is the
    /// number of jobs that run at once. Errors: `unknownZone`.
    public func forecast(_ status: RunStatus, workers: Int, factors: FactorSet) throws
        -> CostForecast
    {
        let run = status.run.id
        let like = try connection.query(
            .likeRuns(
                definitionHash: status.run.definitionHash, run: run, name: status.run.name,
                most: Self.mostLikeRuns)
        ).map {
            (run: try $0.int64("id"), isSame: try $0.bool("same"))
        }
        let costs = try stageCosts(
            runs: [run] + like.map(\.run), factors: factors)
        var spent: [String: (cost: CostSum, failed: CostSum)] = [:]
        var history = CostForecast.History()
        for stage in costs where stage.place.run == run {
            let name = stage.place.stage
            let before = spent[name] ?? (CostSum(), CostSum())
            spent[name] = (before.cost + stage.cost, before.failed + stage.failed)
            history.kinds[name] = stage.kind
        }
        for isSame in [true, false] {
            let runs = Set(like.filter { $0.isSame == isSame }.map(\.run))
            let parts = costs.filter { runs.contains($0.place.run) && $0.cost.attempts > 0 }
            let stages = Dictionary(grouping: parts) { $0.place }.mapValues {
                CostSum.sum($0.lazy.map(\.cost))
            }
            for (name, costs) in Dictionary(grouping: stages, by: { $0.key.stage })
            where history.stages[name] == nil {
                let ordered = costs.sorted { $0.key.run < $1.key.run }
                history.stages[name] = .init(isSame: isSame, costs: ordered.map(\.value))
            }
        }
        for record in try connection.query(.kindCosts(run: run)) {
            let kind = try Self.kind(record)
            history.byKind[try record.text("kind")] = kind
        }
        return CostForecast(
            status, spent: spent, history: history, workers: workers,
            gramsPerKWh: Self.intensity(costs, of: run))
    }

    private static func kind(_ record: Row) throws -> CostForecast.History.Kind {
        let stages = try record.int("stages")
        let energy = LogEstimate(
            count: try record.int("metered"), logMean: try record.optionalDouble("log_energy"),
            sampleDeviation: try record.optionalDouble("energy_deviation"),
            prior: CostForecast.prior.kind)
        return .init(
            stages: stages,
            seconds: LogEstimate(
                count: stages, logMean: try record.optionalDouble("log_seconds"),
                sampleDeviation: try record.optionalDouble("seconds_deviation"),
                prior: CostForecast.prior.kind),
            // From microjoules to joules.
            joules: energy.map {
                LogEstimate(logMean: $0.logMean - log(1e6), deviation: $0.deviation)
            },
            meter: Interval(
                value: 1, low: min(1, try record.optionalDouble("meter_low") ?? 1),
                high: max(1, try record.optionalDouble("meter_high") ?? 1)))
    }

    /// Returns the grams of CO2e of a kWh of IT energy, as they were so far in the run, else in the other runs of
    /// `costs`, with the ranges of PUE and intensity as these figures have them; nil if no energy was metered.
    private static func intensity(_ costs: [StageCost], of run: Int64) -> Interval? {
        let own = costs.filter { $0.place.run == run && $0.total.energy.microjoules > 0 }
        let metered =
            own.isEmpty ? costs.filter { $0.total.energy.microjoules > 0 } : own
        let sum = CostSum.sum(metered.lazy.map(\.total))
        guard sum.energy.microjoules > 0 else { return nil }
        let value = sum.grams.value / sum.energy.kilowattHours.value
        let rates = metered.flatMap(\.rates)
        let low = rates.map(\.low).min() ?? 1
        let high = rates.map(\.high).max() ?? 1
        return Interval(value: value, low: value * low, high: value * high)
    }
}

extension CostForecast.Basis: Encodable {}

extension CostForecast {
    /// The JSON form of a forecast.
    public struct Document: Sendable, Encodable {
        let run: Int64
        let as_of: Date
        let factors: Int
        let seconds_until_end, seconds_until_end_low, seconds_until_end_high: Double?
        let remaining: Remaining
        let spent: CostSum.Document
        let unknown_stages, unknown_energies: [String]
        /// The forecasts of the stages.
        public let stages: [StageDocument]
    }

    /// The JSON form of what is still to come. Upper bounds are null if a stage is unknown.
    public struct Remaining: Sendable, Encodable {
        let seconds, seconds_low, seconds_high: Double?
        let energy_j, energy_j_low, energy_j_high: Double?
        let kwh: Double?
        let gco2e, gco2e_low, gco2e_high: Double?
    }

    /// The JSON form of the forecast of a stage.
    public struct StageDocument: Sendable, Encodable {
        let stage, state: String
        let progress: Double
        let seconds, seconds_low, seconds_high: Double?
        let energy_j, energy_j_low, energy_j_high: Double?
        let basis: [Basis]
        let observations: Int
        let spent: CostSum.Document
    }

    /// Returns the forecast of the run with `status` as a JSON document; `factors` is the version of the factor set.
    public func document(_ status: RunStatus, factors: Int) -> Document {
        let isWhole = unknownStages.isEmpty, isMetered = unknownEnergies.isEmpty
        return Document(
            run: status.run.id, as_of: status.asOf, factors: factors,
            seconds_until_end: secondsUntilEnd?.value,
            seconds_until_end_low: secondsUntilEnd?.low,
            seconds_until_end_high: isWhole ? secondsUntilEnd?.high : nil,
            remaining: Remaining(
                seconds: seconds?.value, seconds_low: seconds?.low,
                seconds_high: isWhole ? seconds?.high : nil, energy_j: joules?.value,
                energy_j_low: joules?.low, energy_j_high: isMetered ? joules?.high : nil,
                kwh: joules.map { $0.value / 3.6e6 }, gco2e: grams?.value, gco2e_low: grams?.low,
                gco2e_high: isMetered ? grams?.high : nil),
            spent: spent.document, unknown_stages: unknownStages,
            unknown_energies: unknownEnergies,
            stages: stages.map { stage in
                StageDocument(
                    stage: stage.name, state: stage.state.rawValue, progress: stage.progress,
                    seconds: stage.seconds?.value, seconds_low: stage.seconds?.low,
                    seconds_high: stage.seconds?.high, energy_j: stage.joules?.value,
                    energy_j_low: stage.joules?.low, energy_j_high: stage.joules?.high,
                    basis: stage.basis, observations: stage.observations,
                    spent: stage.spent.document)
            })
    }
}
