// Searches of devices that differ in their energy.
import Devices
import Networks
import TestSupport
import Testing

@testable import Search

@Suite struct EnergyLimitTests {
    @Test("equal latency limits and different batteries give different networks")
    func batteries() throws {
        var latencies = LatencyTable()
        var energies = LatencyTable()
        for resolution in tinySpace.resolutions {
            for key in try LatencyKey.all(in: tinySpace, resolution: resolution) {
                // Every part takes a millisecond; larger kernels and wider blocks take more energy.
                latencies[resolution, key] = LatencyEntry(milliseconds: [1])
                guard case .invertedResidual(let block)? = key.layers.first else {
                    energies[resolution, key] = LatencyEntry(milliseconds: [0.1])
                    continue
                }
                let energy = Double(block.kernel * block.kernel * block.middleWidth) / 1000
                energies[resolution, key] = LatencyEntry(milliseconds: [energy])
            }
        }
        func cut(_ energyMJ: Double, table: LatencyTable?) throws -> SearchResult {
            let device = DeviceTarget(
                name: "d", kind: .phone,
                limits: .init(latencyMsMax: 9, energyMJMax: energyMJ))
            return try EvolutionarySearch(
                space: tinySpace, device: device, latencyTable: latencies, energyTable: table
            ).run { configs in configs.map { Double($0.genes.reduce(0, +)) } }
        }
        let (large, small) = (try cut(12, table: energies), try cut(4, table: energies))
        #expect(large.arch != small.arch)
        #expect(large.predictedAccuracy > small.predictedAccuracy)
        #expect(large.metrics.latencyMs ?? 99 <= 9 && small.metrics.latencyMs ?? 99 <= 9)
        #expect(large.metrics.energyMJ ?? 99 <= 12 && small.metrics.energyMJ ?? 99 <= 4)
        // The same where the energy is modelled.
        let least = try cut(1000, table: nil).metrics.energyMJ ?? 0
        #expect(try cut(0.7 * least, table: nil).arch != cut(1000, table: nil).arch)
    }
}

extension SubnetConfig {
    /// Everything that can be larger, for scores that like large networks.
    fileprivate var genes: [Double] {
        (kernelSizes + depths).map(Double.init) + expandRatios
    }
}
