// What the remaining stages of a running run will cost, with intervals, from the progress of the stages and from stages
// of earlier runs.

import Foundation
import Jobs
import Metering

/// A forecast of the cost of a run's remaining work.
public struct CostForecast: Sendable, Equatable {
    /// What a forecast of a stage rests on.
    public enum Basis: String, Sendable {
        /// The stage has ended: nothing is left.
        case ended
        /// The stage's own progress.
        case progress
        /// The same stage of completed runs of the same definition.
        case likeRuns = "like runs"
        /// The same stage of completed runs of the same name, whose definitions differ.
        case namesakes = "runs of the same name"
        /// Stages of the same kind of any run.
        case kind = "stages of the same kind"
        /// Nothing is known about such a stage.
        case unknown
    }

    /// The forecast of one stage.
    public struct Stage: Sendable, Equatable {
        /// The name of the stage.
        public let name: String
        /// The state of the stage.
        public let state: StageStatus.State
        /// The progress of the stage, in 0...1.
        public let progress: Double
        /// The cost so far.
        public let spent: CostSum
        /// The time of attempts that is still to come, in seconds; nil if unknown.
        public let seconds: Interval?
        /// The energy that is still to come, in joules of IT energy; nil if unknown. The range includes that of the
        /// meter.
        public let joules: Interval?
        /// What the forecast rests on.
        public let basis: [Basis]
        /// The number of stages of earlier runs that it rests on.
        public let observations: Int
        /// The worst tier of the measured energy that it rests on; nil without such energy.
        public let tier: MeteringTier?
        /// The names of the counters and models.
        public let methods: [String]
    }

    /// The stages in the order of the pipeline.
    public let stages: [Stage]
    /// The cost so far.
    public let spent: CostSum
    /// The seconds until the run ends; nil if no stage can be forecast.
    public let secondsUntilEnd: Interval?
    /// The energy that is still to come, in joules, of the stages that can be forecast; nil if there are none.
    public let joules: Interval?
    /// The carbon that is still to come, in grams; nil if energy or intensity is unknown.
    public let grams: Interval?
    /// The time of attempts that is still to come, in seconds, of the stages that can be forecast; nil if there are
    /// none.
    public let seconds: Interval?

    /// The names of the stages that cannot be forecast: sums are lower bounds if there are any.
    public var unknownStages: [String] { stages.filter { $0.seconds == nil }.map(\.name) }
    /// The names of the stages whose energy cannot be forecast.
    public var unknownEnergies: [String] { stages.filter { $0.joules == nil }.map(\.name) }
}

extension CostForecast {
    /// What is known about stages of earlier runs.
    public struct History: Sendable {
        /// The costs of a stage in completed runs.
        public struct Stage: Sendable, Equatable {
            /// Whether the runs have the same definition as the run of the forecast.
            public let isSame: Bool
            /// The cost of the stage in each run.
            public let costs: [CostSum]

            /// `isSame` says whether the runs have the same definition; `costs` has a cost for each of them.
            public init(isSame: Bool, costs: [CostSum]) {
                (self.isSame, self.costs) = (isSame, costs)
            }
        }

        /// The durations (seconds) and energies (joules) of stages of a kind.
        public struct Kind: Sendable, Equatable {
            /// The number of stages.
            public let stages: Int
            /// The duration of a stage; nil if unknown.
            public let seconds: LogEstimate?
            /// The energy of a stage; nil if unknown.
            public let joules: LogEstimate?
            /// The range of the meter's error as a factor of 1.
            public let meter: Interval

            /// `stages` is the number of stages that the estimates rest on.
            public init(
                stages: Int, seconds: LogEstimate?, joules: LogEstimate?,
                meter: Interval = Interval(exactly: 1)
            ) {
                (self.stages, self.seconds, self.joules) = (stages, seconds, joules)
                self.meter = meter
            }
        }

        /// The costs of stages of like runs, by the name of the stage.
        public var stages: [String: Stage]
        /// The kind of each stage of the run, by the name of the stage.
        public var kinds: [String: String]
        /// What stages of a kind cost, by kind.
        public var byKind: [String: Kind]

        /// By default nothing is known.
        public init(
            stages: [String: Stage] = [:], kinds: [String: String] = [:],
            byKind: [String: Kind] = [:]
        ) {
            (self.stages, self.kinds, self.byKind) = (stages, kinds, byKind)
        }
    }

    /// The assumed deviations of logarithms before anything was observed: a stage repeated by the same definition, by
    /// another definition of the same name, and any stage of a kind.
    static let prior = (same: 0.25, namesake: 0.5, kind: 1.0)
    /// The assumed deviation of the whole after a half of a stage. If ten equal parts of a stage differ independently
    /// by a factor of e^±0.32, a whole extrapolated from a part p deviates by 0.1 · √((1 − p) / p).
    static let unevenness = 0.1
    /// The progress up to which nothing is extrapolated, as in `ofa status`.
    static let leastProgress = 0.02

    /// Forecasts the remaining cost of the run with this status. `spent` has the costs of its stages so far by name,
    /// those of failed and cancelled attempts apart; `workers` is the number of jobs that run at once. `gramsPerKWh` is
    /// the carbon of a kWh of IT energy, PUE included; nil if unknown.
    public init(
        _ status: RunStatus, spent: [String: (cost: CostSum, failed: CostSum)],
        history: History, workers: Int, gramsPerKWh: Interval?
    ) {
        stages = status.stages.map { stage in
            let own = spent[stage.name]
            return Self.forecast(
                stage, own?.cost ?? CostSum(), own?.failed ?? CostSum(), history)
        }
        self.spent = CostSum.sum(stages.lazy.map(\.spent))
        func sum(_ parts: [Interval?]) -> Interval? {
            let known = parts.compactMap(\.self)
            return known.isEmpty ? nil : known.reduce(Interval(exactly: 0), +)
        }
        seconds = sum(stages.map(\.seconds))
        joules = sum(stages.map(\.joules))
        grams = joules.flatMap { joules in
            gramsPerKWh.map { Self.product(joules.scaled(by: 1 / 3.6e6), $0) }
        }
        secondsUntilEnd =
            seconds == nil ? nil : Self.untilEnd(stages, status, workers: max(1, workers))
    }

    private static func forecast(
        _ stage: StageStatus, _ cost: CostSum, _ failed: CostSum, _ history: History
    ) -> Stage {
        let like = history.stages[stage.name]
        let measured = CostSum.sum([cost] + (like?.costs ?? []))
        func made(
            _ seconds: Interval?, _ joules: Interval?, _ basis: [Basis], _ observations: Int = 0
        ) -> Stage {
            Stage(
                name: stage.name, state: stage.state, progress: stage.progress,
                spent: cost + failed, seconds: seconds, joules: joules, basis: basis,
                observations: observations, tier: measured.tier, methods: measured.methods)
        }
        if [.completed, .failed, .cancelled].contains(stage.state) {
            return made(Interval(exactly: 0), Interval(exactly: 0), [.ended])
        }
        // What the meter has not reported yet had the power of what it has.
        let metered = Double(cost.wallNs) / 1e9
        let seconds = max(metered, stage.attemptSeconds - Double(failed.wallNs) / 1e9)
        let joules =
            metered > 0 ? Double(cost.energy.microjoules) / 1e6 * seconds / metered : 0
        let progress = stage.progress > leastProgress ? min(stage.progress, 1) : nil
        let prior = like?.isSame == true ? Self.prior.same : Self.prior.namesake
        var basis: [Basis] = []
        if progress != nil, seconds > 0 { basis.append(.progress) }
        if let like, !like.costs.isEmpty { basis.append(like.isSame ? .likeRuns : .namesakes) }
        func whole(_ spent: Double, _ values: [Double]) -> LogEstimate? {
            LogEstimate.combined(
                [
                    progress.flatMap { extrapolated(spent, $0) },
                    LogEstimate(values: values, prior: prior),
                ].compactMap(\.self))
        }
        var times = whole(seconds, (like?.costs ?? []).map { Double($0.wallNs) / 1e9 })
        var energies = whole(
            joules, (like?.costs ?? []).map { Double($0.energy.microjoules) / 1e6 })
        var observations = like?.costs.count ?? 0
        var meter = meterRange(measured)
        if basis.isEmpty, let kind = history.kinds[stage.name].flatMap({ history.byKind[$0] }) {
            (times, energies, meter) = (kind.seconds, kind.joules, kind.meter)
            (basis, observations) = ([.kind], kind.stages)
        }
        guard times != nil else { return made(nil, nil, [.unknown]) }
        return made(
            times?.left(after: seconds),
            energies.map { product($0.left(after: joules), meter) }, basis, observations)
    }

    /// Returns the whole of which `spent` is the part `progress`; nil if nothing was spent.
    private static func extrapolated(_ spent: Double, _ progress: Double) -> LogEstimate? {
        guard spent > 0 else { return nil }
        return LogEstimate(
            logMean: log(spent / progress),
            deviation: unevenness * ((1 - progress) / progress).squareRoot())
    }

    /// Returns the range of the meter's error as a factor of 1.
    private static func meterRange(_ amount: CostSum) -> Interval {
        let energy = amount.energy
        guard energy.microjoules > 0 else { return Interval(exactly: 1) }
        let whole = Double(energy.microjoules)
        return Interval(
            value: 1, low: Double(energy.low) / whole, high: Double(energy.high) / whole)
    }

    /// Returns the product with its range by log-quadrature. A product of 0 keeps an upper bound.
    private static func product(_ one: Interval, _ other: Interval) -> Interval {
        guard one.value > 0 else {
            return Interval(value: 0, low: 0, high: one.high * other.high)
        }
        return ProductInterval.logQuadrature([one, other])
    }

    /// Returns the seconds until the last stage ends. A stage's attempts share the workers, at most one job each.
    private static func untilEnd(_ stages: [Stage], _ status: RunStatus, workers: Int) -> Interval {
        func end(_ bound: (Interval) -> Double) -> Double {
            var work: [String: Double] = [:], chain: [String: Double] = [:]
            for (stage, now) in zip(stages, status.stages) {
                let seconds = stage.seconds.map(bound) ?? 0
                let open = now.jobs - (now.counts[JobState.completed.rawValue] ?? 0)
                work[stage.name] = seconds
                chain[stage.name] = seconds / Double(max(1, min(open, workers)))
            }
            return StageSchedule.secondsUntilEnd(
                chain: chain, work: work, of: status.stages, workers: workers)
        }
        let value = end(\.value)
        return Interval(value: value, low: min(value, end(\.low)), high: max(value, end(\.high)))
    }
}

/// When the last of dependent stages ends.
public enum StageSchedule {
    /// Returns the seconds until the last stage ends: the longest chain of dependent stages, or all work divided by the
    /// number of workers, if that takes longer. `chain` has the duration of each stage by name, `work` the seconds of
    /// work in it; `stages` are in topological order, and `workers` is at least 1.
    public static func secondsUntilEnd(
        chain: [String: Double], work: [String: Double], of stages: [StageStatus], workers: Int
    ) -> Double {
        var ends: [String: Double] = [:]
        for stage in stages {
            ends[stage.name] =
                (chain[stage.name] ?? 0) + (stage.needs.compactMap { ends[$0] }.max() ?? 0)
        }
        return max(ends.values.max() ?? 0, work.values.reduce(0, +) / Double(workers))
    }
}
