// Timing one network in several goes.
import Networks
import Tensors
import TestSupport
import Testing

@testable import Devices

@Suite struct LatencyMeasurementTests {
    @Test("all goes count together, and before the first there is no timing")
    func goes() throws {
        let shape = try NetworkShape(tinySpace, tinySpace.smallest)
        let (network, alone) = try LatencyMeasurement(
            tinySpace, weights: try Weights(supernetOf: tinySpace, seed: 1), batch: 1
        ).alone(shape)
        let timer = WholeNetworkTimer(network, alone, batch: 1)
        #expect(timer.timing == nil)
        for _ in 0..<3 { timer.time(repeats: 5) }
        let timing = try #require(timer.timing)
        #expect(timing.sorted.count == 15)
        #expect(timing.sorted.allSatisfy { $0 > 0 } && timing.steady <= timing.sorted[14])
    }

    @Test("a quiet go tells the latency where all others were disturbed")
    func quiet() {
        let quiet = [1.00, 1.01, 1.02, 1.03], disturbed = (0..<16).map { 1.6 + 0.05 * Double($0) }
        let timing = LatencyMeasurement.Timing(disturbed + quiet)
        #expect(abs(timing.steady - 1.015) < 1e-12)
        #expect(timing.sorted[10] > 1.8)
    }
}
