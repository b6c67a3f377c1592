// What describes a device on the command line, as `ofa device add` stores it and `ofa search` takes it for one search.

import ArgumentParser
import Search

/// The limits of a device, its batch, and what it stores numbers in and spends on them where its kind does not say it
/// right.
struct TargetOptions: ParsableArguments {
    /// The limits.
    @OptionGroup var limits: LimitOptions
    /// Images at a time.
    @Option(
        help: "Images at a time: latency, energy and peak memory are those of a batch.",
        transform: Number.whole(1...4096))
    var batch = 1
    /// Bytes of a weight.
    @Option(
        help: "Bytes a stored weight takes: 4, or 1 on a microcontroller, unless said.",
        transform: Number.bytes)
    var bytesPerWeight: Int?
    /// Bytes of an activation.
    @Option(
        help: "Bytes an activation takes in memory: 4, or 1 on a microcontroller, unless said.",
        transform: Number.bytes)
    var bytesPerActivation: Int?
    /// Picojoules of a multiply-add.
    @Option(
        help: "Picojoules of a multiply-add; a published figure otherwise.",
        transform: Number.energy)
    var pjPerMac: Double?
    /// Picojoules of a byte of weights.
    @Option(
        help: "Picojoules to read a byte of weights; a published figure otherwise.",
        transform: Number.energy)
    var pjPerWeightByte: Double?
    /// Picojoules of a byte of activations.
    @Option(
        help: "Picojoules to read or write a byte of activations; a published figure otherwise.",
        transform: Number.energy)
    var pjPerActivationByte: Double?

    /// The device that is meant.
    func target(_ name: String, _ kind: DeviceTarget.Kind) -> DeviceTarget {
        var target = DeviceTarget(
            name: name, kind: kind, limits: limits.replacing(), batch: batch,
            bytesPerWeight: bytesPerWeight, bytesPerActivation: bytesPerActivation)
        target.energy = energy(target.energyModel)
        return target
    }

    /// The energies given, the others being those of `published`; nil where none is given.
    private func energy(_ published: EnergyModel) -> EnergyModel? {
        guard pjPerMac ?? pjPerWeightByte ?? pjPerActivationByte != nil else { return nil }
        return EnergyModel(
            picojoulesPerMAC: pjPerMac ?? published.picojoulesPerMAC,
            picojoulesPerWeightByte: pjPerWeightByte ?? published.picojoulesPerWeightByte,
            picojoulesPerActivationByte: pjPerActivationByte
                ?? published.picojoulesPerActivationByte)
    }
}
