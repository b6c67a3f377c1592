// Forecasts of the remaining cost of a run: by progress, by like runs, by kind, and by nothing.

import Foundation
import Metering
import Testing

@testable import Accounting
@testable import Jobs

@Suite struct CostForecastTests {
    private let start = Date(timeIntervalSince1970: 1_800_000_000)

    private func stage(
        _ name: String, _ state: StageStatus.State, needs: [String] = [], progress: Double = 0,
        seconds: Double = 0, jobs: Int = 1
    ) -> StageStatus {
        StageStatus(
            name: name, state: state, needs: needs, counts: [:], jobs: jobs, progress: progress,
            message: nil, attempts: 1, failures: 0, lost: 0, startedAt: start, endedAt: nil,
            attemptSeconds: seconds, problem: nil)
    }

    private func status(_ stages: [StageStatus]) -> RunStatus {
        RunStatus(
            run: RunSummary(
                id: 1, name: "p", state: .running, isCancelRequested: false, definitionHash: "",
                definition: "", createdAt: start, endedAt: nil), stages: stages, asOf: start + 60)
    }

    /// A forecast with 10 W in each stage: `spent` has the seconds of each.
    private func forecast(
        _ stages: [StageStatus], spent: [String: Int64], _ history: CostForecast.History = .init(),
        workers: Int = 1
    ) -> CostForecast {
        CostForecast(
            status(stages),
            spent: spent.mapValues { (amount($0 * 10_000_000, seconds: $0), CostSum()) },
            history: history, workers: workers,
            gramsPerKWh: Interval(value: 500, low: 400, high: 600))
    }

    @Test("a stage is extrapolated from its progress, and its interval narrows to its end")
    func progress() throws {
        var widths: [Double] = [], last: CostForecast?
        for (progress, seconds) in [(0.1, 10), (0.3, 30), (0.5, 50), (0.9, 90), (1, 100)] {
            let one = forecast(
                [stage("full", .running, progress: progress, seconds: Double(seconds))],
                spent: ["full": Int64(seconds)])
            let left = try #require(one.seconds), joules = try #require(one.joules)
            #expect(abs(left.value - (100 - Double(seconds))) < 1e-9)
            #expect(abs(joules.value - 10 * (100 - Double(seconds))) < 1e-6)
            #expect(left.low <= left.value && left.value <= left.high)
            widths.append(left.high - left.low)
            last = one
        }
        #expect(zip(widths, widths.dropFirst()).allSatisfy { $0 > $1 }, "\(widths)")
        #expect(widths.last == 0)
        let ended = forecast([stage("full", .completed, progress: 1)], spent: ["full": 100])
        #expect(ended.joules == Interval(exactly: 0) && ended.stages[0].basis == [.ended])
        #expect(last?.spent.energy.microjoules == 1_000_000_000)
    }

    @Test("stages ahead cost what they cost in like runs; progress and like runs are combined")
    func likeRuns() throws {
        let costs = [amount(400_000_000, seconds: 40), amount(400_000_000, seconds: 40)]
        let history = CostForecast.History(stages: [
            "full": .init(isSame: true, costs: costs), "search": .init(isSame: true, costs: costs),
        ])
        let early = forecast(
            [
                stage("full", .running, progress: 0.25, seconds: 20),
                stage("search", .blocked, needs: ["full"]),
            ], spent: ["full": 20], history)
        #expect(early.stages.map(\.basis) == [[.progress, .likeRuns], [.likeRuns]])
        #expect(early.stages.map(\.observations) == [2, 2])
        // By progress it takes 80 s in all, in like runs 40 s.
        let whole = 20 + (try #require(early.stages[0].seconds?.value))
        #expect(whole > 40 && whole < 80)
        #expect(abs(try #require(early.stages[1].seconds?.value) - 40) < 1e-9)
        let late = forecast(
            [stage("full", .completed, progress: 1), stage("search", .blocked, needs: ["full"])],
            spent: ["full": 60], history)
        let (before, after) = (try #require(early.joules), try #require(late.joules))
        #expect(after.high - after.low < before.high - before.low)
        // Carbon has the interval of energy and that of the intensity.
        let grams = try #require(late.grams)
        #expect(abs(grams.value - 400 / 3.6e6 * 500) < 1e-9)
        #expect(grams.low / grams.value < after.low / after.value)
    }

    @Test("the range of the meter is part of the energy's, not of the time's")
    func meter() throws {
        let history = CostForecast.History(stages: [
            "full": .init(isSame: true, costs: [amount(100_000_000, seconds: 10)])
        ])
        let one = forecast([stage("full", .available)], spent: [:], history)
        let (time, energy) = (try #require(one.seconds), try #require(one.joules))
        // The test's amounts are known within a factor of 2.
        let spread = log(time.high / time.value)
        let expected = (spread * spread + log(2) * log(2)).squareRoot()
        #expect(abs(log(energy.high / energy.value) - expected) < 1e-9)
    }

    @Test(
        "a stage without like runs is compared with its kind, and one of an unknown kind is unknown"
    )
    func kinds() throws {
        let kind = CostForecast.History.Kind(
            stages: 3, seconds: LogEstimate(logMean: log(7), deviation: 1), joules: nil)
        let history = CostForecast.History(
            kinds: ["search": "search", "other": "x"], byKind: ["search": kind])
        let one = forecast(
            [stage("search", .available), stage("other", .available)], spent: [:], history)
        #expect(one.stages.map(\.basis) == [[.kind], [.unknown]])
        #expect(abs(try #require(one.seconds?.value) - 7) < 1e-9)
        #expect(one.unknownStages == ["other"] && one.unknownEnergies == ["search", "other"])
        #expect(one.joules == nil && one.grams == nil)
        let document = one.document(status([]), factors: 1)
        #expect(document.remaining.seconds_high == nil && document.remaining.seconds != nil)
        #expect(document.remaining.energy_j == nil)
    }

    @Test("the end is the longest chain, or all work over the workers; a stage has as many as jobs")
    func end() throws {
        let costs = [amount(10_000_000, seconds: 10)]
        let history = CostForecast.History(
            stages: Dictionary(
                uniqueKeysWithValues: ["a", "b", "c"].map {
                    ($0, .init(isSame: true, costs: costs))
                }))
        let stages = [
            stage("a", .available), stage("b", .blocked, needs: ["a"]),
            stage("c", .available, jobs: 2),
        ]
        func value(_ workers: Int) throws -> Double {
            try #require(
                forecast(stages, spent: [:], history, workers: workers).secondsUntilEnd?.value)
        }
        #expect(abs(try value(1) - 30) < 1e-9)
        #expect(abs(try value(4) - 20) < 1e-9)
    }

    @Test("completed runs of the same definition are found, and their stages forecast a new run")
    func read() throws {
        let names = ["one", "two"]
        let stages = [
            StageSpec(name: "one", job: JobSpec(kind: "train"), needs: []),
            StageSpec(name: "two", job: JobSpec(kind: "train"), needs: ["one"]),
        ]
        let metered = try MeteredQueue(stages: stages)
        func work(_ seconds: Double) throws {
            let lease = try metered.start()
            metered.host.work(seconds: seconds, cpuSeconds: seconds)
            try metered.complete(lease)
        }
        let ledger = CostLedger(metered.connection)
        let factors = try FactorSet.load(metered.connection)
        func forecast(_ run: RunID) throws -> CostForecast {
            try ledger.forecast(
                try metered.queue.runStatus(run), workers: 1, factors: factors)
        }
        let first = try forecast(metered.run)
        #expect(first.unknownStages == names && first.joules == nil)
        try work(40)
        // The second stage is of the kind of the first, but of this run: nothing is known.
        #expect(try forecast(metered.run).unknownStages == ["two"])
        try work(60)
        let spec = RunSpec(
            name: "test", definition: "test", definitionHash: "test", stages: stages)
        let again = try metered.queue.enqueue(spec)
        let new = try forecast(again)
        #expect(new.stages.map(\.basis) == [[.likeRuns], [.likeRuns]])
        #expect(abs(try #require(new.seconds?.value) - 100) < 1e-6)
        let total = Double(try metered.costs().total.energy.microjoules) / 1e6
        #expect(abs(try #require(new.joules?.value) / total - 1) < 1e-6)
        let grams = try metered.costs().total.grams
        #expect(abs(try #require(new.grams?.value) / grams - 1) < 1e-3)
        try work(40)
        let half = try forecast(again)
        #expect(abs(try #require(half.seconds?.value) - 60) < 1e-6)
        let (wide, narrow) = (try #require(new.joules), try #require(half.joules))
        #expect(narrow.high - narrow.low < wide.high - wide.low)
        #expect(half.spent.wallNs == 40_000_000_000)

        var renamed = spec
        renamed.definitionHash = "changed"
        let changed = try forecast(try metered.queue.enqueue(renamed))
        #expect(changed.stages.map(\.basis) == [[.namesakes], [.namesakes]])
        var other = renamed
        other.name = "other"
        let strange = try forecast(try metered.queue.enqueue(other))
        #expect(strange.stages.map(\.basis) == [[.kind], [.kind]])

        // A PUE that is stated of the machine, here without a range, takes the place of the factor set's.
        try metered.connection.script(
            """
            insert into ofa.host_setting (host_id, valid_from, actor, pue)
            select id, '2020-01-01', 'test', 2.6 from ofa.host
            """)
        let stated = try forecast(again)
        let (before, after) = (try #require(half.grams), try #require(stated.grams))
        #expect(abs(after.value / before.value - 2) < 1e-3)
        #expect(after.high / after.value < before.high / before.value - 0.01)
        #expect(after.low / after.value > before.low / before.value + 0.001)
    }
}
