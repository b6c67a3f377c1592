// A target device: its limits, and the storage formats of its weights and activations.
import Networks

/// A device target.
public struct DeviceTarget: Codable, Hashable, Sendable {
    /// The kinds of device; the kind decides the defaults.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// A computer such as this one: 32-bit floats, latency measured.
        case computer
        /// A phone: 32-bit floats, limited by multiply-accumulates or a published table.
        case phone
        /// A microcontroller: 8-bit weights and activations, limited by memory and flash.
        case microcontroller

        /// The default number of bytes of a weight or an activation.
        public var bytesPerNumber: Int { self == .microcontroller ? 1 : 4 }
    }

    /// The name that users refer to it by.
    public var name: String
    /// What kind of device it is.
    public var kind: Kind
    /// The limits a network must meet.
    public var limits: Constraints
    /// Images per batch; latency, energy and peak memory are per batch.
    public var batch: Int
    /// Bytes a stored weight takes.
    public var bytesPerWeight: Int
    /// Bytes an activation takes while the network runs.
    public var bytesPerActivation: Int
    /// Energy per operation and per byte; nil uses published figures.
    public var energy: EnergyModel?

    /// Sizes in bytes default to those of `kind`.
    public init(
        name: String, kind: Kind, limits: Constraints, batch: Int = 1, bytesPerWeight: Int? = nil,
        bytesPerActivation: Int? = nil, energy: EnergyModel? = nil
    ) {
        self.name = name
        self.kind = kind
        self.limits = limits
        self.batch = batch
        self.bytesPerWeight = bytesPerWeight ?? kind.bytesPerNumber
        self.bytesPerActivation = bytesPerActivation ?? kind.bytesPerNumber
        self.energy = energy
    }

    /// The assumption behind its memory and flash figures, as a sentence for reports.
    public var assumption: String {
        "\(8 * bytesPerWeight)-bit weights and \(8 * bytesPerActivation)-bit activations assumed"
            + (bytesPerWeight == 1 ? "; the accuracy is that of 32-bit floats" : "")
    }

    /// The costs of a network on this device; without a measured energy, energy is modelled.
    ///
    /// Peak memory = batch × live activations × bytes of an activation (`NetworkCost.liveActivationElements`); flash =
    /// stored numbers × bytes of a weight. Both are whole numbers and exact.
    public func metrics(_ cost: NetworkCost, latencyMs: Double?, energyMJ: Double? = nil)
        -> NetworkMetrics
    {
        NetworkMetrics(
            latencyMs: latencyMs, macs: cost.macs, params: cost.parameters,
            peakMemoryBytes: batch * cost.liveActivationElements * bytesPerActivation,
            flashBytes: cost.flashElements * bytesPerWeight,
            energyMJ: energyMJ ?? modelledEnergyMJ(cost))
    }

    /// The modelled energy of one batch in millijoules, by `energyModel`.
    public func modelledEnergyMJ(_ cost: NetworkCost) -> Double {
        energyModel.energyMJ(
            macs: batch * cost.macs, weightBytes: cost.flashElements * bytesPerWeight,
            activationBytes: batch * cost.movedActivationElements * bytesPerActivation)
    }

    /// This device's energy model, or the published one for its number size.
    public var energyModel: EnergyModel {
        energy ?? .horowitz(bytesPerActivation: bytesPerActivation)
    }

    /// The supported sizes of a weight or an activation, in bytes.
    public static let numberSizes = [1, 2, 4]

    /// Throws `invalidOption` for limits or sizes outside their ranges.
    public func validate() throws {
        try limits.validate()
        try energy?.validate()
        guard batch > 0, Self.numberSizes.contains(bytesPerWeight),
            Self.numberSizes.contains(bytesPerActivation)
        else {
            throw DeviceError(
                .invalidOption,
                "device \(name): the batch must be positive, the bytes of a number 1, 2 or 4")
        }
    }
}
