// Devices: what a network needs there, and which limits it meets.
import Foundation
import Networks
import TestSupport
import Testing

@testable import Devices

@Suite struct DeviceTargetTests {
    @Test("a microcontroller stores 8-bit numbers and says so, other devices 32-bit floats")
    func bytes() throws {
        let cost = try NetworkCost(tinySpace, tinySpace.largest)
        let small = DeviceTarget(name: "mcu", kind: .microcontroller, limits: .init())
        let metrics = small.metrics(cost, latencyMs: nil)
        #expect(metrics.flashBytes == cost.eightBitBytes)
        // A scale and a bias of four bytes stand beside each output's weights, where floats have a bias of one number.
        #expect(cost.eightBitBytes > cost.flashElements)
        #expect(metrics.peakMemoryBytes == cost.liveActivationElements)
        #expect(small.assumption.hasPrefix("8-bit weights and 8-bit activations assumed"))
        #expect(!small.assumption.contains("accuracy") && small.bits == 8)
        let phone = DeviceTarget(name: "phone", kind: .phone, limits: .init())
        #expect(phone.metrics(cost, latencyMs: 2).flashBytes == 4 * cost.flashElements)
        #expect(phone.bits == 32)
        let half = DeviceTarget(name: "half", kind: .phone, limits: .init(), bytesPerWeight: 2)
        #expect(half.bits == 32 && half.flashBytes(cost) == 2 * cost.flashElements)
        #expect(phone.metrics(cost, latencyMs: 2).peakMemoryBytes == 4 * metrics.peakMemoryBytes)
    }

    @Test("a device of one thread is stored as in older versions, and read from their data")
    func threads() throws {
        var device = DeviceTarget(name: "d", kind: .computer, limits: .init())
        func text() throws -> String {
            String(decoding: try JSONEncoder().encode(device), as: UTF8.self)
        }
        func read() throws -> DeviceTarget {
            try JSONDecoder().decode(DeviceTarget.self, from: Data(try text().utf8))
        }
        #expect(try device.threads == 1 && !text().contains("hreads"))
        #expect(try read() == device)
        device.threads = 4
        #expect(try text().contains(#""threads":4"#))
        #expect(try read() == device && read().threads == 4)
        try device.validate()
        for threads in [0, 257] {
            device.threads = threads
            #expect(throws: DeviceError.self) { try device.validate() }
        }
    }

    @Test("a batch needs its memory and energy as often, its weights once")
    func batch() throws {
        let cost = try NetworkCost(tinySpace, tinySpace.largest)
        let one = DeviceTarget(name: "d", kind: .phone, limits: .init())
        let many = DeviceTarget(name: "d", kind: .phone, limits: .init(), batch: 8)
        let (single, eight) = (
            one.metrics(cost, latencyMs: nil), many.metrics(cost, latencyMs: nil)
        )
        #expect(eight.peakMemoryBytes == 8 * single.peakMemoryBytes)
        #expect(eight.flashBytes == single.flashBytes)
        #expect(eight.macs == single.macs)
        let weights = Double(4 * cost.flashElements) * 162.5e-9
        let (first, all) = (try #require(single.energyMJ), try #require(eight.energyMJ))
        // Sums of three terms: a few roundings apart.
        #expect(abs((all - weights) - 8 * (first - weights)) < 1e-12 * all)
    }

    @Test("energy is so much an operation and so much a byte, as the source says it")
    func energy() throws {
        let model = EnergyModel.horowitz(bytesPerActivation: 4)
        // 10^9 multiply-adds of 4.6 pJ, 10^6 bytes of DRAM at 162.5, 10^6 of cache at 12.5: 4.6 + 0.1625 + 0.0125 mJ.
        let energy = model.energyMJ(
            macs: 1_000_000_000, weightBytes: 1_000_000, activationBytes: 1_000_000)
        #expect(abs(energy - 4.775) < 1e-12)
        #expect(EnergyModel.horowitz(bytesPerActivation: 1).picojoulesPerMAC == 0.23)
        let cost = try NetworkCost(tinySpace, tinySpace.largest)
        var device = DeviceTarget(name: "d", kind: .phone, limits: .init())
        device.energy = EnergyModel(
            picojoulesPerMAC: 1e9, picojoulesPerWeightByte: 0, picojoulesPerActivationByte: 0)
        // A millijoule an operation: the factor 1e-9 is the only rounding.
        let each = try #require(device.metrics(cost, latencyMs: nil).energyMJ) / Double(cost.macs)
        #expect(abs(each - 1) < 1e-15)
        #expect(device.metrics(cost, latencyMs: nil, energyMJ: 3).energyMJ == 3)
        device.energy?.picojoulesPerWeightByte = -1
        #expect(throws: DeviceError.self) { try device.validate() }
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
            let error = #expect(throws: DeviceError.self) { try device.validate() }
            #expect(error?.message.contains("flash_kb") == true)
        }
        let device = DeviceTarget(name: "d", kind: .phone, limits: .init(), batch: 0)
        #expect(throws: DeviceError.self) { try device.validate() }
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
