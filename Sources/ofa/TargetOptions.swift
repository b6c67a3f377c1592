// The options of `ofa device add` and `ofa search` that describe a device.

import ArgumentParser
import Devices

/// The options for a device's limits, batch size, threads, number formats and energies. Number formats and energies have
/// defaults, which depend on the device's kind.
struct TargetOptions: ParsableArguments {
    /// The limits.
    @OptionGroup var limits: LimitOptions
    /// The batch size.
    @Option(
        help: "The batch size: latency, energy and peak memory are per batch.",
        transform: Number.whole(1...4096))
    var batch = 1
    /// The number of threads.
    @Option(
        help: "The threads that run a network: latency is that of a pass on all of them.",
        transform: Number.whole(DeviceTarget.threadCounts))
    var threads = 1
    /// Bytes per stored weight; nil for the default of the device's kind.
    @Option(
        help: "Bytes per stored weight; by default 4, or 1 on a microcontroller.",
        transform: Number.bytes)
    var bytesPerWeight: Int?
    /// Bytes per activation; nil for the default of the device's kind.
    @Option(
        help: "Bytes per activation; by default 4, or 1 on a microcontroller.",
        transform: Number.bytes)
    var bytesPerActivation: Int?
    /// Picojoules per multiply-add.
    @Option(
        help: "Picojoules per multiply-add; by default a published figure.",
        transform: Number.energy)
    var pjPerMac: Double?
    /// Picojoules per byte of weights.
    @Option(
        help: "Picojoules to read a byte of weights; by default a published figure.",
        transform: Number.energy)
    var pjPerWeightByte: Double?
    /// Picojoules per byte of activations.
    @Option(
        help: "Picojoules to read or write a byte of activations; by default a published figure.",
        transform: Number.energy)
    var pjPerActivationByte: Double?

    /// Returns the device that the options describe.
    func target(_ name: String, _ kind: DeviceTarget.Kind) -> DeviceTarget {
        var target = DeviceTarget(
            name: name, kind: kind, limits: limits.replacing(), batch: batch,
            threads: threads, bytesPerWeight: bytesPerWeight, bytesPerActivation: bytesPerActivation
        )
        target.energy = energy(target.energyModel)
        return target
    }

    /// Returns the energies that the options set, completed by `published`; nil if the options set none.
    private func energy(_ published: EnergyModel) -> EnergyModel? {
        guard pjPerMac ?? pjPerWeightByte ?? pjPerActivationByte != nil else { return nil }
        return EnergyModel(
            picojoulesPerMAC: pjPerMac ?? published.picojoulesPerMAC,
            picojoulesPerWeightByte: pjPerWeightByte ?? published.picojoulesPerWeightByte,
            picojoulesPerActivationByte: pjPerActivationByte
                ?? published.picojoulesPerActivationByte)
    }
}
