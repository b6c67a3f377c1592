// The power model against hand computations.

import Metering
import Testing

@Suite struct PowerModelTests {
    private let rating = ThermalDesign(watts: 280, threads: 128, source: "test")

    @Test("two of 128 threads of a 280 W socket at load 0.6 draw 2.558 W, 1.023 to 3.837")
    func loaded() {
        let watts = PowerModel.processorWatts(rating: rating, vCPUs: 2, load: 0.6)
        #expect(abs(watts.value - 2.558) < 0.0005)
        #expect(abs(watts.low - 1.023) < 0.0005)
        #expect(abs(watts.high - 3.837) < 0.0005)
    }

    @Test("an idle processor draws 0.525 W and power grows with load")
    func idleAndMonotone() {
        let watts = (0...100).map { step in
            PowerModel.processorWatts(rating: rating, vCPUs: 2, load: Double(step) / 100).value
        }
        #expect(abs(watts[0] - 0.525) < 1e-12)
        #expect(zip(watts, watts.dropFirst()).allSatisfy(<))
        #expect(PowerModel.idleFraction(load: 0) == 1)
        #expect(abs(PowerModel.idleFraction(load: 1) - 0.12 / 0.72) < 1e-12)
    }

    @Test("a load outside 0 to 1 counts as the nearest end")
    func clamped() {
        #expect(
            PowerModel.processorWatts(rating: rating, vCPUs: 2, load: 1.7)
                == PowerModel.processorWatts(rating: rating, vCPUs: 2, load: 1))
    }

    @Test("8 GB of memory draw 2.98 W, 2.272 to 5")
    func memory() {
        let watts = PowerModel.memoryWatts(bytes: 8_000_000_000)
        #expect(abs(watts.value - 2.98) < 1e-9)
        #expect(abs(watts.low - 2.272) < 1e-9)
        #expect(abs(watts.high - 5) < 1e-9)
    }
}
