// What every device cost beside the run its supernet comes from.

import Artifacts
import Foundation
import Jobs
import Testing

@testable import Accounting

@Suite struct BranchCostTests {
    private let shared = stage("full")
    private let phone = stage(
        "search-a", kind: "search", device: "phone", needs: ["full"])

    /// Works every job of the queue as it comes: so long each, on both processors. A job of kind train leaves a
    /// supernet; the others read `supernet` where one is given.
    private func work(
        _ metered: MeteredQueue, _ seconds: [Double], reading supernet: ArtifactID? = nil,
        failing: Set<Int> = []
    ) throws -> ArtifactID? {
        let store = ArtifactStore(metered.connection)
        var made = supernet
        for (index, seconds) in seconds.enumerated() {
            let lease = try metered.start()
            metered.host.work(seconds: seconds, cpuSeconds: seconds * 2)
            guard !failing.contains(index) else {
                try metered.fail(lease)
                continue
            }
            let isSupernet = lease.kind == "train"
            let id = try store.insert(
                Artifact.New(
                    kind: isSupernet ? "supernet" : "subnet", name: "a",
                    digest: BlobStore(metered.connection, maker: nil).put(
                        Array("\(lease.token)".utf8), elementSize: 1), run: lease.runID,
                    job: lease.jobID, token: lease.token, stage: lease.stage),
                inputs: isSupernet ? [] : made.map { [Artifact.Input($0, role: "supernet")] } ?? [])
            if isSupernet { made = id }
            try metered.complete(lease)
        }
        return made
    }

    private func branches(_ metered: MeteredQueue, run: RunID? = nil) throws -> [BranchCost] {
        try CostLedger(metered.connection).branches(
            run: run, factors: try FactorSet.load(metered.connection))
    }

    @Test(
        "a device added later is a branch of the run its supernet comes from, with its share of that run's energy"
    )
    func added() throws {
        let metered = try MeteredQueue(stages: [shared, phone])
        let supernet = try work(metered, [300, 20])
        let later = try metered.queue.enqueue(
            RunSpec(
                name: "later", definition: "later", definitionHash: "later",
                stages: [
                    stage("search-w", kind: "search", device: "watch"),
                    stage(
                        "network-w", kind: "search", device: "watch",
                        needs: ["search-w"]),
                ]))
        _ = try work(metered, [1, 0.6], reading: supernet)

        let all = try branches(metered)
        #expect(all.map(\.device) == ["phone", "watch"])
        #expect(all.map(\.run) == [metered.run, later])
        #expect(all.map(\.source) == [metered.run, metered.run])
        #expect(all.map(\.isAdded) == [false, true])
        #expect(all.map(\.cost.attempts) == [1, 2])
        // At equal load energy goes with time: 20 of 320 seconds, and 1.6 beside them. Attempts are rounded to
        // microjoules, which are 1e-9 of a share here.
        #expect(abs(try #require(all[0].share) - 20.0 / 320) < 1e-8)
        #expect(abs(try #require(all[1].share) - 1.6 / 320) < 1e-8)
        #expect(try branches(metered, run: metered.run) == all)
        #expect(try branches(metered, run: later) == [all[1]])
        let total = try metered.costs().total.energy.microjoules
        #expect(all.allSatisfy { $0.sourceMicrojoules == total })
    }

    @Test("a branch whose attempts all failed has a cost, but no run that it was cut from")
    func failed() throws {
        let metered = try MeteredQueue(
            stages: [stage("search-a", kind: "search", device: "phone")])
        _ = try work(metered, [2], failing: [0])
        let branch = try #require(try branches(metered).first)
        #expect(branch.source == nil && branch.share == nil && !branch.isAdded)
        #expect(branch.cost.notCompleted == 1 && branch.cost.energy.microjoules > 0)
    }

    @Test("a run without devices has no branches, and its rows have shares that add up to one")
    func shares() throws {
        let metered = try MeteredQueue(stages: [stage("one"), stage("two", needs: ["one"])])
        _ = try work(metered, [3, 1])
        #expect(try branches(metered).isEmpty)
        let costs = try metered.costs()
        let shares = costs.rows.compactMap { $0.share(of: costs.total.energy.microjoules) }
        #expect(abs(shares.reduce(0, +) - 1) < 1e-12)
        #expect(abs(shares[0] - 0.75) < 1e-8)
        let json = try JSONSerialization.jsonObject(
            with: try JSONEncoder().encode(costs.document))
        let rows = try #require((json as? [String: Any])?["rows"] as? [[String: Any]])
        #expect(rows.compactMap { $0["share"] as? Double } == shares)
    }

    @Test("what was never metered has no share, and neither has a share of nothing")
    func unknown() {
        var row = CostRow.sum([], label: "lost")
        row.attempts = 1
        row.gaps = 1
        #expect(row.share(of: 1000) == nil)
        (row.gaps, row.tier) = (0, .model)
        #expect(row.share(of: 0) == nil)
        #expect(row.share(of: 1000) == 0)
    }
}
