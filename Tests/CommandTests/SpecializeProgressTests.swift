// What `ofa specialize --wait` says while it works, and how it knows how long it takes.
import Artifacts
import Devices
import Foundation
import Pipelines
import Testing

@testable import Jobs
@testable import ofa

@Suite struct SpecializeProgressTests {
    private let start = Date(timeIntervalSince1970: 1_800_000_000)

    private func stage(
        _ name: String, _ state: StageStatus.State, needs: [String] = [], progress: Double = 0,
        seconds: Double = 0
    ) -> StageStatus {
        StageStatus(
            name: name, state: state, needs: needs, counts: [:], jobs: 1, progress: progress,
            message: nil, attempts: 1, failures: 0, lost: 0,
            startedAt: state == .running ? start : nil, endedAt: nil, attemptSeconds: seconds,
            problem: state == .failed ? "no luck" : nil)
    }

    /// A status four seconds after the start.
    private func status(_ stages: [StageStatus]) -> RunStatus {
        RunStatus(
            run: RunSummary(
                id: 1, name: "specialize", state: .running, isCancelRequested: false,
                definitionHash: "", definition: "", createdAt: start, endedAt: nil),
            stages: stages, asOf: start + 4)
    }

    private func forecast(workers: Int) -> RunForecast {
        RunForecast(
            kinds: ["search-a": "search", "network-a": "materialise", "search-b": "search"],
            usual: ["search": 10, "materialise": 30], workers: workers)
    }

    @Test(
        "the time left is the longest chain, or the work of all where the workers are too few for it"
    )
    func forecasts() throws {
        let both = status([
            stage("search-a", .available), stage("network-a", .blocked, needs: ["search-a"]),
            stage("search-b", .available),
        ])
        #expect(forecast(workers: 2).secondsLeft(both) == 40)
        #expect(forecast(workers: 1).secondsLeft(both) == 50)
        let late = status([
            stage("search-a", .completed),
            stage("network-a", .running, needs: ["search-a"], progress: 0.5, seconds: 4),
            stage("search-b", .running, seconds: 4),
        ])
        // Half done in four seconds; and a search of which nothing is known yet after four of its usual ten.
        #expect(forecast(workers: 2).secondsLeft(late) == 6)
        #expect(forecast(workers: 1).secondsLeft(late) == 10)
        #expect(forecast(workers: 1).secondsLeft(status([stage("search-a", .completed)])) == nil)
        // A kind that never ran takes two seconds.
        #expect(forecast(workers: 1).secondsLeft(status([stage("x", .available)])) == 2)
    }

    @Test(
        "one line says what is done for whom, and no more exactly than it is known how long it takes"
    )
    func line() {
        var progress = SpecializeProgress(devices: ["a", "b"], forecast: forecast(workers: 2))
        let running = status([
            stage("search-a", .completed),
            stage("network-a", .running, needs: ["search-a"], progress: 0.5, seconds: 4),
            stage("search-b", .available), stage("report", .blocked),
        ])
        #expect(
            progress.line(running)
                == "[0/2] a: cutting and measuring 50 % · b: waiting · about 10 s left")
        let ended = status([
            stage("search-a", .completed), stage("network-a", .completed),
            stage("search-b", .failed), stage("report", .running, progress: 0.9, seconds: 4),
        ])
        progress.tell(ended)
        #expect(progress.line(ended) == "[2/2] writing the report · almost done")
        #expect(
            [0.2, 3.4, 23, 61, 100].map(SpecializeProgress.about) == [
                "almost done", "about 3 s left", "about 25 s left", "about 1 min 00 s left",
                "about 1 min 30 s left",
            ])
    }
}

@Suite struct BudgetTests {
    @Test("a budget is limits as a device has them, and a name for the network they give")
    func limits() throws {
        let budget = try Budget("max-macs=3000000,max-flash-kb=1.5")
        #expect(budget.name == "macs-3000000-flash-kb-1.5")
        let device = budget.applied(
            to: StoredDevice(
                target: DeviceTarget(
                    name: "watch", kind: .phone,
                    limits: Constraints(peakMemoryKBMax: 4, flashKBMax: 9)),
                latencyTable: ArtifactID(rawValue: 12)))
        #expect(device.target.name == "watch-macs-3000000-flash-kb-1.5")
        #expect(
            device.target.limits
                == Constraints(peakMemoryKBMax: 4, flashKBMax: 1.5, macsMax: 3_000_000))
        #expect(device.latencyTable == ArtifactID(rawValue: 12))
    }

    @Test(
        "what is no limit is refused",
        arguments: [
            "", "max-macs", "max-macs=0", "max-macs=1=2", "macs=3", "max-mcas=3", "max-macs=x",
        ])
    func refused(text: String) {
        #expect(throws: (any Error).self) { try Budget(text) }
    }
}
