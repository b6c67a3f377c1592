// The limits of a device on the command line, for `ofa device add`, `ofa specialize` and `ofa
// search`.

import ArgumentParser
import Devices

/// The options for upper limits; limits that are not given are not set.
struct LimitOptions: ParsableArguments {
    /// Latency in milliseconds.
    @Option(
        help: "The most milliseconds for one batch, by the device's latency table.",
        transform: Number.limit)
    var maxLatencyMs: Double?
    /// Live activations in KiB.
    @Option(
        help: "The most KiB of activations in memory at the same time, for one batch.",
        transform: Number.limit)
    var maxPeakMemoryKb: Double?
    /// Stored weights in KiB.
    @Option(help: "The most KiB of stored weights.", transform: Number.limit) var maxFlashKb:
        Double?
    /// Multiply-accumulates.
    @Option(help: "The most multiply-accumulates for one image.", transform: Number.countLimit)
    var maxMacs: Int?
    /// Parameters.
    @Option(help: "The most parameters.", transform: Number.countLimit) var maxParams: Int?
    /// Energy in millijoules.
    @Option(
        help: "The most millijoules for one batch, by an energy table or modelled.",
        transform: Number.limit)
    var maxEnergyMj: Double?

    /// Returns `limits`, in which the limits given on the command line replace the others.
    func replacing(_ limits: Constraints = Constraints()) -> Constraints {
        Constraints(
            latencyMsMax: maxLatencyMs ?? limits.latencyMsMax,
            peakMemoryKBMax: maxPeakMemoryKb ?? limits.peakMemoryKBMax,
            flashKBMax: maxFlashKb ?? limits.flashKBMax, macsMax: maxMacs ?? limits.macsMax,
            paramsMax: maxParams ?? limits.paramsMax,
            energyMJMax: maxEnergyMj ?? limits.energyMJMax)
    }
}
