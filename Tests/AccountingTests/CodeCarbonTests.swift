// Costs as the emissions.csv of CodeCarbon: a row for each run, or for each attempt.

import Foundation
import Metering
import TestSupport
import Testing

@testable import Accounting
@testable import Jobs

@Suite struct CodeCarbonTests {
    private func rows(_ text: String) -> [[String: String]] {
        let lines = text.split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        return lines.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(lines[0], $0)) }
    }

    @Test(
        "by attempt there is a row for each, with its token, its run and its end, and the same sums"
    )
    func attempts() throws {
        let metered = try MeteredQueue(
            stages: [stage("full"), stage("kernel", needs: ["full"])], zone: "DEU")
        var tokens: [String] = []
        for seconds in [10.0, 20] {
            let lease = try metered.start()
            tokens.append("\(lease.token)")
            metered.host.work(seconds: seconds, cpuSeconds: seconds)
            try metered.complete(lease)
        }
        let ledger = CostLedger(metered.connection)
        let attempts = try metered.costs(by: .attempt)
        let byAttempt = rows(try ledger.codeCarbon(attempts, run: metered.run))
        #expect(byAttempt.map { $0["run_id"] } == tokens)
        let seconds = byAttempt.compactMap { $0["duration"].flatMap(Double.init) }
        #expect(seconds.count == 2 && abs(seconds[0] - 10) < 1e-4 && abs(seconds[1] - 20) < 1e-4)
        #expect(byAttempt.allSatisfy { $0["project_name"] == "test" })
        #expect(byAttempt.allSatisfy { $0["experiment_id"] == "\(metered.run)" })
        #expect(byAttempt.allSatisfy { $0["timestamp"]?.isEmpty == false })
        let byRun = rows(try ledger.codeCarbon(try metered.costs(by: .run)))
        #expect(byRun.map { $0["run_id"] } == ["\(metered.run)"])
        #expect(byRun.map { $0["project_name"] } == ["test"])
        let kilograms = byAttempt.compactMap { $0["emissions"].flatMap(Double.init) }
        let whole = try #require(byRun[0]["emissions"].flatMap(Double.init))
        #expect(kilograms.count == 2 && abs(kilograms.reduce(0, +) - whole) < 1e-12)
        // Of all runs, too.
        let all = try ledger.report(by: .attempt, factors: attempts.factors)
        #expect(rows(try ledger.codeCarbon(all)).map { $0["run_id"] } == tokens)
    }
}
