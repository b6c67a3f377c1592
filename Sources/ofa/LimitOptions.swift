// The limits of a device on the command line, for `ofa device add`, `ofa specialize` and `ofa
// search`.

import ArgumentParser
import Devices

/// The options for a device's upper limits; an option that is not given sets no limit.
struct LimitOptions: ParsableArguments {
    /// The maximum latency of one batch, in milliseconds.
    @Option(
        help: "The most milliseconds for one batch, by the device's latency table.",
        transform: Number.limit)
    var maxLatencyMs: Double?
    /// The maximum memory of activations that are live at the same time, for one batch, in KiB.
    @Option(
        help: "The most KiB of activations in memory at the same time, for one batch.",
        transform: Number.limit)
    var maxPeakMemoryKb: Double?
    /// The maximum size of the stored weights, in KiB.
    @Option(help: "The most KiB of stored weights.", transform: Number.limit) var maxFlashKb:
        Double?
    /// The maximum number of multiply-accumulates for one image.
    @Option(help: "The most multiply-accumulates for one image.", transform: Number.countLimit)
    var maxMacs: Int?
    /// The maximum number of parameters.
    @Option(help: "The most parameters.", transform: Number.countLimit) var maxParams: Int?
    /// The maximum energy of one batch, in millijoules.
    @Option(
        help: "The most millijoules for one batch, by an energy table or modelled.",
        transform: Number.limit)
    var maxEnergyMj: Double?

    /// Returns `limits` after replacing those for which an option is given.
    func replacing(_ limits: Constraints = Constraints()) -> Constraints {
        Constraints(
            latencyMsMax: maxLatencyMs ?? limits.latencyMsMax,
            peakMemoryKBMax: maxPeakMemoryKb ?? limits.peakMemoryKBMax,
            flashKBMax: maxFlashKb ?? limits.flashKBMax, macsMax: maxMacs ?? limits.macsMax,
            paramsMax: maxParams ?? limits.paramsMax,
            energyMJMax: maxEnergyMj ?? limits.energyMJMax)
    }
}
