// The costs of a run divided over its networks, as the ledger and the lineage have them.

import Artifacts
import Foundation
import Jobs
import Testing

@testable import Accounting

/// A stage of a scripted run: how long it works, which artifact it makes, and the stages whose artifacts it reads.
private struct Step {
    let name: String
    let seconds: Double
    var makes: String?
    var reads: [String] = []
    var device: String?

    init(
        _ name: String, _ seconds: Double, makes: String? = nil, reads: [String] = [],
        device: String? = nil
    ) {
        (self.name, self.seconds, self.makes) = (name, seconds, makes)
        (self.reads, self.device) = (reads, device)
    }

    /// The stages of `steps`, one after the other.
    static func stages(_ steps: [Step]) -> [StageSpec] {
        steps.enumerated().map { place, step in
            stage(
                step.name, kind: step.device == nil ? "train" : "search", device: step.device,
                needs: place == 0 ? [] : [steps[place - 1].name])
        }
    }
}

@Suite struct AmortisedCostsTests {
    private static let trained = ["dataset", "supernet", "supernet", "supernet"]
    /// The hand computation: data, three phases, accuracies, predictor, two tables, three searches, and a failure.
    private static let steps: [Step] =
        zip(["data", "full", "kernel", "depth"], [10.0, 100, 60, 30]).enumerated().map {
            Step(
                $1.0, $1.1, makes: trained[$0],
                reads: $0 == 0 ? [] : [["data", "full", "kernel"][$0 - 1]])
        } + [
            Step("accuracy", 8, makes: "accuracy-samples", reads: ["depth", "data"]),
            Step("predictor", 2, makes: "predictor", reads: ["accuracy"]),
            Step("table-a", 4, makes: "latency-table"), Step("table-b", 6, makes: "latency-table"),
            cut("a1", table: "table-a"), cut("a2", table: "table-a"), cut("b1", table: "table-b"),
            Step("failed", 20),
        ]

    private static func cut(_ device: String, table: String) -> Step {
        Step(
            "search-\(device)", 1, makes: "subnet", reads: ["depth", "predictor", table],
            device: device)
    }

    /// Works the steps of the queue in their order; `made` has the artifacts by the name of their stage. A step that
    /// makes nothing fails.
    private func work(
        _ steps: [Step], _ metered: MeteredQueue, _ made: inout [String: ArtifactID]
    ) throws {
        let store = ArtifactStore(metered.connection)
        for step in steps {
            let lease = try metered.start()
            #expect(lease.stage == step.name)
            metered.host.work(seconds: step.seconds, cpuSeconds: step.seconds * 2)
            guard let kind = step.makes else {
                try metered.fail(lease)
                continue
            }
            made[step.name] = try store.insert(
                Artifact.New(
                    kind: kind, name: step.name,
                    digest: BlobStore(metered.connection, maker: nil).put(
                        Array("\(lease.token)".utf8), elementSize: 1), run: lease.runID,
                    job: lease.jobID, token: lease.token, stage: lease.stage),
                inputs: step.reads.map { Artifact.Input(try #require(made[$0]), role: $0) })
            try metered.complete(lease)
        }
    }

    private func worked() throws -> (MeteredQueue, [String: ArtifactID]) {
        let metered = try MeteredQueue(stages: Step.stages(Self.steps))
        var made: [String: ArtifactID] = [:]
        try work(Self.steps, metered, &made)
        return (metered, made)
    }

    private func seconds(_ costs: AmortisedCosts) -> [String: Double] {
        Dictionary(
            uniqueKeysWithValues: costs.targets.map {
                ($0.network.device, Double($0.cost.wallNs) / 1e9)
            })
    }

    @Test("three devices cost 73, 73 and 77, and 20 are unallocated; a fourth lowers the others")
    func handComputed() throws {
        var (metered, made) = try worked()
        let ledger = CostLedger(metered.connection)
        let factors = try FactorSet.load(metered.connection)
        let before = try ledger.moment()
        let three = try ledger.amortised(runs: nil, factors: factors)
        #expect(seconds(three) == ["a1": 73, "a2": 73, "b1": 77])
        #expect(three.unallocated.map(\.place.stage) == ["failed"])
        #expect(three.unallocated.map(\.isFailed) == [true])
        #expect(three.unallocatedCost.wallNs == 20_000_000_000)
        // At equal load energy goes with time; attempts are rounded to microjoules.
        let total = Double(three.total.energy.microjoules)
        for target in three.targets {
            let share = Double(target.cost.wallNs) / 243e9
            #expect(abs(Double(target.cost.energy.microjoules) / total - share) < 1e-8)
        }

        let later = [
            Step("search-c", 1, makes: "subnet", reads: ["kernel"], device: "c")
        ]
        let run = try metered.queue.enqueue(
            RunSpec(
                name: "later", definition: "later", definitionHash: "later",
                stages: Step.stages(later)))
        try work(later, metered, &made)
        let four = try ledger.amortised(runs: nil, factors: factors)
        let expected = ["a1": 58.833_333, "a2": 58.833_333, "b1": 62.833_333, "c": 43.5]
        for (device, value) in seconds(four) {
            #expect(abs(value - (expected[device] ?? 0)) < 1e-6, "\(device) \(value)")
        }
        #expect(four.unallocatedCost.wallNs == 20_000_000_000)
        #expect(four.total.wallNs == 244_000_000_000)

        // The first run alone: its cost is divided over the later network too, whose own cost is not counted.
        let first = try ledger.amortised(runs: [metered.run], factors: factors)
        #expect(first.total.wallNs == 243_000_000_000 && first.otherRuns == [run])
        #expect(seconds(first)["c"] == 42.5)
        // As of a time before it, there was no fourth network.
        let old = try ledger.deviceNetworks(from: nil, until: before)
        #expect(old.map(\.device) == ["a1", "a2", "b1"])
        let new = try ledger.deviceNetworks(from: [run], until: ledger.moment())
        #expect(new.map(\.device) == ["c"])
    }

    @Test("however costs are divided, energy and carbon are those of ofa cost, exactly")
    func conserved() throws {
        let (metered, _) = try worked()
        let ledger = CostLedger(metered.connection)
        let factors = try FactorSet.load(metered.connection)
        let whole = try metered.costs().total
        for split in AmortisationSplit.allCases {
            let costs = try ledger.amortised(
                runs: [metered.run], split: split, factors: factors,
                uses: { Dictionary(uniqueKeysWithValues: $0.map { ($0.artifact, $0.artifact) }) })
            let sum = CostSum.sum(
                costs.targets.map(\.cost) + [costs.shared, costs.unallocatedCost])
            #expect(sum.energy.microjoules == whole.energy.microjoules, "\(split)")
            #expect(sum.emissionUg == whole.emissionUg && sum.wallNs == whole.wallNs)
            #expect(costs.total.attempts == whole.attempts && costs.total.tier == .model)
            #expect(costs.total.energy == whole.energy)
            #expect(costs.targets.allSatisfy { ($0.uses != nil) == (split == .use) })
        }
        let marginal = try ledger.amortised(
            runs: [metered.run], split: .marginal, factors: factors)
        #expect(seconds(marginal) == ["a1": 1, "a2": 1, "b1": 7])
        #expect(marginal.shared.wallNs == 214_000_000_000)
    }

    @Test(
        "a failed attempt of a stage that succeeds later is unallocated, and a tuned network counts once"
    )
    func retried() throws {
        let backoff = RetryPolicy(baseSeconds: 0, jitter: 0)
        let metered = try MeteredQueue(stages: [
            StageSpec(name: "full", job: JobSpec(kind: "train", backoff: backoff), needs: []),
            stage("network-a", kind: "search", device: "a", needs: ["full"]),
            stage("tune-a", kind: "search", device: "a", needs: ["network-a"]),
        ])
        let lease = try metered.start()
        metered.host.work(seconds: 5, cpuSeconds: 10)
        let use = try metered.meter.end(lease, outcome: .failed)
        try metered.queue.report(metered.meter)
        #expect(try metered.queue.fail(lease, error: "no luck", use: use) == .done)
        var made: [String: ArtifactID] = [:]
        try work(
            [
                Step("full", 30, makes: "supernet"),
                Step("network-a", 2, makes: "subnet", reads: ["full"], device: "a"),
            ], metered, &made)
        let store = ArtifactStore(metered.connection)
        let tuning = try metered.start()
        metered.host.work(seconds: 3, cpuSeconds: 6)
        _ = try store.insert(
            Artifact.New(
                kind: "subnet", name: "tuned",
                digest: BlobStore(metered.connection, maker: nil).put([1, 2, 3], elementSize: 1),
                run: tuning.runID, job: tuning.jobID, token: tuning.token, stage: tuning.stage),
            inputs: [Artifact.Input(try #require(made["network-a"]), role: "subnet")])
        try metered.complete(tuning)
        let costs = try CostLedger(metered.connection).amortised(
            runs: nil, factors: try FactorSet.load(metered.connection))
        #expect(costs.targets.map(\.network.name) == ["tuned"])
        #expect(costs.targets.map(\.cost.wallNs) == [35_000_000_000])
        #expect(costs.unallocated.map(\.isFailed) == [true])
        #expect(costs.unallocated.map(\.place.stage) == ["full"])
        #expect(costs.unallocatedCost.wallNs == 5_000_000_000)
        #expect(costs.unallocatedCost.attempts == 1 && costs.total.attempts == 4)
    }

    @Test(
        "of a run the fixed cost, the mean of its devices and a run of networks alone are measured")
    func savings() throws {
        let (metered, _) = try worked()
        let alone = try metered.queue.enqueue(
            RunSpec(
                name: "alone", definition: "alone", definitionHash: "alone",
                stages: [stage("alone-1"), stage("alone-2", needs: ["alone-1"])]))
        for seconds in [90.0, 110] {
            let lease = try metered.start()
            metered.host.work(seconds: seconds, cpuSeconds: 2 * seconds)
            try metered.complete(lease)
        }
        let ledger = CostLedger(metered.connection)
        let factors = try FactorSet.load(metered.connection)
        let savings = try ledger.savings(
            run: metered.run, alone: .init(run: alone), factors: factors)
        #expect(savings.targets == 3 && savings.aloneNetworks == 2)
        #expect(savings.fixed.wallNs == 240_000_000_000)
        #expect(savings.specialised.wallNs == 3_000_000_000)
        // 240 / (100 - 1) = 2.42, in time and, at equal load, in energy and carbon.
        for measure in MeasuredSavings.Measure.allCases {
            let even = try #require(savings.breakEven(measure))
            #expect(even.targets == 3 && even.isOneMeter)
            #expect(even.fewest == 3 && even.most == 3)
        }
        let error = #expect(throws: AccountingError.self) {
            try ledger.savings(run: alone, factors: factors)
        }
        #expect(error?.code == .noTargets)
    }
}
