// Devices: what a network needs there, and which limits it meets.
import Foundation
import Networks
import Testing

@testable import Search

@Suite struct DeviceTargetTests {
    @Test("a microcontroller stores 8-bit numbers and says so, other devices 32-bit floats")
    func bytes() throws {
        let cost = try NetworkCost(tinySpace, tinySpace.largest)
        let small = DeviceTarget(name: "mcu", kind: .microcontroller, limits: .init())
        let metrics = small.metrics(cost, latencyMs: nil)
        #expect(metrics.flashBytes == cost.flashElements)
        #expect(metrics.peakMemoryBytes == cost.peakActivationElements)
        #expect(small.assumption.hasPrefix("8-bit weights and 8-bit activations assumed"))
        let phone = DeviceTarget(name: "phone", kind: .phone, limits: .init())
        #expect(phone.metrics(cost, latencyMs: 2).flashBytes == 4 * cost.flashElements)
    }

    @Test("every limit binds on its own, and an unknown latency meets no latency limit")
    func limits() {
        let metrics = NetworkMetrics(
            latencyMs: 5, macs: 1000, params: 100, peakMemoryBytes: 2048, flashBytes: 4096)
        #expect(Constraints().areMet(by: metrics))
        let exact = Constraints(
            latencyMsMax: 5, peakMemoryKBMax: 2, flashKBMax: 4, macsMax: 1000, paramsMax: 100)
        #expect(exact.areMet(by: metrics))
        for limits in [
            Constraints(latencyMsMax: 4.9), Constraints(peakMemoryKBMax: 1.9),
            Constraints(flashKBMax: 3.9), Constraints(macsMax: 999), Constraints(paramsMax: 99),
        ] {
            #expect(!limits.areMet(by: metrics))
        }
        var unknown = metrics
        unknown.latencyMs = nil
        #expect(!Constraints(latencyMsMax: 5).areMet(by: unknown))
        #expect(Constraints(macsMax: 1000).areMet(by: unknown))
    }

    @Test("limits that are not positive are refused by name")
    func invalid() {
        for limit in [0, -1, .nan, .infinity] {
            let device = DeviceTarget(name: "d", kind: .phone, limits: .init(flashKBMax: limit))
            let error = #expect(throws: SearchError.self) { try device.validate() }
            #expect(error?.message.contains("flash_kb") == true)
        }
        let device = DeviceTarget(name: "d", kind: .phone, limits: .init(), batch: 0)
        #expect(throws: SearchError.self) { try device.validate() }
    }

    @Test("a device survives JSON")
    func json() throws {
        let device = DeviceTarget(
            name: "mcu", kind: .microcontroller, limits: .init(peakMemoryKBMax: 64, flashKBMax: 256)
        )
        let data = try JSONEncoder().encode(device)
        #expect(try JSONDecoder().decode(DeviceTarget.self, from: data) == device)
    }
}
