// The limits of a device on the command line, as `ofa device add`, `ofa specialize` and `ofa
// search` take them.

import ArgumentParser
import Search

/// Upper limits; those not given do not bind.
struct LimitOptions: ParsableArguments {
    /// Latency in milliseconds.
    @Option(help: "The most milliseconds for one batch, by the device's latency table.")
    var maxLatencyMs: Double?
    /// Live activations in KiB.
    @Option(help: "The most KiB of activations in memory at the same time, for one batch.")
    var maxPeakMemoryKb: Double?
    /// Stored weights in KiB.
    @Option(help: "The most KiB of stored weights.") var maxFlashKb: Double?
    /// Multiply-accumulates.
    @Option(help: "The most multiply-accumulates for one image.") var maxMacs: Int?
    /// Parameters.
    @Option(help: "The most parameters.") var maxParams: Int?
    /// Energy in millijoules.
    @Option(help: "The most millijoules for one batch, by an energy table or modelled.")
    var maxEnergyMj: Double?

    /// Refuses limits that no network could be compared with.
    mutating func validate() throws {
        let given: [(name: String, value: Double?)] = [
            ("--max-latency-ms", maxLatencyMs), ("--max-peak-memory-kb", maxPeakMemoryKb),
            ("--max-flash-kb", maxFlashKb), ("--max-energy-mj", maxEnergyMj),
            ("--max-macs", maxMacs.map(Double.init)), ("--max-params", maxParams.map(Double.init)),
        ]
        for (name, value) in given {
            if let value, !(value > 0 && value.isFinite) {
                throw ValidationError("\(name) is \(value); a limit is a positive number")
            }
        }
    }

    /// `limits` with those given here in their place.
    func replacing(_ limits: Constraints = Constraints()) -> Constraints {
        Constraints(
            latencyMsMax: maxLatencyMs ?? limits.latencyMsMax,
            peakMemoryKBMax: maxPeakMemoryKb ?? limits.peakMemoryKBMax,
            flashKBMax: maxFlashKb ?? limits.flashKBMax, macsMax: maxMacs ?? limits.macsMax,
            paramsMax: maxParams ?? limits.paramsMax,
            energyMJMax: maxEnergyMj ?? limits.energyMJMax)
    }
}

extension DeviceTarget.Kind: ExpressibleByArgument {}
