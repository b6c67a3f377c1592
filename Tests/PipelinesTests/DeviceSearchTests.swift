// What a search for a device reads is checked before it searches, whichever door it came through.
import Artifacts
import Devices
import Networks
import Postgres
import Search
import TestSupport
import Testing

@testable import Pipelines

@Suite struct DeviceSearchTests {
    @Test("a stored predictor whose answers are no accuracies is refused, as a file is")
    func scale() throws {
        let database = try TemporaryDatabase()
        let connection = try database.connect()
        let space = SearchSpace.fashion
        let inputs =
            space.layerCount * (space.kernelSizes.count + space.expandRatios.count)
            + space.resolutions.count
        for (answer, isRight) in [(Float(0.75), true), (75, false), (7500, false)] {
            let predictor = try AccuracyPredictor(
                stateDict: [
                    "fc.weight": ([1, inputs], Array(repeating: 0, count: inputs)),
                    "fc.bias": ([1], [answer]),
                ], space: space, source: "p")
            let artifact = try PredictorStore.add(predictor, name: "p\(answer)", over: connection)
            let stored = try ArtifactStore(connection).get(artifact)
            func prepare() throws -> DeviceSearch {
                try DeviceSearch(.init(predictor: stored), space: space, seed: 1) {
                    try BlobStore(connection).get($0.digest)
                }
            }
            if isRight {
                #expect(try prepare().sizes == space.resolutions)
            } else {
                let error = #expect(throws: SearchError.self) { try prepare() }
                #expect(error?.code == .outsideDomain)
                #expect(error?.message.hasPrefix("artifact \(artifact) predicts ") == true)
            }
        }
    }

    @Test(
        "a device that no known space serves is refused; one whose latency is to be measured is not"
    )
    func served() throws {
        func refusal(
            _ limits: Constraints, _ kind: DeviceTarget.Kind = .phone, latency: LatencyTable? = nil
        ) -> PipelineError.Code? {
            do {
                try DeviceStore.check(
                    DeviceTarget(name: "d", kind: kind, limits: limits), latencyTable: latency,
                    energyTable: nil)
                return nil
            } catch {
                return (error as? PipelineError)?.code
            }
        }
        #expect(refusal(Constraints()) == nil)
        #expect(refusal(Constraints(latencyMsMax: 1e-6)) == nil)
        #expect(refusal(Constraints(macsMax: 10)) == .infeasible)
        #expect(refusal(Constraints(macsMax: 2_000_000)) == nil)
        var table = LatencyTable()
        for key in try LatencyKey.all(in: .fashion, resolution: 28) {
            table[28, key] = LatencyEntry(milliseconds: [1])
        }
        #expect(refusal(Constraints(), latency: table) == nil)
        #expect(refusal(Constraints(latencyMsMax: 1), latency: table) == .infeasible)
        var part = LatencyTable()
        let key = try #require(try LatencyKey.all(in: .fashion, resolution: 28).first)
        part[28, key] = LatencyEntry(milliseconds: [1])
        #expect(refusal(Constraints(), latency: part) == .mismatch)
    }
}
